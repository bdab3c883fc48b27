"""Models of every family with random weights, so small that a step takes milliseconds.

Their blocks are those of the real ones, so names of layers and files are too.
"""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

from lorad.shared import shipped

Name = Literal["sd1", "sd2", "sd2-v", "sdxl", "sd3", "sd3-t5", "sd35"]
NAMES: tuple[Name, ...] = ("sd1", "sd2", "sd2-v", "sdxl", "sd3", "sd3-t5", "sd35")
"""sd3 has no T5; sd35 is like 3.5 medium, without T5."""
WIDTH, WIDTH_2 = 32, 48
"""Of the text encoders."""
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def tiny_model(name: Name, folder: Path) -> Path:
    """A copy of its own in `folder`/`name`, in diffusers format."""
    if not (folder / name).exists():
        shutil.copytree(_built(name), folder / name)
    return folder / name


@cache
def _built(name: Name) -> Path:
    """Once a session; always the same weights."""
    folder = Path(tempfile.mkdtemp(prefix="lorad-tiny-")) / name
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        build(name).save_pretrained(folder)
    return folder


def build(name: Name, *, text_layers: int = 2, blocks: str = "CCCD") -> Any:
    """A diffusers pipeline; `blocks` are those of Stable Diffusion 1 and 2."""
    if name.startswith("sd3"):
        return _build_sd3(name, text_layers)
    return _build_sdxl(text_layers) if name == "sdxl" else _build_sd(name, text_layers, blocks)


def _build_sd(name: Name, text_layers: int, blocks: str) -> StableDiffusionPipeline:
    second = name != "sd1"
    scheduler = DDIMScheduler(
        **BETAS,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction" if name == "sd2-v" else "epsilon",
    )
    unet = UNet2DConditionModel(
        **_unet_blocks(blocks),
        cross_attention_dim=WIDTH,
        attention_head_dim=(1, 1, 2, 2)[: len(blocks)] if second else 2,
        use_linear_projection=second,
    )
    return StableDiffusionPipeline(
        vae=_vae(4, 0.18215),
        text_encoder=_clip(CLIPTextModel, "gelu" if second else "quick_gelu", text_layers),
        tokenizer=_tokenizer(),
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _build_sdxl(text_layers: int) -> StableDiffusionXLPipeline:
    unet = UNet2DConditionModel(
        **_unet_blocks("DCC"),
        cross_attention_dim=WIDTH + WIDTH_2,
        attention_head_dim=(1, 2, 2),
        transformer_layers_per_block=(1, 1, 2),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + WIDTH_2,
    )
    return StableDiffusionXLPipeline(
        vae=_vae(4, 0.13025),
        text_encoder=_clip(CLIPTextModel, "quick_gelu", text_layers),
        text_encoder_2=_clip(CLIPTextModelWithProjection, "gelu", text_layers, WIDTH_2),
        tokenizer=_tokenizer(),
        tokenizer_2=_tokenizer(),
        unet=unet,
        scheduler=EulerDiscreteScheduler(**BETAS, steps_offset=1, timestep_spacing="leading"),
        add_watermarker=False,
    )


def _build_sd3(name: Name, text_layers: int) -> StableDiffusion3Pipeline:
    medium = name == "sd35"
    transformer = SD3Transformer2DModel(
        sample_size=16,
        in_channels=16,
        out_channels=16,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=WIDTH + WIDTH_2,
        caption_projection_dim=32,
        pooled_projection_dim=WIDTH + WIDTH_2,
        pos_embed_max_size=32,
        qk_norm="rms_norm" if medium else None,
        dual_attention_layers=(0,) if medium else (),
    )
    t5 = name == "sd3-t5"
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_vae(16, 1.5305, shift_factor=0.0609, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=_clip(CLIPTextModelWithProjection, "quick_gelu", text_layers),
        text_encoder_2=_clip(CLIPTextModelWithProjection, "gelu", text_layers, WIDTH_2),
        text_encoder_3=_t5() if t5 else None,
        tokenizer=_tokenizer(),
        tokenizer_2=_tokenizer(),
        tokenizer_3=_t5_tokenizer() if t5 else None,
    )


def _unet_blocks(blocks: str) -> dict[str, Any]:
    """`C` has cross-attention, `D` has none; upwards the same."""
    down = {"C": "CrossAttnDownBlock2D", "D": "DownBlock2D"}
    up = {"C": "CrossAttnUpBlock2D", "D": "UpBlock2D"}
    return {
        "sample_size": 8,
        "block_out_channels": (8, 8, 16, 16)[: len(blocks)],
        "norm_num_groups": 4,
        "layers_per_block": 2,
        "down_block_types": tuple(down[block] for block in blocks),
        "up_block_types": tuple(up[block] for block in reversed(blocks)),
    }


def _vae(channels: int, scaling_factor: float, **more: Any) -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        norm_num_groups=4,
        layers_per_block=1,
        latent_channels=channels,
        scaling_factor=scaling_factor,
        sample_size=64,
        **more,
    )


def _clip(kind: Any, activation: str, layers: int, width: int = WIDTH) -> Any:
    tokenizer = _tokenizer()
    return kind(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=2 * width,
            projection_dim=width,
            num_hidden_layers=layers,
            num_attention_heads=4,
            max_position_embeddings=tokenizer.model_max_length,
            hidden_act=activation,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _tokenizer() -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(shipped.MODELS["emoji"], subfolder="tokenizer")


def _t5() -> T5EncoderModel:
    config = T5Config(
        vocab_size=200,
        d_model=WIDTH + WIDTH_2,
        d_kv=8,
        d_ff=WIDTH,
        num_layers=2,
        num_heads=2,
        feed_forward_proj="gated-gelu",
    )
    return T5EncoderModel(config)


def _t5_tokenizer() -> T5TokenizerFast:
    """Letter by letter."""
    words = ["<pad>", "</s>", "<unk>", "▁", *LETTERS]
    return T5TokenizerFast(vocab=[(word, -float(number)) for number, word in enumerate(words)])
