"""Stable Diffusion 3 and 3.5: flow matching, a transformer, two CLIP encoders and maybe T5."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)
from transformers import CLIPTextModelWithProjection, T5EncoderModel, T5TokenizerFast

from lorad.daemon.training.families import kinds
from lorad.daemon.training.families.base import Condition, Diffusion, Flow, Tokens
from lorad.daemon.training.families.loaded import Loaded
from lorad.daemon.training.families.source import Source
from lorad.daemon.training.families.words import load_tokenizer, pad_ids


class SD3(Loaded):
    """A loaded Stable Diffusion 3 or 3.5; Esser et al. 2024 (arXiv 2403.03206)."""

    name, network_name, size_multiple = kinds.SD3

    def __init__(self, source: Source, device: torch.device, dtype: torch.dtype) -> None:
        """Load; raises what the libraries do where parts are missing or damaged."""
        super().__init__(source, device, dtype)
        self._schedule = FlowMatchEulerDiscreteScheduler.from_config(source.scheduler_config())
        self.process: Diffusion | Flow = self.process_of(source)
        self._t5_tokens = source.model.max_sequence_length
        self.pipeline_options = {"max_sequence_length": self._t5_tokens}
        self._load_text(source, dtype)
        network = source.part("transformer", SD3Transformer2DModel, dtype)
        self._take_network(network, "transformer")
        self._text_width = int(network.config.joint_attention_dim)
        variety = name_variety(network.config)
        self.architecture = f"stable-diffusion-3-{variety}"
        self.base_model_version = f"sd3_{variety}"
        self.network.to(device)

    @staticmethod
    def process_of(source: Source) -> Flow:
        """How its pictures turn into noise, by its configuration."""
        config = FlowMatchEulerDiscreteScheduler.from_config(source.scheduler_config()).config
        return Flow(float(config.shift), int(config.num_train_timesteps))

    def _load_text(self, source: Source, dtype: torch.dtype) -> None:
        self._add_clip(source, "", CLIPTextModelWithProjection)
        self._add_clip(source, "_2", CLIPTextModelWithProjection)
        parts = ["text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"]
        self._t5_tokenizer: Any = None
        if source.has_t5:
            self._t5_tokenizer = load_tokenizer(
                T5TokenizerFast, source.folder, "tokenizer_3", self.base
            )
            # In the network's precision: T5-XXL takes 19 GiB in fp32.
            t5: Any = source.part("text_encoder_3", T5EncoderModel, dtype)
            # It keeps some layers in fp32 where fp16 would overflow; autocast would undo that.
            t5.forward = torch.autocast(self._device.type, enabled=False)(t5.forward)
            self._others["text_encoder_3"] = t5
            parts += ["text_encoder_3", "tokenizer_3"]
        kept = str(dtype) if source.has_t5 else "none"
        self.text_digest = f"{source.digest(*parts)}/{self._t5_tokens}/{kept}"

    def tokenize(self, captions: list[str]) -> Tokens:
        """`ids` and `ids_2` [n, 77], and with T5 `ids_3` [n, max_sequence_length]."""
        length = self.tokenizers["ids"].model_max_length  # of both, as in diffusers' pipeline
        tokens = {
            name: pad_ids(tokenizer, captions, length)
            for name, tokenizer in self.tokenizers.items()
        }
        if self._t5_tokenizer is not None:
            tokens["ids_3"] = pad_ids(self._t5_tokenizer, captions, self._t5_tokens)
        return tokens

    def encode_tokens(self, tokens: Tokens) -> Condition:
        """`text` [n, 77 + max_sequence_length, width] and `pooled` [n, both widths].

        CLIP's states are padded to T5's width and T5's are put behind; without T5 those are zero.
        """
        clip = self._encode_penultimate(tokens)
        text = clip["text"]
        t5 = text.new_zeros(len(text), self._t5_tokens, self._text_width)
        if "text_encoder_3" in self._others:
            with torch.no_grad():
                t5 = self._others["text_encoder_3"](tokens["ids_3"].to(self._device))[0]
        text = F.pad(text, (0, self._text_width - text.shape[-1]))
        return {"text": torch.cat([text, t5], dim=-2), "pooled": clip["pooled"]}

    def predict(
        self, noisy: torch.Tensor, timesteps: torch.Tensor, condition: Condition
    ) -> torch.Tensor:
        """The guess [n, c, h/8, w/8] at the flow, noise less picture."""
        guess: torch.Tensor = self.network(
            hidden_states=noisy,
            timestep=timesteps,
            encoder_hidden_states=condition["text"].to(self._dtype),
            pooled_projections=condition["pooled"].to(self._dtype),
            return_dict=False,
        )[0]
        return guess

    def pipeline(self) -> Any:
        """A pipeline over the live transformer, everything on the device."""
        self.unpark()
        return StableDiffusion3Pipeline(
            transformer=self.network,
            scheduler=FlowMatchEulerDiscreteScheduler.from_config(self._schedule.config),
            vae=self._vae,
            text_encoder=self.text_encoders["text_encoder"],
            tokenizer=self.tokenizers["ids"],
            text_encoder_2=self.text_encoders["text_encoder_2"],
            tokenizer_2=self.tokenizers["ids_2"],
            text_encoder_3=self._others.get("text_encoder_3"),
            tokenizer_3=self._t5_tokenizer,
        )


def name_variety(config: Any) -> str:
    """Which of the three: 3.5 normalises queries and keys, its medium has double attention."""
    if not config.qk_norm:
        return "m"
    return "5-medium" if config.dual_attention_layers else "5-large"
