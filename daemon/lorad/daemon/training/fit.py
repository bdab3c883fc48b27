"""Whether a recipe fits its base model, before any weights are loaded."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from lorad.daemon.training.data.buckets import bucket_of
from lorad.daemon.training.data.report import Ports
from lorad.daemon.training.families.registry import (
    check_fit,
    check_model,
    find_model_index,
    load_counter,
)
from lorad.daemon.training.lora import export_refusals
from lorad.shared.errors import LoradError
from lorad.shared.recipe import Recipe


def refuse_unfit(recipe: Recipe, recipe_folder: Path) -> None:
    """Refuse what the base model, its buckets or its files have no way to do.

    Raises:
        ModelError: the base is not there, or of no family known here.
        WrongValue: a key does not fit it.
    """
    folder = find_model_index(recipe.model, recipe_folder)
    check_fit(recipe, folder)
    family = check_model(folder, recipe.model.base)
    for refusal in export_refusals(recipe, family.name):
        raise refusal
    side = recipe.train.resolution
    bucket_of((side, side), recipe, family.size_multiple)


def ports_of(recipe: Recipe, recipe_folder: Path, memory_bytes: int | None = None) -> Ports:
    """What the data report asks of the model; a model that cannot be asked is told elsewhere."""
    try:
        folder = find_model_index(recipe.model, recipe_folder)
        multiple = check_model(folder, recipe.model.base).size_multiple
        side = recipe.train.resolution
        bucket_of((side, side), recipe, multiple)
        counter = load_counter(recipe.model, recipe_folder)
    except (LoradError, OSError, ValueError):
        return Ports(memory_bytes=memory_bytes)
    rule = partial(_bucket_of, multiple)
    return Ports(counter=counter, bucket_of=rule, memory_bytes=memory_bytes)


def _bucket_of(multiple: int, size: tuple[int, int], recipe: Recipe) -> tuple[int, int]:
    return bucket_of(size, recipe, multiple)
