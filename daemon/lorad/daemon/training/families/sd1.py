"""Stable Diffusion 1.x: one CLIP text encoder, and a U-Net that guesses the noise."""

from __future__ import annotations

import torch

from lorad.daemon.training.families import kinds
from lorad.daemon.training.families.source import Source
from lorad.daemon.training.families.unet import UNetFamily


class SD1(UNetFamily):
    """A loaded Stable Diffusion 1.x."""

    name, network_name, size_multiple = kinds.SD1
    architecture = "stable-diffusion-v1"

    def __init__(self, source: Source, device: torch.device, dtype: torch.dtype) -> None:
        """Load; raises what the libraries do where parts are missing or damaged."""
        super().__init__(source, device, dtype)
        self.base_model_version = "sd_v1" if self.prediction_type == "epsilon" else "sd_v1_v"
