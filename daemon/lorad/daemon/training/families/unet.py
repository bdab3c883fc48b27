"""What the families with a U-Net have in common: Stable Diffusion 1, 2 and XL."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import DDIMScheduler, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel

from lorad.daemon.training.families.base import Condition, Diffusion, Flow, Tokens
from lorad.daemon.training.families.loaded import Loaded
from lorad.daemon.training.families.source import Source


class UNetFamily(Loaded):
    """A loaded U-Net with one CLIP text encoder; Stable Diffusion XL says what it does else."""

    def __init__(self, source: Source, device: torch.device, dtype: torch.dtype) -> None:
        """Load; raises what the libraries do where parts are missing or damaged."""
        super().__init__(source, device, dtype)
        self._scheduler_config = source.scheduler_config()
        prediction_type, alphas = self.process_of(source)
        self.prediction_type = prediction_type
        self.process: Diffusion | Flow = Diffusion(prediction_type, alphas.to(device))
        self._load_text(source)
        self._take_network(source.part("unet", UNet2DConditionModel, dtype), "U-Net")
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @staticmethod
    def process_of(source: Source) -> Diffusion:
        """How its pictures turn into noise, by its configuration; on the host."""
        schedule = DDPMScheduler.from_config(source.scheduler_config())
        return Diffusion(schedule.config.prediction_type, schedule.alphas_cumprod)

    def _load_text(self, source: Source) -> None:
        self._add_clip(source, "", CLIPTextModel)
        self.text_digest = source.digest("text_encoder", "tokenizer")

    def encode_tokens(self, tokens: Tokens) -> Condition:
        """`text` [n, tokens, width]: the last hidden state."""
        return {"text": self.text_encoders["text_encoder"](tokens["ids"].to(self._device))[0]}

    def predict(
        self, noisy: torch.Tensor, timesteps: torch.Tensor, condition: Condition
    ) -> torch.Tensor:
        """The guess [n, c, h/8, w/8] at the noise or the velocity."""
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        text = condition["text"].to(self._dtype)  # once, not in every layer
        guess: torch.Tensor = self.network(
            noisy, timesteps, text, added_cond_kwargs=self._added(condition), return_dict=False
        )[0]
        return guess

    def _added(self, condition: Condition) -> dict[str, torch.Tensor] | None:
        """What the U-Net is told beside the text."""
        return None

    def pipeline(self) -> Any:
        """A pipeline over the live U-Net, everything on the device.

        With DDIM, whatever sampler the base names: it draws nothing at random.
        """
        self.unpark()
        return StableDiffusionPipeline(
            vae=self._vae,
            text_encoder=self.text_encoders["text_encoder"],
            tokenizer=self.tokenizers["ids"],
            unet=self.network,
            scheduler=DDIMScheduler.from_config(
                self._scheduler_config, clip_sample=False, set_alpha_to_one=False, steps_offset=1
            ),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
