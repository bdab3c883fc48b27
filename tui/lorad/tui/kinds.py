"""The figures that charts and tables show, and how. No Textual here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lorad.shared.messages import Metric

Look = Literal["smooth", "plain", "dots"]
"""`smooth`: a moving average over the spread of all values; `plain`: the values joined; `dots`:
the values joined and each with a dot, the lowest one told apart."""


@dataclass(frozen=True)
class Kind:
    """A figure, and how it is shown."""

    metric: Metric
    title: str
    unit: str = ""
    scale: float = 1.0
    look: Look = "smooth"
    floor: float | None = None


KINDS: dict[Metric, Kind] = {
    kind.metric: kind
    for kind in (
        Kind("loss", "Loss"),
        Kind("validation_loss", "Validation loss", look="dots"),
        Kind("learning_rate", "Learning rate", look="plain", floor=0.0),
        Kind("grad_norm", "Gradient norm"),
        Kind("images_per_second", "Speed", "images/s", floor=0.0),
        Kind("gpu_utilization", "GPU", "%", floor=0.0),
        Kind("gpu_memory", "GPU memory", "GiB", 1 / (1 << 30), "plain", 0.0),
        Kind("gpu_power", "Power", "W", floor=0.0),
        Kind("gpu_temperature", "Temperature", "°C"),
    )
}
