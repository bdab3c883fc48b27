"""Checkpoint files in the original layout, as image programs pass them around."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

Tensors = dict[str, torch.Tensor]
Rules = tuple[tuple[str, str], ...]
RESNET: Rules = (
    (r"\.norm1\.", ".in_layers.0."),
    (r"\.conv1\.", ".in_layers.2."),
    (r"\.time_emb_proj\.", ".emb_layers.1."),
    (r"\.norm2\.", ".out_layers.0."),
    (r"\.conv2\.", ".out_layers.3."),
    (r"\.conv_shortcut\.", ".skip_connection."),
)
UNET_ENDS: Rules = (
    (r"^conv_in\.", "input_blocks.0.0."),
    (r"^time_embedding\.linear_1", "time_embed.0"),
    (r"^time_embedding\.linear_2", "time_embed.2"),
    (r"^add_embedding\.linear_1", "label_emb.0.0"),
    (r"^add_embedding\.linear_2", "label_emb.0.2"),
    (r"^conv_norm_out\.", "out.0."),
    (r"^conv_out\.", "out.2."),
    (r"^mid_block\.resnets\.0", "middle_block.0"),
    (r"^mid_block\.attentions\.0", "middle_block.1"),
    (r"^mid_block\.resnets\.1", "middle_block.2"),
)
VAE: Rules = (
    (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
    (r"mid_block\.attentions\.0\.to_out\.0", "mid.attn_1.proj_out"),
    (r"mid_block\.attentions\.0\.to_(.)", r"mid.attn_1.\1"),
    (r"mid_block\.resnets\.0", "mid.block_1"),
    (r"mid_block\.resnets\.1", "mid.block_2"),
    (r"down_blocks\.(\d)\.resnets", r"down.\1.block"),
    (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"),
    (r"up_blocks\.(\d)\.resnets", r"up.\1.block"),
    (r"up_blocks\.(\d)\.upsamplers\.0", r"up.\1.upsample"),
    (r"conv_shortcut", "nin_shortcut"),
    (r"conv_norm_out", "norm_out"),
)
OPEN_CLIP: Rules = (
    (r"^text_model\.", ""),
    (r"^embeddings\.token_embedding\.weight", "token_embedding.weight"),
    (r"^embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"^final_layer_norm", "ln_final"),
    (r"^encoder\.layers", "transformer.resblocks"),
    (r"layer_norm(\d)", r"ln_\1"),
    (r"self_attn\.out_proj", "attn.out_proj"),
    (r"fc1", "c_fc"),
    (r"fc2", "c_proj"),
)


def write_checkpoint(pipeline: Any, path: Path, **more: torch.Tensor) -> Path:
    """A pipeline of Stable Diffusion 1 or XL as one file."""
    tensors = _unet(pipeline.unet.state_dict()) | _vae(pipeline.vae.state_dict())
    if hasattr(pipeline, "text_encoder_2"):
        tensors |= _clip(pipeline.text_encoder, "conditioner.embedders.0.transformer.")
        tensors |= _open_clip(pipeline.text_encoder_2, "conditioner.embedders.1.model.")
    else:
        tensors |= _clip(pipeline.text_encoder, "cond_stage_model.transformer.")
    save_file({name: value.contiguous() for name, value in (tensors | more).items()}, path)
    return path


def _by(rules: Iterable[tuple[str, str]], name: str) -> str:
    for pattern, new in rules:
        name = re.sub(pattern, new, name)
    return name


def _unet(tensors: Tensors) -> Tensors:
    return {"model.diffusion_model." + _unet_name(name, tensors): v for name, v in tensors.items()}


def _unet_name(name: str, tensors: Tensors) -> str:
    if match := re.match(r"(down|up)_blocks\.(\d)\.(\w+)\.(\d)\.", name):
        way, block, part, number = match[1], int(match[2]), match[3], int(match[4])
        place = 3 * block + number + (1 if way == "down" else 0)
        ending = {"resnets": "0.", "attentions": "1.", "downsamplers": "0.op."}.get(part, "")
        if part == "downsamplers":
            place = 3 * (block + 1)
        if part == "upsamplers":
            place = 3 * block + 2
            attends = any(key.startswith(f"up_blocks.{block}.attentions") for key in tensors)
            ending = "2.conv." if attends else "1.conv."
        rest = name[match.end() :].removeprefix("conv." if "samplers" in part else "")
        name = f"{'input' if way == 'down' else 'output'}_blocks.{place}.{ending}{rest}"
    name = _by(UNET_ENDS, name)
    return name if "transformer_blocks" in name else _by(RESNET, name)


def _vae(tensors: Tensors) -> Tensors:
    ldm = {}
    for name, value in tensors.items():
        new = _by(VAE, name)
        # Upwards the original counts from the other end, and attends by 1x1 convolutions.
        new = re.sub(r"up\.(\d)", lambda match: f"up.{3 - int(match[1])}", new)
        if re.search(r"attn_1\.(q|k|v|proj_out)\.weight", new):
            value = value[:, :, None, None]
        ldm[f"first_stage_model.{new}"] = value
    return ldm


def _clip(encoder: Any, prefix: str) -> Tensors:
    return {
        f"{prefix}text_model.{name.removeprefix('text_model.')}": value
        for name, value in encoder.state_dict().items()
    }


def _open_clip(encoder: Any, prefix: str) -> Tensors:
    ldm: Tensors = {}
    tensors = encoder.state_dict()
    for name, value in tensors.items():
        if name == "text_projection.weight":
            ldm["text_projection"] = value.T
        elif match := re.match(r"(.*self_attn\.)q_proj\.(weight|bias)", name):
            parts = [tensors[f"{match[1]}{part}_proj.{match[2]}"] for part in "qkv"]
            ldm[_by(OPEN_CLIP, match[1]).replace("self_attn.", f"attn.in_proj_{match[2]}")] = (
                torch.cat(parts)
            )
        elif not re.search(r"self_attn\.[kv]_proj", name):
            ldm[_by(OPEN_CLIP, name)] = value
    return {prefix + name: value for name, value in ldm.items()}
