"""What all families have in common: pictures in and out, captions cut, parts on and off."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL
from diffusers.image_processor import VaeImageProcessor
from PIL import Image
from transformers import CLIPTokenizer

from lorad.daemon.training.families.base import Condition, Tokens
from lorad.daemon.training.families.source import Source
from lorad.daemon.training.families.words import load_tokenizer, pad_ids
from lorad.shared.errors import WrongValue


class Loaded:
    """A base model's VAE, tokenizers and text encoders; families add their network.

    The VAE and the CLIP text encoders are always fp32: SDXL's VAE overflows in fp16, and what is
    encoded once may as well be encoded well.
    """

    network: torch.nn.Module
    text_encoders: dict[str, torch.nn.Module]
    pipeline_options: dict[str, Any]

    def __init__(self, source: Source, device: torch.device, dtype: torch.dtype) -> None:
        """The VAE; `dtype` is the frozen network's. Raises what the libraries do."""
        self.base = source.model.base
        self._device, self._dtype = device, dtype
        self._vae = source.part("vae", AutoencoderKL)
        self.scaling_factor = float(self._vae.config.scaling_factor)
        self.shift_factor = float(self._vae.config.shift_factor or 0.0)
        self.vae_digest = source.digest("vae")
        self.text_encoders = {}
        self.pipeline_options = {}
        self._others: dict[str, torch.nn.Module] = {}
        """Text encoders that are never trained: T5."""
        self.tokenizers: dict[str, Any] = {}

    def _add_clip(self, source: Source, ending: str, kind: Any) -> None:
        """A CLIP text encoder and its tokenizer; `ending` is diffusers': `` or `_2`."""
        self.tokenizers[f"ids{ending}"] = load_tokenizer(
            CLIPTokenizer, source.folder, f"tokenizer{ending}", self.base
        )
        self.text_encoders[f"text_encoder{ending}"] = source.part(f"text_encoder{ending}", kind)

    def _take_network(self, network: Any, part: str) -> None:
        """Set it; raises WrongValue where another VAE makes other latents than it knows."""
        channels, latents = network.config.in_channels, self._vae.config.latent_channels
        if channels != latents:
            why = f"its latents have {latents} channels, and the {part} wants {channels}"
            raise WrongValue(key="model.vae", why=why)
        self.network = network

    @torch.no_grad()
    def encode_pictures(self, pixels: torch.Tensor) -> torch.Tensor:
        """Posterior mean and std [n, 2, c, h/8, w/8] of pixels [n, 3, h, w] in -1..1."""
        with torch.autocast(self._device.type, enabled=False):
            posterior = self._vae.encode(pixels.to(self._device).float()).latent_dist
        return torch.stack([posterior.mean, posterior.std], dim=1)

    def tokenize(self, captions: list[str]) -> Tokens:
        """`ids` [n, tokens], and `ids_2`, `ids_3` where there are further encoders."""
        return {
            name: pad_ids(tokenizer, captions, tokenizer.model_max_length)
            for name, tokenizer in self.tokenizers.items()
        }

    def _encode_penultimate(self, tokens: Tokens) -> Condition:
        """All CLIP encoders' last hidden state but one, side by side, and what they pool."""
        texts, pooled = [], []
        for name, encoder in self.text_encoders.items():
            ids = tokens[name.replace("text_encoder", "ids")].to(self._device)
            output = encoder(ids, output_hidden_states=True)
            texts.append(output.hidden_states[-2])
            pooled.append(output[0])
        with_projection = [value for value in pooled if value.ndim == 2]
        return {"text": torch.cat(texts, dim=-1), "pooled": torch.cat(with_projection, dim=-1)}

    def park(self, *, text: bool = True) -> None:
        """Take the VAE, and with `text` the text encoders, off the device; the network is on it."""
        self._vae.to("cpu")
        if text:
            for encoder in (*self.text_encoders.values(), *self._others.values()):
                encoder.to("cpu")
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
            self.network.to(self._device)

    def unpark(self, *, network: bool = True) -> None:
        """Bring what encodes onto the device; without `network` that one makes room for it.

        All at once may be more than a card holds which could train: it is parked again then.
        """
        if self._device.type == "cuda" and not network:
            self.network.to("cpu")
            torch.cuda.empty_cache()
        for part in (self._vae, *self.text_encoders.values(), *self._others.values()):
            part.to(self._device)

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> list[Image.Image]:
        """Pictures from latents [n, c, h/8, w/8]."""
        latents = latents.to(self._device).float() / self.scaling_factor + self.shift_factor
        with torch.autocast(self._device.type, enabled=False):
            pixels = self._vae.decode(latents, return_dict=False)[0]
        pictures: list[Image.Image] = VaeImageProcessor().postprocess(pixels, output_type="pil")
        return pictures
