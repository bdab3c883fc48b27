"""AdamW, and the learning rate as a pure function of the step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers.optimization import get_scheduler

from lorad.shared.errors import WrongValue
from lorad.shared.recipe import Recipe


def make_optimizer(
    parameters: list[torch.nn.Parameter], recipe: Recipe, device: torch.device
) -> torch.optim.AdamW:
    """AdamW over the adapter; one fused kernel on a GPU."""
    options = recipe.optimizer
    return torch.optim.AdamW(
        parameters,
        lr=recipe.train.learning_rate,
        betas=(options.adam_beta1, options.adam_beta2),
        weight_decay=options.adam_weight_decay,
        eps=options.adam_epsilon,
        fused=device.type == "cuda",
    )


def learning_rates(recipe: Recipe) -> Callable[[int], float]:
    """The learning rate of each step, the first one being 0, by diffusers' schedules.

    Raises:
        WrongValue: the schedule does not take these numbers.
    """
    steps = recipe.train.known_steps or 0
    warmup = recipe.schedule.lr_warmup_steps
    if warmup is None:
        warmup = min(500, steps // 10)
    base = recipe.train.learning_rate
    stand_in = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    try:
        schedule = get_scheduler(
            recipe.schedule.lr_scheduler,
            stand_in,
            num_warmup_steps=warmup,
            num_training_steps=steps,
        )
    except ValueError as error:  # polynomial and its own smallest rate
        raise WrongValue(key="schedule", why=error) from error
    # LambdaLR's factor depends on nothing but the step, so a resume needs no schedule's state.
    (factor,) = schedule.lr_lambdas

    def rate(step: int) -> float:
        # A warm-up counts from 1, or its first step would be taken at rate 0.
        return base * float(factor(step + 1 if step < warmup else step))

    return rate


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """For the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, parameters: dict[str, torch.nn.Parameter]
) -> dict[str, torch.Tensor]:
    """Both moments and the step of every parameter, for a checkpoint."""
    return {
        f"{part}/{name}": value.detach().cpu()
        for name, parameter in parameters.items()
        for part, value in optimizer.state[parameter].items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    parameters: dict[str, torch.nn.Parameter],
    tensors: dict[str, torch.Tensor],
) -> None:
    """Put back what `optimizer_tensors` took; torch's own loading would cast to the parameter."""
    fused = bool(optimizer.param_groups[0]["fused"])
    for key, value in tensors.items():
        part, name = key.split("/", 1)
        # The step counter lives on the host unless a fused kernel reads it.
        home = torch.device("cpu") if part == "step" and not fused else parameters[name].device
        optimizer.state[parameters[name]][part] = value.to(home)
