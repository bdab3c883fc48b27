"""Stable Diffusion 1.x: one CLIP text encoder, a U-Net that guesses the noise."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from diffusers.image_processor import VaeImageProcessor
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

from lorad.daemon.training.families.base import Condition, Diffusion, Flow, Tokens
from lorad.shared.errors import ModelUnsupported


class SD1:
    """A loaded Stable Diffusion 1.x."""

    name = "sd1"
    architecture = "stable-diffusion-v1"
    base_model_version = "sd_v1"
    network_name: Literal["unet", "transformer"] = "unet"
    shift_factor = 0.0
    size_multiple = 8

    def __init__(self, base: str, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        """Load from a diffusers folder; raises OSError or ValueError where it lacks parts."""
        self.base = base
        self._device, self._dtype = device, dtype
        self._schedule = DDPMScheduler.from_pretrained(folder, subfolder="scheduler")
        prediction = self._schedule.config.prediction_type
        if prediction != "epsilon":
            raise ModelUnsupported(base=base, why=f"it predicts {prediction}, not the noise")
        self.process: Diffusion | Flow = Diffusion(
            "epsilon", self._schedule.alphas_cumprod.to(device)
        )
        self.tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer")
        self._text_encoder = CLIPTextModel.from_pretrained(
            folder, subfolder="text_encoder", use_safetensors=True
        ).float()
        # fp32 unless told otherwise, by an argument whose name diffusers is just changing.
        self._vae = AutoencoderKL.from_pretrained(folder, subfolder="vae", use_safetensors=True)
        self.network = UNet2DConditionModel.from_pretrained(
            folder, subfolder="unet", use_safetensors=True
        )
        if self.network.config.use_linear_projection:
            raise ModelUnsupported(base=base, why="it is a Stable Diffusion 2.x")
        self.text_encoders = {"text_encoder": self._text_encoder}
        for part in (self._text_encoder, self._vae, self.network):
            part.requires_grad_(False)
        self.scaling_factor = float(self._vae.config.scaling_factor)
        self.vae_digest = _digest(folder / "vae")
        self.text_digest = _digest(folder / "text_encoder") + _digest(folder / "tokenizer")
        self.network.to(device, dtype, memory_format=torch.channels_last)
        self.unpark()

    @torch.no_grad()
    def encode_pictures(self, pixels: torch.Tensor) -> torch.Tensor:
        """Posterior mean and std [n, 2, c, h/8, w/8] of pixels [n, 3, h, w] in -1..1."""
        posterior = self._vae.encode(pixels.to(self._device)).latent_dist
        return torch.stack([posterior.mean, posterior.std], dim=1)

    def tokenize(self, captions: list[str]) -> Tokens:
        """`ids` [n, tokens]."""
        tokens = self.tokenizer(
            captions,
            padding="max_length",
            truncation=True,
            max_length=self.tokenizer.model_max_length,
            return_tensors="pt",
        )
        return {"ids": tokens.input_ids}

    def encode_tokens(self, tokens: Tokens) -> Condition:
        """`text` [n, tokens, width]."""
        return {"text": self._text_encoder(tokens["ids"].to(self._device))[0]}

    def predict(
        self, noisy: torch.Tensor, timesteps: torch.Tensor, condition: Condition
    ) -> torch.Tensor:
        """The guess at the noise [n, c, h/8, w/8]."""
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        text = condition["text"].to(self._dtype)  # once, not in every layer
        guess: torch.Tensor = self.network(noisy, timesteps, text, return_dict=False)[0]
        return guess

    def park(self, *, text: bool = True) -> None:
        """Take VAE and text encoder off the device."""
        self._vae.to("cpu")
        if text:
            self._text_encoder.to("cpu")
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def unpark(self) -> None:
        """Bring VAE and text encoder back onto the device."""
        self._vae.to(self._device)
        self._text_encoder.to(self._device)

    def pipeline(self) -> Any:
        """A pipeline over the live U-Net, everything on the device."""
        self.unpark()
        return StableDiffusionPipeline(
            vae=self._vae,
            text_encoder=self._text_encoder,
            tokenizer=self.tokenizer,
            unet=self.network,
            scheduler=DDIMScheduler.from_config(
                self._schedule.config, clip_sample=False, set_alpha_to_one=False, steps_offset=1
            ),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> list[Image.Image]:
        """Pictures from latents, in the VAE's own precision."""
        pixels = self._vae.decode(latents.float() / self.scaling_factor, return_dict=False)[0]
        pictures: list[Image.Image] = VaeImageProcessor().postprocess(pixels, output_type="pil")
        return pictures


def _digest(folder: Path) -> str:
    """Of all files in a part's folder, names and contents."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in (".json", ".txt", ".safetensors"):
            digest.update(path.name.encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()
