"""The adapter as files, with each save: diffusers' keys with their metadata, and kohya's.

Of LoRA and DoRA, `pytorch_lora_weights.safetensors` is what diffusers' pipelines load. For LoHa
diffusers has no loader, and for LoKr only its models have one (`load_lora_adapter`, from 0.42 on),
so theirs holds peft's names with peft's configuration beside them; lorad reads it, and the model
card says how others do. `<name>.safetensors` has the names of kohya and LyCORIS for all of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from lorad.daemon.training.families.base import Family
from lorad.daemon.training.layers import ADAPTER, components, live_layers
from lorad.daemon.training.lora_file import DTYPES, cast, write_diffusers, write_kohya
from lorad.daemon.training.metadata import About, Block, metadata, thumbnail
from lorad.shared.jobs import LORA_FILE
from lorad.shared.recipe import Recipe

__all__ = ["About", "Block", "export", "kohya_file"]


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
    layers = cast(live_layers(family), DTYPES[recipe.output.save_dtype])
    configs = {}
    for component, module in components(family).items():
        if component in layers:
            live: Any = module
            configs[component] = live.peft_config[ADAPTER]
    told = metadata(family, recipe, step, about)
    spec = {name: value for name, value in told.items() if name.startswith("modelspec.")}
    write_diffusers(folder / LORA_FILE, layers, spec, configs)
    if newest is not None:
        told["modelspec.thumbnail"] = thumbnail(newest)
    per_block = getattr(getattr(family.network, "config", None), "layers_per_block", 2)
    write_kohya(
        folder / kohya_file(recipe),
        layers,
        family.name,
        told,
        per_block if isinstance(per_block, int) else 2,
    )
