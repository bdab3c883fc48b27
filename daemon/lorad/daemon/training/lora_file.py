"""One LoRA file, read whatever its keys are, and written in diffusers' or kohya's."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from diffusers.loaders.lora_base import LORA_ADAPTER_METADATA_KEY
from peft import PeftConfig
from safetensors import SafetensorError, safe_open

from lorad.daemon.training.keys import (
    KOHYA_KEY,
    Tensors,
    from_diffusers,
    from_kohya,
    to_diffusers,
    to_kohya,
)
from lorad.daemon.training.layers import Layer, Layers
from lorad.daemon.training.peft_configs import config_of_layers, plain, scales
from lorad.shared.errors import FileMissing, LoraKeysUnknown, LoraUnreadable

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
SHOWN_KEYS = 5


@dataclass(frozen=True)
class LoraFile:
    """What a file holds."""

    layers: Layers
    metadata: dict[str, str]
    """All but the adapter's own, which is in the layers."""
    is_kohya: bool


def read_lora(path: Path, layers_per_block: int = 2) -> LoraFile:
    """A LoRA file of diffusers', peft's or kohya's keys; every tensor in fp32.

    Raises:
        FileMissing: there is none.
        LoraUnreadable: it is no such file, or of a form that diffusers has no word for.
        LoraKeysUnknown: names some of its keys.
    """
    if not path.is_file():
        raise FileMissing(path=path)
    try:
        with safe_open(path, "pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        configs = json.loads(metadata.pop(LORA_ADAPTER_METADATA_KEY, "{}"))
    except (SafetensorError, ValueError, OSError) as error:
        raise LoraUnreadable(path=path, why=str(error).rstrip(".")) from error
    metadata.pop("format", None)
    is_kohya = any(KOHYA_KEY.fullmatch(key) for key in tensors)
    try:
        if is_kohya:
            layers, unknown = from_kohya(tensors, layers_per_block)
        else:
            layers, unknown = from_diffusers(tensors)
        layers = layers if is_kohya else _at_their_scales(layers, configs)
    except LoraUnreadable as error:
        raise LoraUnreadable(path=path, why=error.details["why"]) from None
    if unknown or not layers:
        raise LoraKeysUnknown(path=path, names=_some(sorted(unknown)) or "nothing")
    return LoraFile(layers, metadata, is_kohya)


def write_kohya(
    path: Path, layers: Layers, family: str, metadata: dict[str, str], layers_per_block: int = 2
) -> None:
    """With kohya's keys, and the hashes by which image programs know a LoRA."""
    tensors = to_kohya(layers, family, layers_per_block)
    kept = {key: value for key, value in metadata.items() if not key.startswith("sshs_")}
    _save(path, tensors, kept | model_hashes(tensors, kept))


def write_diffusers(
    path: Path,
    layers: Layers,
    metadata: dict[str, str],
    configs: dict[str, PeftConfig] | None = None,
) -> None:
    """With diffusers' keys, and each component's configuration as diffusers reads it.

    `configs` are those of the live adapter; without them they are made from the layers.

    Raises:
        LoraUnreadable: the layers are of several types.
    """
    packed: dict[str, Any] = {}
    layers = dict(layers)
    for component, named in layers.items():
        if configs is None and next(iter(named.values())).kind == "lokr":
            # diffusers makes LoKr's configuration from the shapes, at scale 1.
            layers[component] = {name: layer.rescaled(1.0) for name, layer in named.items()}
            continue
        config = configs[component] if configs else config_of_layers(named, component)
        packed |= {f"{component}.{key}": value for key, value in plain(config).items()}
    kept = {key: value for key, value in metadata.items() if not key.startswith("sshs_")}
    if packed:
        kept[LORA_ADAPTER_METADATA_KEY] = json.dumps(packed, indent=2, sort_keys=True)
    _save(path, to_diffusers(layers), kept)


def cast(layers: Layers, dtype: torch.dtype) -> Layers:
    """In the precision that is kept."""
    return {
        component: {name: layer.map(lambda part: part.to(dtype)) for name, layer in named.items()}
        for component, named in layers.items()
    }


def model_hashes(tensors: Tensors, metadata: dict[str, str]) -> dict[str, str]:
    """The hashes by which image programs know a LoRA: over the tensors and `ss_*` alone."""
    kept = {name: value for name, value in metadata.items() if name.startswith("ss_")}
    data = safetensors.torch.save(tensors, kept)
    after_header = 8 + int.from_bytes(data[:8], "little")
    return {
        "sshs_model_hash": hashlib.sha256(data[after_header:]).hexdigest(),
        "sshs_legacy_hash": hashlib.sha256(data[0x100000:0x110000]).hexdigest()[:8],
    }


def family_of(file: LoraFile) -> str:
    """Which family a LoRA is of, as far as its keys depend on it: `sd1`, `sd2`, `sdxl`, `sd3`."""
    if "transformer" in file.layers:
        return "sd3"
    version = file.metadata.get("ss_base_model_version", "")
    architecture = file.metadata.get("modelspec.architecture", "")
    if version.startswith("sd3") or "stable-diffusion-3" in architecture:
        return "sd3"
    if version.startswith("sdxl") or "xl" in architecture or "text_encoder_2" in file.layers:
        return "sdxl"
    unet = file.layers.get("unet", {})
    widths = {
        layer.parts["lora_A"].shape[1]
        for name, layer in unet.items()
        if name.endswith(("attn2.to_k", "attn2.to_v")) and "lora_A" in layer.parts
    }
    deep = any(".transformer_blocks.1." in name for name in unet)
    if deep or 2048 in widths:
        return "sdxl"
    is_v2 = file.metadata.get("ss_v2") == "True" or 1024 in widths
    return "sd2" if is_v2 else "sd1"


def _save(path: Path, tensors: Tensors, metadata: dict[str, str]) -> None:
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt", **metadata})
    path.chmod(0o644)  # safetensors makes it 0600; a LoRA is there to be shared


def _at_their_scales(layers: Layers, configs: dict[str, Any]) -> Layers:
    """With what the metadata say of ranks and alphas."""
    told: Layers = {}
    for component, named in layers.items():
        start = f"{component}."
        config = {
            key.removeprefix(start): value
            for key, value in configs.items()
            if key.startswith(start)
        }
        known = scales(config, list(named)) if "r" in config else {}
        told[component] = {
            name: _told(layer, *known[name]) if name in known else layer
            for name, layer in named.items()
        }
    return told


def _told(layer: Layer, rank: int, scale: float) -> Layer:
    """LoKr's shapes do not tell its rank, all others' do."""
    return replace(layer, scale=scale, rank=rank if layer.kind == "lokr" else layer.rank)


def _some(keys: list[str]) -> str:
    more = len(keys) - SHOWN_KEYS
    shown = ", ".join(keys[:SHOWN_KEYS])
    return f"{shown} and {more} more" if more > 0 else shown
