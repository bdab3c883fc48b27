"""`lorad generate`: a picture from a job's LoRA, with the base model that it was made on."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch

from lorad.daemon.training.checkpoint import NAME
from lorad.daemon.training.device import find_place
from lorad.daemon.training.export import DIFFUSERS_FILE
from lorad.daemon.training.families import load_family
from lorad.shared.errors import NoCheckpoint, NotWritable
from lorad.shared.recipe import Recipe


@dataclass(frozen=True)
class Wish:
    """What to draw, and how; what is none is as the recipe's samples have it."""

    prompt: str
    seed: int
    steps: int | None
    guidance: float | None
    scale: float
    """The LoRA's strength; 0 is the base model."""


def generate(folder: Path, wish: Wish, out: Path | None) -> Path:
    """Draw it; the file that was written.

    Raises:
        LoradError: the LoRA or its base model cannot be loaded.
    """
    recipe, recipe_folder = _recipe(folder)
    place = find_place(recipe, None)
    torch.use_deterministic_algorithms(False)
    family = load_family(recipe.model, recipe_folder, place.device, place.dtype)
    pipeline = family.pipeline()
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_lora_weights(folder, weight_name=DIFFUSERS_FILE)
    side, sample = recipe.train.resolution, recipe.sample
    with place.accelerator.autocast():
        picture = pipeline(
            wish.prompt,
            negative_prompt=sample.negative_prompt,
            height=side,
            width=side,
            num_inference_steps=wish.steps or sample.num_inference_steps,
            guidance_scale=sample.guidance_scale if wish.guidance is None else wish.guidance,
            generator=torch.Generator().manual_seed(wish.seed),
            cross_attention_kwargs={"scale": wish.scale},
        ).images[0]
    path = out or folder / f"generated-{wish.seed}-{secrets.token_hex(3)}.png"
    try:
        picture.save(path)
    except (OSError, ValueError) as error:  # ValueError: an extension that is no picture's
        raise NotWritable(path=path, why=error) from error
    return path.absolute()


def _recipe(folder: Path) -> tuple[Recipe, Path]:
    """The recipe that made the LoRA in a folder, and where its relative paths start."""
    checkpoints = [path for path in folder.glob("checkpoint-*") if NAME.fullmatch(path.name)]
    if not checkpoints:
        raise NoCheckpoint(folder=folder)
    newest = max(checkpoints, key=lambda path: int(path.name.split("-")[1]))
    state = json.loads((newest / "state.json").read_text())
    return msgspec.convert(state["recipe"], Recipe), Path(state["recipe_folder"])
