"""What the loop asks of a model family."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol

import torch
from PIL import Image

Tokens = dict[str, torch.Tensor]
"""Captions as numbers: [n, tokens] for each tokenizer."""
Condition = dict[str, torch.Tensor]
"""What the network is told beside the noisy picture: `text` [n, tokens, width], `pooled`
[n, width] where the family has one, and `sizes` [n, 6], which the data set adds for all: original
height and width, top and left of the crop, height and width of the bucket, in pixels."""


class Diffusion(NamedTuple):
    """Noise is added as in DDPM."""

    prediction_type: Literal["epsilon", "v_prediction"]
    alphas_cumprod: torch.Tensor
    """The signal's power, [timesteps], on the device."""


class Flow(NamedTuple):
    """Noise is blended in along a straight line, as in rectified flow."""

    shift: float
    """Of the timesteps towards noise, as the base model was trained."""
    timesteps: int
    """What a sigma of 1 is called when the network is asked: 1000."""


class Family(Protocol):
    """A loaded base model."""

    name: str
    """`sd1`, `sd2`, `sdxl`, `sd3`."""
    architecture: str
    """As modelspec names it: `stable-diffusion-v1`."""
    base_model_version: str
    """As kohya's metadata name it: `sd_v1`."""
    base: str
    """What the recipe called it."""
    network: torch.nn.Module
    """The U-Net or transformer that gets the adapter; its own weights are frozen."""
    network_name: Literal["unet", "transformer"]
    """Its prefix in a LoRA file."""
    text_encoders: dict[str, torch.nn.Module]
    """Those that an adapter may be trained on, by diffusers' names: `text_encoder`."""
    process: Diffusion | Flow
    """How pictures turn into noise."""
    scaling_factor: float
    shift_factor: float
    """Latents are (encoded - shift_factor) * scaling_factor before they are noised."""
    size_multiple: int
    """Sides of a picture are multiples of it: 8, or 16 where latents are patched."""
    vae_digest: str
    """Of the weights that encode pictures: part of a cache key."""
    text_digest: str
    """Of the weights, words and settings that encode captions."""
    pipeline_options: dict[str, Any]
    """What its pipeline is called with beside the prompt and the picture's size."""

    def encode_pictures(self, pixels: torch.Tensor) -> torch.Tensor:
        """Posterior mean and std [n, 2, c, h/8, w/8] of pixels [n, 3, h, w] in -1..1, in fp32."""
        ...

    def tokenize(self, captions: list[str]) -> Tokens:
        """Captions as numbers, cut to what the encoders read; on the host."""
        ...

    def encode_tokens(self, tokens: Tokens) -> Condition:
        """`text` and, where there is one, `pooled`; with gradients if a text encoder is trained."""
        ...

    def predict(
        self, noisy: torch.Tensor, timesteps: torch.Tensor, condition: Condition
    ) -> torch.Tensor:
        """The network's guess [n, c, h/8, w/8]; timesteps [n] in 0..1000."""
        ...

    def park(self, *, text: bool = True) -> None:
        """Take what only encodes and decodes off the device; the text encoders only with `text`.

        The network is on it afterwards.
        """
        ...

    def unpark(self, *, network: bool = True) -> None:
        """Bring what encodes and decodes onto the device; without `network` that one leaves it."""
        ...

    def pipeline(self) -> Any:
        """A diffusers pipeline over the live network, everything on the device."""
        ...

    def decode(self, latents: torch.Tensor) -> list[Image.Image]:
        """Pictures from a pipeline's latents, in a precision that the VAE bears."""
        ...
