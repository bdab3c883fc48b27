"""`lorad lora merge`: base model and LoRA as one, in a diffusers folder of its own."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Any

import torch
from diffusers.utils.peft_utils import recurse_remove_peft_layers
from safetensors import safe_open

from lorad.daemon.training.families.registry import find_model, load_pipeline
from lorad.daemon.training.families.source import is_plain
from lorad.daemon.training.files import disk_full_told, refuse_without_room
from lorad.daemon.training.layers import Layers, tuners
from lorad.daemon.training.lora import attach
from lorad.daemon.training.lora_file import read_lora
from lorad.shared.errors import LoraUnfit, LoraUnreadable, NameTaken, NotWritable
from lorad.shared.recipe import Model

DTYPES = {"F16": torch.float16, "BF16": torch.bfloat16}


def merge(path: Path, base: str, out: Path, scale: float) -> Path:
    """Write the merged model, each part in the precision that the base has it in; its folder.

    Raises:
        LoradError: the LoRA or the base cannot be read, they do not fit, or there is no room.
    """
    if out.exists():
        raise NameTaken(path=out)
    source = find_model(Model(base=base), Path.cwd())
    pipeline = load_pipeline(source)
    file = read_lora(path, _layers_per_block(pipeline))
    try:
        put_in(pipeline, file.layers, scale)
    except (LoraUnfit, LoraUnreadable) as error:
        raise LoraUnfit(path=path, why=f"{error.details['why']} in {base}") from error
    for name in file.layers:
        stored = source.file or source.folder / name
        getattr(pipeline, name).to(stored_dtype(stored))
    parts = [source.file] if source.file else source.folder.rglob("*.safetensors")
    size = sum(one.stat().st_size for one in parts)
    aside = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        aside.mkdir(parents=True)
        refuse_without_room(aside, size)
        with disk_full_told(out, size):
            pipeline.save_pretrained(aside, safe_serialization=True)
        aside.rename(out)
    except OSError as error:
        raise NotWritable(path=out, why=error.strerror or error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return out.absolute()


def put_in(pipeline: Any, layers: Layers, scale: float) -> None:
    """Add the adapter to the weights, in fp32, and take its own layers away.

    Raises:
        LoraError: it does not fit.
    """
    for component, named in layers.items():
        module = getattr(pipeline, component, None)
        if module is None:
            raise LoraUnfit(path="The LoRA", why=f"there is no {component}")
        module.float()
        attach(module, component, named)
        for tuner in tuners(module).values():
            merging: Any = tuner
            merging.scale_layer(scale)
            merging.merge(safe_merge=True)
        recurse_remove_peft_layers(module)
        # Saving looks for an adapter by these, and would write that instead of the weights.
        del module.peft_config
        module._hf_peft_config_loaded = False


def stored_dtype(place: Path) -> torch.dtype:
    """Of weights on the disk, a part's folder or one file; fp32 where it is not plain."""
    paths = sorted(place.glob("*.safetensors")) if place.is_dir() else [place]
    for path in [path for path in paths if is_plain(path.name)] or paths:
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                return DTYPES.get(file.get_slice(name).get_dtype(), torch.float32)
    return torch.float32


def _layers_per_block(pipeline: Any) -> int:
    count = getattr(getattr(pipeline, "unet", None), "config", {}).get("layers_per_block", 2)
    return count if isinstance(count, int) else 2
