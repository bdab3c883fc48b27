"""Whether compiling the network pays back within a run, and compiling it without risk to the run.

On two cores the shipped model took about 200 seconds to compile and was then a tenth faster than
the short ways of `lean.py` alone: that pays back after some forty thousand steps.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

log = logging.getLogger(__name__)


class Yield(NamedTuple):
    """What compiling costs and brings on one kind of device."""

    seconds_a_layer: float
    """Compiling goes by how many layers there are, whatever their size."""
    speed: float
    """Of a compiled step, as a multiple of a plain one's."""


YIELDS = {"cpu": Yield(0.6, 1.1)}
"""As measured; where nothing has been measured, nothing is compiled unasked."""


def pays_back(step_seconds: float, steps_left: int, layers: int, device_type: str) -> bool:
    """Whether the steps that are left save more time than compiling takes.

    `step_seconds` is what a plain step takes; `layers` as `count_layers` says.
    """
    if device_type not in YIELDS:
        return False
    cost, speed = YIELDS[device_type]
    saved = steps_left * step_seconds * (1 - 1 / speed)
    return saved > cost * layers


def count_layers(network: nn.Module) -> int:
    """Modules that hold weights of their own."""
    return sum(1 for module in network.modules() if module._parameters)


def compile_network(network: nn.Module, try_it: Callable[[], object]) -> bool:
    """Compile what a training step calls; false, and all as before, where that fails.

    `try_it` goes once forwards and backwards on a real batch, so that both are compiled here and
    not within a step; the gradients that it leaves are the caller's to clear. Pictures are still
    drawn by the plain network: they would be compiled for their own shapes.
    """
    live: Any = network
    plain = live.forward
    compiled = torch.compile(plain, dynamic=False)

    def forward(*args: Any, **kwargs: Any) -> Any:
        return (compiled if torch.is_grad_enabled() else plain)(*args, **kwargs)

    live.forward = forward
    try:
        try_it()
    except Exception as error:  # whatever the compiler's many parts raise: the plain way is there
        live.forward = plain
        why = str(error).strip().partition("\n")[0]
        log.warning("It goes on without torch.compile, which failed: %s", why)
        return False
    return True
