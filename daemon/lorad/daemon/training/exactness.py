"""What keeps a run from repeating bit for bit, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lorad.daemon.training.optimizer import repeats_exactly
from lorad.shared.recipe import Recipe

if TYPE_CHECKING:
    from lorad.daemon.training.device import Place

IN_PARTS = "a batch that is taken in parts is summed in another order than a whole one"


def inexact(recipe: Recipe, place: Place | None = None) -> list[str]:
    """The reasons why a resumed run need not equal one that never stopped; none: it does.

    Without a place what the recipe itself says, whatever the machine.
    """
    # adamw8bit runs on no other kind of device.
    kind = place.device.type if place is not None else "cuda"
    fast = not place.exact if place is not None else recipe.train.exact is False
    reasons = [
        repeats_exactly(recipe, kind),
        "exact is off, so kernels are chosen for speed" * fast,
        "compiled kernels need not repeat bit for bit" * (recipe.train.compile is True),
    ]
    return [reason for reason in reasons if reason]
