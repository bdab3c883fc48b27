"""What keeps a run from repeating bit for bit, in words."""

from __future__ import annotations

from lorad.daemon.training.device import Place
from lorad.daemon.training.optimizer import repeats_exactly
from lorad.shared.recipe import Recipe

IN_PARTS = "a batch that is taken in parts is summed in another order than a whole one"
COMPILED = "compiled kernels need not repeat bit for bit"


def inexact_settings(recipe: Recipe) -> list[str]:
    """What the recipe itself says, whatever the machine."""
    device_type = "cuda"  # where adamw8bit runs at all
    reasons = [
        repeats_exactly(recipe, device_type),
        "exact is false, so kernels may be chosen for speed" * (recipe.train.exact is False),
        COMPILED * (recipe.train.compile is True),
    ]
    return [reason for reason in reasons if reason]


def inexact(recipe: Recipe, place: Place) -> list[str]:
    """The reasons why a resumed run need not equal one that never stopped; none: it does."""
    reasons = [
        repeats_exactly(recipe, place.device.type),
        None if place.exact else "exact is off, so kernels are chosen for speed",
        COMPILED * (recipe.train.compile is True),
    ]
    return [reason for reason in reasons if reason]
