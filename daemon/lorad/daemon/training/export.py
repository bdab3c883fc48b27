"""The LoRA as files: diffusers' keys with its adapter metadata, and kohya's with theirs."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from diffusers import StableDiffusionPipeline
from diffusers.utils import (
    convert_all_state_dict_to_peft,
    convert_state_dict_to_kohya,
)
from peft.utils import get_peft_model_state_dict
from PIL import Image

from lorad.daemon.training.families import Family
from lorad.shared.recipe import Recipe

DIFFUSERS_FILE = "pytorch_lora_weights.safetensors"
THUMBNAIL = 256


@dataclass(frozen=True)
class About:
    """What the metadata tell of a run besides its recipe."""

    pictures: int
    tags: dict[str, int]
    """How often each comma-separated part of a caption occurs."""
    precision: str
    """`no`, `fp16` or `bf16`."""
    started: float
    """Seconds since the epoch."""


def kohya_file(recipe: Recipe) -> str:
    """The name of the file with kohya's keys."""
    return f"{recipe.name}.safetensors"


def export(
    family: Family,
    recipe: Recipe,
    step: int,
    about: About,
    folder: Path,
    newest: Image.Image | None,
) -> None:
    """Write both files into the folder; `newest` becomes the thumbnail."""
    unet: Any = family.network
    peft_keys = {k: v.detach().cpu() for k, v in get_peft_model_state_dict(unet).items()}
    StableDiffusionPipeline.save_lora_weights(
        folder,
        unet_lora_layers=diffusers_tensors(peft_keys),
        unet_lora_adapter_metadata=unet.peft_config["default"].to_dict(),
    )
    tensors = kohya_tensors(peft_keys, recipe.lora.lora_alpha)
    metadata = kohya_metadata(family, recipe, step, about)
    metadata |= model_hashes(tensors, metadata)
    if newest is not None:
        metadata["modelspec.thumbnail"] = thumbnail(newest)
    safetensors.torch.save_file(tensors, folder / kohya_file(recipe), metadata=metadata)
    for name in (DIFFUSERS_FILE, kohya_file(recipe)):
        (folder / name).chmod(0o644)  # safetensors makes them 0600; a LoRA is there to be shared


def diffusers_tensors(peft_keys: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The names that diffusers' scripts write, for every layer alike.

    Its own converter renames attention alone; from a file of both kinds its loader then takes the
    convolutions only, and says nothing.
    """
    return {
        name.replace(".lora_A.", ".lora.down.").replace(".lora_B.", ".lora.up."): tensor
        for name, tensor in peft_keys.items()
    }


def kohya_tensors(peft_keys: dict[str, torch.Tensor], alpha: float) -> dict[str, torch.Tensor]:
    """Kohya's names. diffusers writes the rank as alpha whatever the alpha is, so ours is put."""
    prefixed = {f"unet.{name}": tensor for name, tensor in peft_keys.items()}
    tensors = convert_state_dict_to_kohya(convert_all_state_dict_to_peft(prefixed))
    return {
        name: torch.tensor(float(alpha)) if name.endswith(".alpha") else tensor.contiguous()
        for name, tensor in tensors.items()
    }


def kohya_metadata(family: Family, recipe: Recipe, step: int, about: About) -> dict[str, str]:
    """The `ss_*` and `modelspec.*` entries that image programs read; all values are strings."""
    train, lora = recipe.train, recipe.lora
    side = train.resolution
    now = time.time()
    convolutions = any("conv" in target for target in lora.target_modules)
    alpha = lora.lora_alpha
    network_args = {"conv_dim": lora.rank, "conv_alpha": alpha} if convolutions else {}
    values: dict[str, object] = {
        "ss_output_name": recipe.name,
        "ss_sd_model_name": Path(family.base).name,  # no path of the user's goes into the file
        "ss_base_model_version": "sd_v1",
        "ss_v2": False,
        "ss_network_module": "networks.lora",
        "ss_network_dim": lora.rank,
        "ss_network_alpha": float(alpha),
        "ss_network_args": json.dumps(network_args),
        "ss_training_started_at": about.started,
        "ss_training_finished_at": now,
        "ss_num_train_images": about.pictures,
        "ss_dataset_dirs": json.dumps({"pictures": {"n_repeats": 1, "img_count": about.pictures}}),
        "ss_tag_frequency": json.dumps({"pictures": about.tags}),
        "ss_bucket_info": json.dumps(
            {"buckets": {"0": {"resolution": [side, side], "count": about.pictures}}}
        ),
        "ss_resolution": f"({side}, {side})",
        "ss_learning_rate": train.learning_rate,
        "ss_lr_scheduler": recipe.schedule.lr_scheduler,
        "ss_optimizer": "torch.optim.AdamW",
        "ss_batch_size_per_device": train.train_batch_size,
        "ss_gradient_accumulation_steps": train.gradient_accumulation_steps,
        "ss_max_train_steps": train.max_train_steps,
        "ss_steps": step,
        "ss_seed": train.seed,
        "ss_mixed_precision": about.precision,
        "ss_min_snr_gamma": recipe.objective.snr_gamma or None,
        "ss_noise_offset": recipe.objective.noise_offset or None,
        "ss_caption_dropout_rate": recipe.data[0].caption_dropout,
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"{family.architecture}/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.title": recipe.name,
        "modelspec.resolution": f"{side}x{side}",
        "modelspec.prediction_type": "epsilon",
        "modelspec.date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        "modelspec.trigger_phrase": recipe.output.trigger_phrase or None,
    }
    return {name: str(value) for name, value in values.items() if value is not None}


def model_hashes(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> dict[str, str]:
    """The hashes by which image programs know a LoRA: over the tensors and `ss_*` alone."""
    kept = {name: value for name, value in metadata.items() if name.startswith("ss_")}
    data = safetensors.torch.save(tensors, kept)
    after_header = 8 + int.from_bytes(data[:8], "little")
    return {
        "sshs_model_hash": hashlib.sha256(data[after_header:]).hexdigest(),
        "sshs_legacy_hash": hashlib.sha256(data[0x100000:0x110000]).hexdigest()[:8],
    }


def thumbnail(picture: Image.Image) -> str:
    """A small JPEG as a data URL, as modelspec wants it."""
    small = picture.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    out = io.BytesIO()
    small.convert("RGB").save(out, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()
