"""The learning rate as a pure function of the step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from lorad.shared.errors import WrongValue
from lorad.shared.recipe import Recipe

CHOOSY = ("polynomial", "warmup_stable_decay")
"""Schedules that do not take all numbers; the others go with any that a recipe may have."""
LONGEST_WARMUP = 500
"""Steps, where the recipe does not say."""


def learning_rates(recipe: Recipe, steps: int) -> Callable[[int], float]:
    """The share of the learning rate that each step takes, the first step being 0.

    By diffusers' schedules, and by transformers' `cosine_with_min_lr` and `warmup_stable_decay`
    (which begins its warm-up at its floor).

    Raises:
        WrongValue: the schedule does not take these numbers.
    """
    warmup = recipe.schedule.lr_warmup_steps
    if warmup is None:
        warmup = min(LONGEST_WARMUP, steps // 10)
    stand_in = torch.optim.SGD([torch.zeros(1)], lr=recipe.train.learning_rate)
    try:
        schedule = _schedule(stand_in, recipe, warmup, steps)
    except ValueError as error:  # polynomial and its own smallest rate
        raise WrongValue(key="schedule", why=error) from error
    # LambdaLR's factor depends on nothing but the step, so a resume needs no schedule's state.
    (factor,) = schedule.lr_lambdas

    def share(step: int) -> float:
        # A warm-up counts from 1, or its first step would be taken at rate 0.
        return float(factor(step + 1 if step < warmup else step))

    return share


def refuse_schedule(recipe: Recipe, steps: int) -> None:
    """Refuse numbers that the schedule does not take; made only where it may refuse some.

    Raises:
        WrongValue: as `learning_rates`.
    """
    if recipe.schedule.lr_scheduler in CHOOSY:
        learning_rates(recipe, steps)


def _schedule(stand_in: torch.optim.Optimizer, recipe: Recipe, warmup: int, steps: int) -> Any:
    from diffusers.optimization import get_scheduler
    from transformers.optimization import (
        get_cosine_with_min_lr_schedule_with_warmup,
        get_wsd_schedule,
    )

    wanted = recipe.schedule
    if wanted.lr_scheduler == "cosine_with_min_lr":
        return get_cosine_with_min_lr_schedule_with_warmup(
            stand_in, warmup, steps, min_lr_rate=wanted.min_lr_ratio
        )
    if wanted.lr_scheduler == "warmup_stable_decay":
        decay = steps // 5 if wanted.lr_decay_steps is None else wanted.lr_decay_steps
        if warmup + decay > steps:
            raise WrongValue(
                key="schedule.lr_decay_steps",
                why=f"{warmup} steps of warm-up and {decay} of decay are more than the {steps} of"
                " the run",
            )
        return get_wsd_schedule(
            stand_in, warmup, decay, num_training_steps=steps, min_lr_ratio=wanted.min_lr_ratio
        )
    return get_scheduler(
        wanted.lr_scheduler,
        stand_in,
        num_warmup_steps=warmup,
        num_training_steps=steps,
        num_cycles=wanted.lr_num_cycles,
        power=wanted.lr_power,
    )
