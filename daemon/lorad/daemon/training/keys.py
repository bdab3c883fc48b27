"""The keys of LoRA files: diffusers', peft's and kohya's with LyCORIS', written and read.

Shapes that differ between them: a magnitude (DoRA) is [out] in peft, [1, out, 1, 1] of a
convolution; as kohya's `dora_scale` it is [out, 1] and [out, 1, 1, 1], LyCORIS' form for norms
along the output. Its other form, along the input, is another adapter, and refused.
"""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Callable

import torch
from diffusers.utils.state_dict_utils import (
    convert_state_dict_to_peft,
    convert_unet_state_dict_to_peft,
)

from lorad.daemon.training.fused import fuse, split
from lorad.daemon.training.layers import HADA_PARTS, LOKR_PARTS, Layer, Layers
from lorad.daemon.training.names import (
    dotted,
    from_joint_name,
    from_ldm_name,
    joint_name,
    ldm_name,
)
from lorad.shared.errors import LoraUnreadable

Tensors = dict[str, torch.Tensor]
DIFFUSERS = {
    "unet": {"lora_A": "lora.down.weight", "lora_B": "lora.up.weight"},
    "transformer": {"lora_A": "lora_A.weight", "lora_B": "lora_B.weight"},
    "text_encoder": {
        "lora_A": "lora_linear_layer.down.weight",
        "lora_B": "lora_linear_layer.up.weight",
        # By the end alone: without it transformers 5 leaves magnitudes out and says nothing.
        "lora_magnitude_vector": "lora_magnitude_vector.weight",
    },
}
"""As diffusers' scripts end the names; all other parts are called as in peft. One way for all
layers: of a file that mixes two, its loader takes the one half and says nothing."""
KOHYA = {
    "lora_A": "lora_down.weight",
    "lora_B": "lora_up.weight",
    "lora_magnitude_vector": "dora_scale",
    **{part: part for part in (*HADA_PARTS, *LOKR_PARTS)},
}
KOHYA_KEY = re.compile(
    r"(lora_unet|lora_te1|lora_te2|lora_te|lora_transformer|lycoris)_([^.]+)\.(.+)"
)
PEFT_KEY = re.compile(
    r"(unet|transformer|text_encoder_2|text_encoder)\.(.+)\.(lora_A|lora_B|lora_magnitude_vector|"
    + "|".join((*HADA_PARTS, *LOKR_PARTS))
    + r")(?:\.default)?(?:\.weight)?"
)
ALPHA_KEY = re.compile(r"(unet|transformer|text_encoder_2|text_encoder)\.(.+)\.alpha")
TEXT_PREFIX = {"lora_te": "text_encoder", "lora_te1": "text_encoder", "lora_te2": "text_encoder_2"}


def to_diffusers(layers: Layers) -> Tensors:
    """Diffusers' keys; the scales go into the metadata beside them."""
    tensors = {}
    for component, named in layers.items():
        ends = DIFFUSERS[component.removesuffix("_2")]
        for name, layer in named.items():
            for part, tensor in layer.parts.items():
                tensors[f"{component}.{name}.{ends.get(part, part)}"] = tensor.contiguous()
    return tensors


def to_kohya(layers: Layers, family: str, layers_per_block: int = 2) -> Tensors:
    """Kohya's keys, each layer with its `.alpha`; `family` as in `Family.name`."""
    tensors: Tensors = {}
    for component, named in layers.items():
        rest = named
        if component == "transformer":
            fused, rest = fuse(named)
            for name, layer in fused.items():
                _put_kohya(tensors, f"lora_unet_{name}", layer)
        for name, layer in rest.items():
            if component == "transformer":
                _put_transformer_layer(tensors, name, layer)
            else:
                module = _kohya_module(component, name, family, layers_per_block)
                _put_kohya(tensors, module, layer)
    return tensors


