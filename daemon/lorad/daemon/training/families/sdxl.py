"""Stable Diffusion XL: two text encoders, and a U-Net that is told sizes and crops."""

from __future__ import annotations

from typing import Any

import diffusers
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from lorad.daemon.training.families import kinds
from lorad.daemon.training.families.base import Condition, Tokens
from lorad.daemon.training.families.source import Source
from lorad.daemon.training.families.unet import UNetFamily

SCHEDULERS = (
    "EulerDiscreteScheduler",
    "DDIMScheduler",
    "DPMSolverMultistepScheduler",
    "UniPCMultistepScheduler",
)
"""Those of a base that previews are drawn with; others draw at random, or know no zero SNR."""


class SDXL(UNetFamily):
    """A loaded Stable Diffusion XL."""

    name, network_name, size_multiple = kinds.SDXL
    architecture = "stable-diffusion-xl-v1-base"
    base_model_version = "sdxl_base_v1-0"

    def _load_text(self, source: Source) -> None:
        self._add_clip(source, "", CLIPTextModel)
        self._add_clip(source, "_2", CLIPTextModelWithProjection)
        self._zeros = bool(source.index.get("force_zeros_for_empty_prompt", True))
        self.text_digest = source.digest(
            "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"
        )

    def encode_tokens(self, tokens: Tokens) -> Condition:
        """`text` [n, tokens, both widths], and `pooled` [n, width] of the second encoder."""
        return self._encode_penultimate(tokens)

    def _added(self, condition: Condition) -> dict[str, Any]:
        """Micro-conditioning, Podell et al. 2023 (arXiv 2307.01952), section 2.2."""
        # Sizes stay fp32: bf16 cannot count to 1024.
        return {
            "text_embeds": condition["pooled"].to(self._dtype),
            "time_ids": condition["sizes"].to(self._device).float(),
        }

    def pipeline(self) -> Any:
        """A pipeline over the live U-Net, everything on the device, with the base's sampler."""
        self.unpark()
        named = self._scheduler_config.get("_class_name")
        kind = getattr(diffusers, named) if named in SCHEDULERS else EulerDiscreteScheduler
        return StableDiffusionXLPipeline(
            vae=self._vae,
            text_encoder=self.text_encoders["text_encoder"],
            text_encoder_2=self.text_encoders["text_encoder_2"],
            tokenizer=self.tokenizers["ids"],
            tokenizer_2=self.tokenizers["ids_2"],
            unet=self.network,
            scheduler=kind.from_config(self._scheduler_config),
            force_zeros_for_empty_prompt=self._zeros,
            add_watermarker=False,
        )
