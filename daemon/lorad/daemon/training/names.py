"""What one layer is called by different programs: diffusers, kohya's sd-scripts, LyCORIS, LDM.

kohya's names are a prefix and the layer's name with underscores for dots. Of which name depends
on what sd-scripts itself trains: of SD 1 and 2 diffusers' U-Net, of SDXL and SD 3 the original
one, so theirs are LDM's names. Every program that reads LoRA files knows these; the way back to
diffusers' names needs no model.
"""

from __future__ import annotations

import re

WORDS = (
    "down_blocks", "up_blocks", "mid_block", "transformer_blocks", "proj_in", "proj_out", "to_q",
    "to_k", "to_v", "to_out", "to_add_out", "add_q_proj", "add_k_proj", "add_v_proj", "ff_context",
    "norm1_context", "time_emb_proj", "conv_shortcut", "conv_in", "conv_out", "time_embedding",
    "add_embedding", "linear_1", "linear_2", "text_model", "self_attn", "q_proj", "k_proj",
    "v_proj", "out_proj", "text_projection", "time_text_embed", "timestep_embedder",
    "text_embedder", "context_embedder", "pos_embed", "norm_out",
)  # fmt: skip
"""Names of which an underscore is part."""
ANY_WORD = re.compile("|".join(sorted(WORDS, key=len, reverse=True)))
RESNET = {
    "conv1": "in_layers_2",
    "conv2": "out_layers_3",
    "time_emb_proj": "emb_layers_1",
    "conv_shortcut": "skip_connection",
}
OUTSIDE = {
    "conv_in": "input_blocks_0_0",
    "conv_out": "out_2",
    "time_embedding.linear_1": "time_embed_0",
    "time_embedding.linear_2": "time_embed_2",
    "add_embedding.linear_1": "label_emb_0_0",
    "add_embedding.linear_2": "label_emb_0_2",
}
"""Of a U-Net's layers, those around its blocks."""
MIDDLE = {"resnets.0": 0, "attentions.0": 1, "resnets.1": 2}
JOINT = {
    "attn.to_out.0": "x_block_attn_proj",
    "attn.to_add_out": "context_block_attn_proj",
    "attn2.to_out.0": "x_block_attn2_proj",
    "ff.net.0.proj": "x_block_mlp_fc1",
    "ff.net.2": "x_block_mlp_fc2",
    "ff_context.net.0.proj": "context_block_mlp_fc1",
    "ff_context.net.2": "context_block_mlp_fc2",
    "norm1.linear": "x_block_adaLN_modulation_1",
    "norm1_context.linear": "context_block_adaLN_modulation_1",
}
"""Of a block of SD 3's transformer."""
AROUND_JOINT = {
    "pos_embed.proj": "x_embedder_proj",
    "context_embedder": "context_embedder",
    "time_text_embed.timestep_embedder.linear_1": "t_embedder_mlp_0",
    "time_text_embed.timestep_embedder.linear_2": "t_embedder_mlp_2",
    "time_text_embed.text_embedder.linear_1": "y_embedder_mlp_0",
    "time_text_embed.text_embedder.linear_2": "y_embedder_mlp_2",
    "norm_out.linear": "final_layer_adaLN_modulation_1",
    "proj_out": "final_layer_linear",
}
FUSED = {
    "x_block_attn_qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "context_block_attn_qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "x_block_attn2_qkv": ("attn2.to_q", "attn2.to_k", "attn2.to_v"),
}
"""One layer of the original SD 3, three of diffusers'."""


def dotted(name: str) -> str:
    """Diffusers' name of a layer from one with underscores."""
    kept = ANY_WORD.sub(lambda word: word[0].replace("_", "\0"), name)
    return kept.replace("_", ".").replace("\0", "_")


def ldm_name(name: str, layers_per_block: int = 2) -> str:
    """What LDM's U-Net calls a layer of diffusers', with underscores; the name where it has none.

    `input_blocks` count through all down blocks, their resnets and downsamplers; the first one is
    conv_in (LDM, `openaimodel.py`).
    """
    if name in OUTSIDE:
        return OUTSIDE[name]
    length = layers_per_block + 1
    for pattern, place in (
        (r"down_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.+)", "input_blocks"),
        (r"up_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.+)", "output_blocks"),
    ):
        if found := re.fullmatch(pattern, name):
            index = int(found[1]) * length + int(found[3]) + (place == "input_blocks")
            return f"{place}_{index}_{int(found[2] == 'attentions')}_{_ldm_rest(found[4])}"
    if found := re.fullmatch(r"mid_block\.((?:resnets|attentions)\.\d+)\.(.+)", name):
        return f"middle_block_{MIDDLE[found[1]]}_{_ldm_rest(found[2])}"
    if found := re.fullmatch(r"down_blocks\.(\d+)\.downsamplers\.0\.conv", name):
        return f"input_blocks_{(int(found[1]) + 1) * length}_0_op"
    if found := re.fullmatch(r"up_blocks\.(\d+)\.upsamplers\.0\.conv", name):
        # It comes after the attention; SDXL's only block without one has no upsampler either.
        return f"output_blocks_{int(found[1]) * length + layers_per_block}_2_conv"
    return name.replace(".", "_")


def from_ldm_name(name: str, layers_per_block: int = 2) -> str | None:
    """Diffusers' name of a layer from LDM's with underscores; none where it is not LDM's."""
    for ours, theirs in OUTSIDE.items():
        if name == theirs:
            return ours
    if found := re.fullmatch(r"(input|output)_blocks_(\d+)_(\d)_(.+)", name):
        down = found[1] == "input"
        block, layer = divmod(int(found[2]) - down, layers_per_block + 1)
        side, kind, rest = ("down" if down else "up"), int(found[3]), found[4]
        if rest in ("op", "conv"):
            return f"{side}_blocks.{block}.{side}samplers.0.conv"
        return f"{side}_blocks.{block}.{_inner(kind)}.{layer}.{_diffusers_rest(rest)}"
    if found := re.fullmatch(r"middle_block_(\d)_(.+)", name):
        inner = {number: part for part, number in MIDDLE.items()}.get(int(found[1]))
        return None if inner is None else f"mid_block.{inner}.{_diffusers_rest(found[2])}"
    return None


def joint_name(name: str) -> str | None:
    """What the original SD 3 calls a layer of diffusers', with underscores.

    None for what it has in one with others (`FUSED`).
    """
    if name in AROUND_JOINT:
        return AROUND_JOINT[name]
    found = re.fullmatch(r"transformer_blocks\.(\d+)\.(.+)", name)
    if found is None or found[2] not in JOINT:
        return None
    return f"joint_blocks_{found[1]}_{JOINT[found[2]]}"


def from_joint_name(name: str) -> str | None:
    """The way back; none where it is not the original SD 3's."""
    for ours, theirs in AROUND_JOINT.items():
        if name == theirs:
            return ours
    if found := re.fullmatch(r"joint_blocks_(\d+)_(.+)", name):
        for ours, theirs in JOINT.items():
            if found[2] == theirs:
                return f"transformer_blocks.{found[1]}.{ours}"
    return None


def _ldm_rest(rest: str) -> str:
    return RESNET.get(rest, rest.replace(".", "_"))


def _diffusers_rest(rest: str) -> str:
    names = {theirs: ours for ours, theirs in RESNET.items()}
    return names.get(rest) or dotted(rest)


def _inner(kind: int) -> str:
    return "attentions" if kind else "resnets"
