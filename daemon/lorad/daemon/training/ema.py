"""The weights that people see, where they are not those that are trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

Parameters = dict[str, torch.nn.Parameter]


class Ema:
    """A moving average of the adapter, on its device.

    Polyak averaging with an exponential window; the decay grows with the steps as in TensorFlow's
    ExponentialMovingAverage and diffusers' EMAModel, so that the first weights are soon forgotten.
    It is a function of the step, so the averages are all there is to save.
    """

    def __init__(self, parameters: Parameters, decay: float) -> None:
        """Begins with the weights as they are."""
        self._decay = decay
        self.averages = {name: p.detach().clone() for name, p in parameters.items()}
        """By the parameter's name: for a checkpoint."""

    def decay(self, step: int) -> float:
        """After the update of this step, the first one being 0: min(decay, (1+step)/(10+step))."""
        return min(self._decay, (1 + step) / (10 + step))

    @torch.no_grad()
    def update(self, parameters: Parameters, step: int) -> None:
        """Move towards the weights as this step left them."""
        weights: list[torch.Tensor] = list(parameters.values())
        torch._foreach_lerp_(list(self.averages.values()), weights, 1 - self.decay(step))

    @torch.no_grad()
    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """Put back what `averages` was, bit for bit."""
        for name, average in self.averages.items():
            average.copy_(tensors[name])


@contextmanager
def shown(
    parameters: Parameters, optimizer: torch.optim.Optimizer, ema: Ema | None
) -> Iterator[None]:
    """For its time, the network has the weights that are sampled, validated and exported.

    Those are the moving average, or the ones that schedule-free AdamW averages itself, or simply
    the trained ones. Afterwards the trained ones are back to the last bit: schedule-free's own way
    back would compute them.
    """
    switch = getattr(optimizer, "eval", None)
    if ema is None and switch is None:
        yield
        return
    weights: list[torch.Tensor] = list(parameters.values())
    modes = [group.get("train_mode") for group in optimizer.param_groups]
    trained = [weight.detach().clone() for weight in weights]
    try:
        if switch is not None:
            switch()
        if ema is not None:
            with torch.no_grad():
                torch._foreach_copy_(weights, [ema.averages[name] for name in parameters])
        yield
    finally:
        with torch.no_grad():
            torch._foreach_copy_(weights, trained)
        group: dict[str, Any]
        for group, mode in zip(optimizer.param_groups, modes, strict=True):
            if mode is not None:
                group["train_mode"] = mode
