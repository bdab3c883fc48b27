"""Stable Diffusion 2.x: an OpenCLIP text encoder, linear projections, noise or velocity."""

from __future__ import annotations

import torch

from lorad.daemon.training.families import kinds
from lorad.daemon.training.families.source import Source
from lorad.daemon.training.families.unet import UNetFamily


class SD2(UNetFamily):
    """A loaded Stable Diffusion 2.x."""

    name, network_name, size_multiple = kinds.SD2

    def __init__(self, source: Source, device: torch.device, dtype: torch.dtype) -> None:
        """Load; raises what the libraries do where parts are missing or damaged."""
        super().__init__(source, device, dtype)
        epsilon = self.prediction_type == "epsilon"
        self.architecture = f"stable-diffusion-v2-{'512' if epsilon else '768-v'}"
        self.base_model_version = "sd_v2" if epsilon else "sd_v2_v"
