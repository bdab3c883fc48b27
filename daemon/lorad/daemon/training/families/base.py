"""What the loop asks of a model family."""

from __future__ import annotations

from typing import Any, Protocol

import torch


class Family(Protocol):
    """A loaded base model."""

    name: str
    """`sd1`."""
    architecture: str
    """As modelspec names it: `stable-diffusion-v1`."""
    base: str
    """What the recipe called it."""
    unet: torch.nn.Module
    """The network that gets the adapter; its own weights are frozen."""
    timesteps: int
    """Of the noise schedule, 1000."""
    alphas_cumprod: torch.Tensor
    """The schedule's signal power, [timesteps], on the device."""
    scaling: float
    """What latents are multiplied by before they are noised."""
    vae_digest: str
    """Of the weights that encode pictures: part of a cache key."""
    text_digest: str
    """Of the weights and words that encode captions."""

    def encode_pictures(self, pixels: torch.Tensor) -> torch.Tensor:
        """Posterior mean and std [n, 2, c, h/8, w/8] of pixels [n, 3, h, w] in -1..1."""
        ...

    def encode_captions(self, captions: list[str]) -> torch.Tensor:
        """Embeddings [n, tokens, width]."""
        ...

    def predict(
        self, noisy: torch.Tensor, timesteps: torch.Tensor, text: torch.Tensor
    ) -> torch.Tensor:
        """The network's guess at the noise [n, c, h/8, w/8]."""
        ...

    def park(self) -> None:
        """Take what only encodes and decodes off the device."""
        ...

    def pipeline(self) -> Any:
        """A diffusers pipeline over the live network, everything on the device."""
        ...
