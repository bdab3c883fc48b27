"""`lorad generate`: a picture from a LoRA, a job's or a file, with its base model."""

from __future__ import annotations

import contextlib
import io
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from msgspec import Struct
from PIL import Image

from lorad.daemon.training.checkpoint import NAME
from lorad.daemon.training.device import find_place
from lorad.daemon.training.families import Family, load_family
from lorad.daemon.training.layers import components
from lorad.daemon.training.lora import attach
from lorad.daemon.training.lora_file import read_lora
from lorad.daemon.training.preview import Drawing, draw_alike, open_pipeline
from lorad.shared.codec import UNDECODABLE
from lorad.shared.errors import (
    CheckpointUnusable,
    LoraKeysUnknown,
    LoraUnfit,
    LoraUnreadable,
    NoCheckpoint,
    NotWritable,
    WrongBase,
)
from lorad.shared.jobs import LORA_FILE
from lorad.shared.recipe import Data, Model, Recipe

LATENT_SCALE = 8
"""Pixels to a side of a latent."""


@dataclass(frozen=True)
class Wish:
    """What to draw, and how; what is none is as the recipe's samples have it."""

    prompt: str
    seed: int
    steps: int | None
    guidance: float | None
    scale: float
    """The LoRA's strength; 0 is the base model."""


class Made(Struct, frozen=True):
    """What of a checkpoint's state it takes to draw: little, so that other versions' will do."""

    recipe: Recipe
    recipe_folder: str


@dataclass(frozen=True)
class Lora:
    """A LoRA file and what is known of how it was made."""

    path: Path
    recipe: Recipe
    """Its model, its objective, and how it was sampled."""
    recipe_folder: Path
    side: int | None
    """Of a picture; none: what the base model was made for."""


def of_job(folder: Path) -> Lora:
    """The newest LoRA of a job, by its output folder.

    Raises:
        NoCheckpoint: none was written there.
        CheckpointUnusable: none of them can be read.
    """
    checkpoints = [path for path in folder.glob("checkpoint-*") if NAME.fullmatch(path.name)]
    faults = []
    for path in sorted(checkpoints, key=lambda path: -int(path.name.split("-")[1])):
        try:
            made = msgspec.json.decode((path / "state.json").read_bytes(), type=Made)
        except (OSError, *UNDECODABLE) as error:
            faults.append(f"{path.name}: {error}")
            continue
        side = made.recipe.train.resolution
        return Lora(folder / LORA_FILE, made.recipe, Path(made.recipe_folder), side)
    if faults:
        raise CheckpointUnusable(folder=folder, why="; ".join(faults))
    raise NoCheckpoint(folder=folder)


def of_file(path: Path, base: str) -> Lora:
    """A LoRA file from anywhere, of diffusers' or kohya's keys."""
    recipe = Recipe(name="generate", data=(Data(path="."),), model=Model(base=base))
    return Lora(path, recipe, Path.cwd(), None)


def generate(lora: Lora, wish: Wish, out: Path | None, *, keep: bool = False) -> Path:
    """Draw it; the file that was written, beside the LoRA unless `out` names another.

    With `keep` what has that name stays, and the first free number goes behind it.

    Raises:
        LoradError: the LoRA or its base model cannot be loaded.
    """
    recipe = lora.recipe
    place = find_place(recipe, None)
    torch.use_deterministic_algorithms(False)
    family = load_family(recipe.model, lora.recipe_folder, place.device, place.dtype)
    pipeline = open_pipeline(family, recipe.objective)
    put_on(family, lora.path)
    sample, network = recipe.sample, family.network
    side = lora.side or int(_config(network).sample_size) * LATENT_SCALE
    drawing = Drawing(
        prompt=wish.prompt,
        negative_prompt=sample.negative_prompt,
        seed=wish.seed,
        width=side,
        height=side,
        num_inference_steps=wish.steps or sample.num_inference_steps,
        guidance_scale=sample.guidance_scale if wish.guidance is None else wish.guidance,
        lora_scale=wish.scale,
    )
    (picture,) = draw_alike(family, pipeline, [drawing])
    path = out or lora.path.parent / f"generated-{wish.seed}-{secrets.token_hex(3)}.png"
    try:
        if keep:
            path = save_anew(picture, path)
        else:
            picture.save(path)
    except (OSError, ValueError) as error:  # ValueError: an extension that is no picture's
        raise NotWritable(path=path, why=error) from error
    return path.absolute()


def save_anew(picture: Image.Image, wanted: Path) -> Path:
    """Write it to the first name that is free: `a.png`, `a-2.png`, `a-3.png`; that name.

    Raises:
        OSError: it cannot be written.
    """
    encoded = io.BytesIO()
    picture.save(encoded, "PNG")
    number, path = 1, wanted
    while True:
        try:
            with path.open("xb") as file:  # also against one that came while this was drawn
                file.write(encoded.getbuffer())
        except FileExistsError:
            number += 1
            path = wanted.with_stem(f"{wanted.stem}-{number}")
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink()  # half a picture
            raise
        else:
            return path


def put_on(family: Family, path: Path) -> None:
    """Put a LoRA file of any kind and of either keys onto the live networks.

    Raises:
        WrongBase: it is damaged, or made for another base.
    """
    try:
        file = read_lora(path, int(getattr(_config(family.network), "layers_per_block", 2)))
        parts = components(family)
        for component, layers in file.layers.items():
            if component not in parts:
                raise LoraUnfit(path=path, why=f"there is no {component}")
            attach(parts[component], component, layers)
    except (LoraUnfit, LoraUnreadable, LoraKeysUnknown) as error:
        raise WrongBase(path=path, base=family.base, why=error.details.get("why", error)) from error


def _config(network: torch.nn.Module) -> Any:
    return network.config