def from_diffusers(tensors: Tensors) -> tuple[Layers, list[str]]:
    """The layers at scale 1 or at an `.alpha` that stands beside them, and keys that mean nothing.

    Older names of diffusers' (`attn1.processor.to_q_lora.down.weight`) and bare ones of peft's
    (`base_model.model.`) are read as well.
    """
    parts: dict[tuple[str, str], Tensors] = defaultdict(dict)
    alphas: dict[tuple[str, str], float] = {}
    unknown = []
    for key, tensor in _as_peft(tensors).items():
        if found := PEFT_KEY.fullmatch(key):
            parts[found[1], found[2]][found[3]] = tensor
        elif found := ALPHA_KEY.fullmatch(key):
            alphas[found[1], found[2]] = float(tensor)
        else:
            unknown.append(key)
    layers: Layers = defaultdict(dict)
    for (component, name), held in parts.items():
        alpha = alphas.get((component, name))
        layers[component][name] = _layer(f"{component}.{name}", held, alpha)
    return dict(layers), unknown


def from_kohya(tensors: Tensors, layers_per_block: int = 2) -> tuple[Layers, list[str]]:
    """The layers, and keys that mean nothing. LDM's names, LyCORIS' and OneTrainer's are read.

    Raises:
        LoraUnreadable: a layer of it is not whole, or of a form that diffusers has no word for.
    """
    modules: dict[tuple[str, str], Tensors] = defaultdict(dict)
    unknown = []
    known = {theirs: ours for ours, theirs in KOHYA.items()}
    for key, tensor in tensors.items():
        found = KOHYA_KEY.fullmatch(key)
        part = "alpha" if found and found[3] == "alpha" else known.get(found[3]) if found else None
        if found is None or part is None:
            unknown.append(key)
        else:
            modules[found[1], found[2]][part] = tensor
    layers: Layers = defaultdict(dict)
    for (prefix, module), held in modules.items():
        alpha = held.pop("alpha", None)
        if not held:
            unknown.append(f"{prefix}_{module}.alpha")
            continue
        layer = _layer(module, held, None if alpha is None else float(alpha), kohya=True)
        component, named = _place(prefix, module, layer, layers_per_block)
        layers[component].update(named)
    return dict(layers), unknown


def _as_peft(tensors: Tensors) -> Tensors:
    """Diffusers' keys, old and new, as peft's with the component before them."""
    plain: Tensors = {}
    text: Tensors = {}
    for key, tensor in tensors.items():
        name = key.removeprefix("base_model.model.")
        if name.startswith(("down_blocks.", "mid_block.", "up_blocks.")):
            name = f"unet.{name}"
        elif name.startswith("transformer_blocks."):
            name = f"transformer.{name}"
        (text if name.startswith("text_encoder") else plain)[name] = tensor
    read: Tensors = convert_unet_state_dict_to_peft(plain)
    if any("lora_A" not in key and "lora_B" not in key for key in text):
        with contextlib.suppress(ValueError):  # nothing to convert; the unknown is named later
            text = convert_state_dict_to_peft(text)
    return {**read, **text}


def _kohya_module(component: str, name: str, family: str, layers_per_block: int) -> str:
    """Prefix and name of a layer of a U-Net or a text encoder."""
    if component == "unet":
        flat = ldm_name(name, layers_per_block) if family == "sdxl" else name
        return f"lora_unet_{flat}".replace(".", "_")
    number = "2" if component == "text_encoder_2" else "1"
    prefix = f"lora_te{number}" if family in ("sdxl", "sd3") else "lora_te"
    return f"{prefix}_{name}".replace(".", "_")


def _put_transformer_layer(tensors: Tensors, name: str, layer: Layer) -> None:
    """A layer of SD 3 that is no part of another one there."""
    module = joint_name(name) if layer.kind == "lora" else None
    if (
        module is None
    ):  # LyCORIS' name for a layer of diffusers'; ComfyUI's and Forge's maps know it
        _put_kohya(tensors, f"lycoris_{name}".replace(".", "_"), layer)
    else:
        _put_kohya(tensors, f"lora_unet_{module}", _halves_swapped(name, layer))


