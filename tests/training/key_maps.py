"""The names that ComfyUI's and Forge's maps of LoRA keys know, told from those facts alone."""

from __future__ import annotations

import re

import torch

from .adapters import Tiny

RESNET = {"conv1": "in_layers_2", "conv2": "out_layers_3", "time_emb_proj": "emb_layers_1",
          "conv_shortcut": "skip_connection"}  # fmt: skip


def comfy_map(family: Tiny) -> set[str]:
    """Names before the dot that the maps know: `lora_unet_` with the original model's names, on
    U-Nets with diffusers' as well, `lycoris_` with diffusers', and CLIP's layers."""
    known = set()
    for name, module in Tiny(family.name).network.named_modules():
        if not isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            continue
        flat = name.replace(".", "_")
        known.add(f"lycoris_{flat}")
        if family.name == "sd3":
            known.add(f"lora_unet_{mmdit(name)}")
        else:
            known |= {f"lora_unet_{flat}", f"lora_unet_{ldm(name)}"}
    for component in family.text_encoders:
        two = component == "text_encoder_2"
        prefixes = ["lora_te2"] if two else ["lora_te1", "lora_te"]
        for block in range(32):
            for layer in ("mlp_fc1", "mlp_fc2", *(f"self_attn_{x}_proj" for x in "kqv"),
                          "self_attn_out_proj"):  # fmt: skip
                known |= {f"{p}_text_model_encoder_layers_{block}_{layer}" for p in prefixes}
    return known


def ldm(name: str) -> str:
    """By counting through the blocks of a U-Net with two layers each."""
    inputs, outputs_, place = {"conv_in": "input_blocks_0_0"}, {}, 1
    for block in range(3):
        for layer in range(2):
            inputs[f"down_blocks.{block}.resnets.{layer}"] = f"input_blocks_{place}_0"
            inputs[f"down_blocks.{block}.attentions.{layer}"] = f"input_blocks_{place}_1"
            place += 1
        inputs[f"down_blocks.{block}.downsamplers.0.conv"] = f"input_blocks_{place}_0_op"
        place += 1
    for place in range(9):
        block, layer = place // 3, place % 3
        outputs_[f"up_blocks.{block}.resnets.{layer}"] = f"output_blocks_{place}_0"
        outputs_[f"up_blocks.{block}.attentions.{layer}"] = f"output_blocks_{place}_1"
        outputs_[f"up_blocks.{block}.upsamplers.0.conv"] = f"output_blocks_{place}_2_conv"
    middle = {
        "mid_block.resnets.0": "middle_block_0", "mid_block.attentions.0": "middle_block_1",
        "mid_block.resnets.1": "middle_block_2",
    }  # fmt: skip
    for ours, theirs in (inputs | outputs_ | middle).items():
        if name == ours:
            return theirs
        if name.startswith(f"{ours}."):
            rest = name[len(ours) + 1 :]
            return f"{theirs}_{RESNET.get(rest, rest.replace('.', '_'))}"
    return name.replace(".", "_")


def mmdit(name: str) -> str:
    """The original SD 3's name, three of ours for one of its where it has them together."""
    found = re.fullmatch(r"transformer_blocks\.(\d+)\.(.+)", name)
    if not found:
        return name.replace(".", "_")
    rest = found[2]
    for ours, theirs in (
        (r"attn2\.to_[qkv]", "x_block_attn2_qkv"), (r"attn\.to_[qkv]", "x_block_attn_qkv"),
        (r"attn\.add_[qkv]_proj", "context_block_attn_qkv"),
        (r"attn2\.to_out\.0", "x_block_attn2_proj"), (r"attn\.to_out\.0", "x_block_attn_proj"),
        (r"attn\.to_add_out", "context_block_attn_proj"),
        (r"ff\.net\.0\.proj", "x_block_mlp_fc1"), (r"ff\.net\.2", "x_block_mlp_fc2"),
        (r"ff_context\.net\.0\.proj", "context_block_mlp_fc1"),
        (r"ff_context\.net\.2", "context_block_mlp_fc2"),
        (r"norm1\.linear", "x_block_adaLN_modulation_1"),
        (r"norm1_context\.linear", "context_block_adaLN_modulation_1"),
    ):  # fmt: skip
        if re.fullmatch(ours, rest):
            return f"joint_blocks_{found[1]}_{theirs}"
    raise AssertionError(name)
