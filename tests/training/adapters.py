"""Tiny models of every family's shape, with random weights, and what the tests of adapters share.

They know their layers' names and nothing of pictures: a forward through each part is enough.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from lorad.daemon.training.families.base import Diffusion, Flow
from lorad.daemon.training.layers import parameters, tuners
from lorad.daemon.training.lora import add_lora
from lorad.daemon.training.metadata import About
from lorad.shared.recipe import Recipe, parse_recipe

WIDTH = 16
ABOUT = About(pictures=6, tags={"cat": 6}, precision="no", started=1.0)


class Tiny:
    """A family of random weights, the same each time."""

    def __init__(self, name: str) -> None:
        torch.manual_seed(5)
        self.name = name
        self.base = f"somewhere/tiny-{name}"
        self.architecture = {
            "sd1": "stable-diffusion-v1", "sd2": "stable-diffusion-v2-768-v",
            "sdxl": "stable-diffusion-xl-v1-base", "sd3": "stable-diffusion-3-medium",
        }[name]  # fmt: skip
        self.base_model_version = {
            "sd1": "sd_v1", "sd2": "sd_v2_768_v", "sdxl": "sdxl_base_v1-0", "sd3": "sd3_m",
        }[name]  # fmt: skip
        self.network_name = "transformer" if name == "sd3" else "unet"
        self.network: Any = transformer() if name == "sd3" else unet(name)
        two = name in ("sdxl", "sd3")
        first = CLIPTextModelWithProjection if name == "sd3" else CLIPTextModel
        self.text_encoders: dict[str, Any] = {"text_encoder": first(text_config())}
        if two:
            self.text_encoders["text_encoder_2"] = CLIPTextModelWithProjection(text_config())
        self.process: Any = (
            Flow(3.0, 1000)
            if name == "sd3"
            else Diffusion("v_prediction" if name == "sd2" else "epsilon", torch.ones(10))
        )
        for module in (self.network, *self.text_encoders.values()):
            module.requires_grad_(False)
            module.eval()

    def pipeline(self) -> Any:
        """Over the same weights without the adapter; text goes in as embeddings."""
        fresh = Tiny(self.name)
        vae = AutoencoderKL(
            block_out_channels=(8, 8), norm_num_groups=4, layers_per_block=1, latent_channels=4,
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        )  # fmt: skip
        parts = {"vae": vae, "tokenizer": None, **fresh.text_encoders}
        if self.name == "sd3":
            return StableDiffusion3Pipeline(
                transformer=fresh.network, scheduler=FlowMatchEulerDiscreteScheduler(),
                tokenizer_2=None, tokenizer_3=None, text_encoder_3=None, **parts,
            )  # fmt: skip
        scheduler = DDIMScheduler(steps_offset=1, clip_sample=False)
        if self.name == "sdxl":
            return StableDiffusionXLPipeline(
                unet=fresh.network, scheduler=scheduler, tokenizer_2=None,
                add_watermarker=False, **parts,
            )  # fmt: skip
        return StableDiffusionPipeline(
            unet=fresh.network, scheduler=scheduler, safety_checker=None,
            feature_extractor=None, requires_safety_checker=False, **parts,
        )  # fmt: skip


def unet(name: str) -> UNet2DConditionModel:
    xl = {
        "addition_embed_type": "text_time", "addition_time_embed_dim": 4,
        "projection_class_embeddings_input_dim": WIDTH + 6 * 4,
        "transformer_layers_per_block": (1, 2, 2),
    }  # fmt: skip
    plain = ("CrossAttnDownBlock2D", "DownBlock2D"), ("UpBlock2D", "CrossAttnUpBlock2D")
    deep = (
        ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    )
    down, up = deep if name == "sdxl" else plain
    return UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, layers_per_block=2, norm_num_groups=4,
        block_out_channels=(8, 16, 16)[: len(down)], down_block_types=down, up_block_types=up,
        cross_attention_dim=WIDTH, attention_head_dim=4, use_linear_projection=name != "sd1",
        **(xl if name == "sdxl" else {}),
    )  # fmt: skip


def transformer() -> SD3Transformer2DModel:
    return SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, out_channels=4, num_layers=2,
        attention_head_dim=8, num_attention_heads=2, joint_attention_dim=WIDTH,
        caption_projection_dim=WIDTH, pooled_projection_dim=WIDTH, pos_embed_max_size=8,
        dual_attention_layers=(0,), qk_norm="rms_norm",
    )  # fmt: skip


def text_config() -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=50, hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=8, projection_dim=WIDTH,
    )  # fmt: skip


def make_recipe(lora: str = "", more: str = "") -> Recipe:
    rank = "" if lora.startswith("rank = ") else "rank = 4"
    return parse_recipe(
        f'name = "small"\n[[data]]\npath = "pictures"\n[lora]\n{rank}\n{lora}\n{more}'
    )


def adapted(name: str, lora: str = "", more: str = "", folder: Path = Path()) -> Tiny:
    """With an adapter that does something, in every factor of it."""
    family = Tiny(name)
    add_lora(family, make_recipe(lora, more), folder)
    disturb(family)
    return family


def disturb(family: Tiny) -> None:
    """As if it had been trained for a while."""
    generator = torch.Generator().manual_seed(11)
    for module in (family.network, *family.text_encoders.values()):
        for tuner in tuners(module).values():
            for part, tensor in parameters(tuner).items():
                noise = 0.2 * torch.randn(tensor.shape, generator=generator)
                if part == "lora_magnitude_vector":
                    noise *= tensor.detach()
                with torch.no_grad():
                    tensor.add_(noise)


def outputs(family: Tiny, parts: Any = None) -> dict[str, torch.Tensor]:
    """What each component makes of fixed numbers; `parts` are a pipeline's instead of its own."""
    generator = torch.Generator().manual_seed(3)
    noisy = torch.randn(2, 4, 8, 8, generator=generator)
    text = torch.randn(2, 5, WIDTH, generator=generator)
    pooled = torch.randn(2, WIDTH, generator=generator)
    network = family.network if parts is None else getattr(parts, family.network_name)
    when = torch.tensor([10, 700])
    with torch.no_grad():
        if family.name == "sd3":
            told = {"encoder_hidden_states": text, "pooled_projections": pooled}
            found = network(noisy, timestep=when, **told, return_dict=False)[0]
        else:
            added = {"text_embeds": pooled, "time_ids": torch.ones(2, 6)}
            extra = {"added_cond_kwargs": added} if family.name == "sdxl" else {}
            found = network(noisy, when, text, return_dict=False, **extra)[0]
        made = {family.network_name: found}
        ids = torch.arange(16).reshape(2, 8)
        for name, own in family.text_encoders.items():
            encoder = own if parts is None else getattr(parts, name)
            made[name] = encoder(ids, output_hidden_states=True).hidden_states[-1]
    return made