def _put_kohya(tensors: Tensors, module: str, layer: Layer) -> None:
    """All keys of one layer.

    Of a LoKr with two whole factors programs leave the alpha out of account (LyCORIS, `lokr.py`),
    so its scale goes into a factor.
    """
    if layer.kind == "lokr" and {"lokr_w1", "lokr_w2"} <= layer.parts.keys():
        layer = layer.rescaled(1.0)
    for part, tensor in layer.parts.items():
        if part == "lora_magnitude_vector":
            dimensions = layer.parts["lora_B"].dim()
            tensor = tensor.reshape(-1, *[1] * (dimensions - 1))
        tensors[f"{module}.{KOHYA[part]}"] = tensor.contiguous()
    tensors[f"{module}.alpha"] = torch.tensor(layer.alpha)


def _layer(name: str, parts: Tensors, alpha: float | None, *, kohya: bool = False) -> Layer:
    """One layer of a file, in fp32 and peft's shapes.

    Raises:
        LoraUnreadable: it is not whole.
    """
    parts = {part: tensor.float() for part, tensor in parts.items()}
    if "lora_A" in parts and "lora_B" in parts:
        rank = parts["lora_A"].shape[0]
    elif {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"} <= parts.keys():
        rank = parts["hada_w1_b"].shape[0]
    elif kohya and {"lokr_w1", "lokr_w2"} <= parts.keys():
        rank, alpha = 1, None
    elif ("lokr_w1" in parts or "lokr_w1_b" in parts) and (
        "lokr_w2" in parts or "lokr_w2_b" in parts
    ):
        factor = parts.get("lokr_w2_b", parts.get("lokr_w1_b"))
        rank = 1 if factor is None else factor.shape[0]
    else:
        raise LoraUnreadable(path="The LoRA", why=f"{name} has only {', '.join(sorted(parts))}")
    if kohya and "lora_magnitude_vector" in parts:
        parts["lora_magnitude_vector"] = _magnitude(name, parts)
    return Layer(parts, rank, 1.0 if alpha is None else alpha / rank)


def _magnitude(name: str, parts: Tensors) -> torch.Tensor:
    """Kohya's `dora_scale` in peft's shape.

    Raises:
        LoraUnreadable: its norms are along the input.
    """
    scale, up = parts["lora_magnitude_vector"], parts["lora_B"]
    if scale.shape[0] != up.shape[0]:
        why = f"{name} is a DoRA with norms along its input, which peft lacks"
        raise LoraUnreadable(path="The LoRA", why=why)
    return scale.reshape(-1) if up.dim() == 2 else scale.reshape(1, -1, 1, 1)


def _place(
    prefix: str, module: str, layer: Layer, layers_per_block: int
) -> tuple[str, dict[str, Layer]]:
    """The component and the layers that a kohya module stands for."""
    if prefix in TEXT_PREFIX:
        return TEXT_PREFIX[prefix], {dotted(module): layer}
    if parts := split(module, layer):
        return "transformer", parts
    if name := from_joint_name(module):
        return "transformer", {name: _halves_swapped(name, layer)}
    name = from_ldm_name(module, layers_per_block) or dotted(module)
    component = "unet"
    if prefix == "lora_transformer" or name.startswith(("transformer_blocks.", "pos_embed.")):
        component = "transformer"
    return component, {name: layer}


def _halves_swapped(name: str, layer: Layer) -> Layer:
    """Shift and scale of SD 3's last modulations are the other way round in diffusers.

    `scripts/convert_sd3_to_diffusers.py`. The last block's is known by its two rows a column.
    """
    last = name.endswith("norm1_context.linear") or name == "norm_out.linear"
    if layer.kind != "lora" or not last:
        return layer
    if layer.parts["lora_B"].shape[0] != 2 * layer.parts["lora_A"].shape[1]:
        return layer

    def swap(part: str) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda rows: rows if part == "lora_A" else torch.cat(rows.chunk(2)[::-1])

    parts = {part: swap(part)(tensor) for part, tensor in layer.parts.items()}
    return Layer(parts, layer.rank, layer.scale)
