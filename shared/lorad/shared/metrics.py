"""The figures that charts show, by the names that they have on the wire."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import Literal

from lorad.shared.jobs import Gpu

Metric = Literal[
    "loss", "validation_loss", "learning_rate", "grad_norm", "images_per_second",
    "gpu_utilization", "gpu_memory", "gpu_power", "gpu_temperature",
]  # fmt: skip
Axis = Literal["step", "time", "images"]
"""Steps; seconds since the run's first step; pictures seen since then."""

OF_STEPS: tuple[Metric, ...] = ("loss", "learning_rate", "grad_norm", "images_per_second")
"""What a step's `Point` has, by the same names."""
OF_CARDS: tuple[Metric, ...] = ("gpu_utilization", "gpu_memory", "gpu_power", "gpu_temperature")
"""Percent, bytes, watts, degrees Celsius; about once a second or once a step."""
METRICS: tuple[Metric, ...] = (*OF_STEPS, "validation_loss", *OF_CARDS)


def of_cards(gpus: Iterable[Gpu], uuids: Collection[str]) -> dict[Metric, float] | None:
    """The gauges of a run's cards as one: their mean load, all memory and power, the hottest.

    NaN where the driver does not say; none where no card is the run's.
    """
    own = [gpu for gpu in gpus if gpu.uuid in uuids]
    if not own:
        return None
    loads = [gpu.utilization_percent for gpu in own if gpu.utilization_percent is not None]
    powers = [gpu.power_watts for gpu in own if gpu.power_watts is not None]
    heats = [gpu.temperature_celsius for gpu in own if gpu.temperature_celsius is not None]
    return {
        "gpu_utilization": sum(loads) / len(loads) if loads else math.nan,
        "gpu_memory": float(sum(gpu.memory_used_bytes for gpu in own)),
        "gpu_power": sum(powers) if powers else math.nan,
        "gpu_temperature": max(heats, default=math.nan),
    }
