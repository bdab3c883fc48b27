"""Whether a recipe fits its base model, before any weights are loaded."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import torch

from lorad.daemon.training.data.buckets import bucket_of
from lorad.daemon.training.data.report import Ports
from lorad.daemon.training.families.registry import (
    check_fit,
    check_model,
    find_configuration,
    find_model_index,
    load_counter,
    process_of,
)
from lorad.daemon.training.families.source import Source
from lorad.daemon.training.objective import refuse_foreign, refuse_no_signal
from lorad.daemon.training.schedule import refuse_schedule
from lorad.daemon.training.speed import find_speed, machine_name, place_of
from lorad.daemon.training.targets import (
    export_refusals,
    find_targets,
    find_text_targets,
    may_be_idle,
    refuse_idle_patterns,
)
from lorad.daemon.training.threads import count_threads
from lorad.shared.errors import FileMissing, LoradError
from lorad.shared.recipe import Recipe


def refuse_unfit(recipe: Recipe, recipe_folder: Path, *, begins: bool = True) -> Source:
    """Refuse what the base model, its buckets or its files have no way to do; the base.

    `lora.init_from` must be there only where a run `begins`.

    Returns the folder of the base model's configuration, for whoever goes on with it.

    Raises:
        ModelError: the base is not there, or of no family known here.
        WrongValue: a key does not fit it.
    """
    source = find_configuration(recipe.model, recipe_folder)
    check_fit(recipe, source)
    family = check_model(source.folder, recipe.model.base)
    for refusal in export_refusals(recipe, family.name):
        raise refusal
    flow = family.network_name == "transformer"
    refuse_foreign(recipe.objective, flow=flow)
    if not flow and _may_lack_signal(recipe, source):
        refuse_no_signal(recipe.objective, process_of(source))
    if recipe.train.known_steps is not None:
        refuse_schedule(recipe, recipe.train.known_steps)
    if begins and recipe.lora.init_from is not None:
        path = recipe_folder / Path(recipe.lora.init_from).expanduser()
        if not path.is_file():
            raise FileMissing(path=path)
    side = recipe.train.resolution
    bucket_of((side, side), recipe, family.size_multiple)
    return source


def _may_lack_signal(recipe: Recipe, source: Source) -> bool:
    """Whether it is worth the import of the schedules to find out."""
    config = source.scheduler_config()
    asked = recipe.objective.rescale_betas_zero_snr
    return bool(asked or config.get("rescale_betas_zero_snr") or config.get("trained_betas"))


def refuse_idle_targets(recipe: Recipe, recipe_folder: Path) -> None:
    """Refuse targets and patterns that name no layer, by networks without any weights.

    A run finds the same when it puts the adapter on; this is for `lorad check`.

    Raises:
        TargetsMissing: a target names no layer.
        WrongValue: a pattern does not.
    """
    if not may_be_idle(recipe.lora):
        return
    # Not above: most recipes do without, and it takes longer than all else of a check.
    from diffusers import SD3Transformer2DModel, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    networks: dict[str, Any] = {
        "unet": UNet2DConditionModel,
        "transformer": SD3Transformer2DModel,
    }
    folder = find_model_index(recipe.model, recipe_folder)
    names: list[str] = []
    with torch.device("meta"):
        for part in ("unet", "transformer", "text_encoder", "text_encoder_2"):
            config = folder / part / "config.json"
            if not config.is_file():
                continue
            if part in networks:
                settings = json.loads(config.read_text())
                names += find_targets(networks[part].from_config(settings), recipe.lora)
            elif recipe.lora.train_text_encoder:
                encoder = CLIPTextModel(CLIPTextConfig.from_pretrained(folder / part))
                names += find_text_targets(encoder, recipe.lora)
    if names:
        refuse_idle_patterns(recipe.lora, names)


def ports_of(
    recipe: Recipe, recipe_folder: Path, cache: Path, memory_bytes: int | None = None
) -> Ports:
    """What the data report asks of the model; a model that cannot be asked is told elsewhere."""
    try:
        folder = find_model_index(recipe.model, recipe_folder)
        multiple = check_model(folder, recipe.model.base).size_multiple
        side = recipe.train.resolution
        bucket_of((side, side), recipe, multiple)
        counter = load_counter(recipe.model, recipe_folder)
        machine = machine_name(count_threads(recipe))
        speed = find_speed(place_of(cache, recipe, folder, machine))
    except (LoradError, OSError, ValueError):
        return Ports(memory_bytes=memory_bytes)
    rule = partial(bucket_of, multiple=multiple)
    return Ports(counter=counter, bucket_of=rule, memory_bytes=memory_bytes, speed=speed)
