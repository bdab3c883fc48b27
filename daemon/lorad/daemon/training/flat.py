"""The adapter's weights side by side in one tensor.

An adapter has hundreds of small weights, and an optimiser, a norm or an average that goes from one
to the next spends its time on the way. Here each weight is a view into one long tensor and its
gradient a view into another, so each of these is one kernel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch.nn import Parameter

ELEMENTWISE = frozenset({"adamw", "lion", "prodigy", "schedulefree"})
"""Optimisers that treat each number alike, wherever it stands. Adafactor goes by rows, and the
8-bit one by blocks and by the size of each weight."""


def flatten(parameters: dict[str, Parameter]) -> dict[str, Parameter]:
    """One long parameter [numbers] for each component, by its name: `unet`, `text_encoder`.

    The given ones live on as views, in the order in which they came, and so do their gradients:
    these add up in the long one's, until `clear` empties it. Optimiser, clipping and average are
    given the long ones. All must be fp32, and on one device.
    """
    groups: dict[str, list[Parameter]] = defaultdict(list)
    for name, parameter in parameters.items():
        groups[name.partition(".")[0]].append(parameter)
    return {component: _join(group) for component, group in groups.items()}


def _join(group: list[Parameter]) -> Parameter:
    joined = Parameter(torch.cat([parameter.detach().reshape(-1) for parameter in group]))
    joined.grad = torch.zeros_like(joined)
    sizes = [parameter.numel() for parameter in group]
    weights: Any = joined.detach()  # whose `split` torch leaves untyped
    gradients: Any = joined.grad
    for parameter, weight, gradient in zip(
        group, weights.split(sizes), gradients.split(sizes), strict=True
    ):
        parameter.data = weight.view(parameter.shape)
        parameter.grad = gradient.view(parameter.shape)
    return joined


def clear(parameters: Iterable[Parameter]) -> None:
    """Gradients back to 0, in place of `optimizer.zero_grad`, which would take the views off."""
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.zero_()
