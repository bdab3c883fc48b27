"""What is known of each model family before any of it is loaded, or its libraries imported."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Kind(NamedTuple):
    """A family; its module has its name, and its class the same in capitals."""

    name: str
    network_name: Literal["unet", "transformer"]
    size_multiple: int
    """As of `Family`."""


SD1 = Kind("sd1", "unet", 8)
SD2 = Kind("sd2", "unet", 8)
SDXL = Kind("sdxl", "unet", 8)
SD3 = Kind("sd3", "transformer", 16)
