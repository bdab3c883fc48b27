"""From `model.base` to a loaded family."""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch

from lorad.daemon.training.families.base import Family
from lorad.daemon.training.families.sd1 import SD1
from lorad.shared import shipped
from lorad.shared.errors import ModelMissing, ModelUnreachable, ModelUnsupported
from lorad.shared.recipe import Model

HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
FAMILIES = {"StableDiffusionPipeline": SD1}
"""By the pipeline class that a diffusers folder names in its model_index.json."""


def load_family(
    model: Model, recipe_folder: Path, device: torch.device, dtype: torch.dtype
) -> Family:
    """The base model, loaded.

    Raises:
        ModelError: it is not there, cannot be fetched, or is of no family known here.
    """
    folder = find_model(model, recipe_folder)
    family = check_model(folder, model.base)
    try:
        return family(model.base, folder, device, dtype)
    except (OSError, ValueError) as error:
        why = str(error).splitlines()[0]
        raise ModelUnsupported(base=model.base, why=why) from error


def check_model(folder: Path, base: str) -> type[SD1]:
    """The family of a diffusers folder.

    Raises:
        ModelUnsupported: there is none for it.
    """
    try:
        index = json.loads((folder / "model_index.json").read_text())
    except FileNotFoundError:
        raise ModelUnsupported(base=base, why="it has no model_index.json") from None
    except ValueError as error:
        raise ModelUnsupported(base=base, why=f"its model_index.json: {error}") from error
    kind = str(index.get("_class_name"))
    if kind not in FAMILIES:
        raise ModelUnsupported(base=base, why=f"it is a {kind}")
    return FAMILIES[kind]


def find_model(model: Model, recipe_folder: Path) -> Path:
    """The folder of the shipped model, of a local one, or of one from the hub.

    Raises:
        ModelError: there is none.
    """
    if model.base in shipped.MODELS:
        return shipped.MODELS[model.base]
    folder = recipe_folder / Path(model.base).expanduser()
    if folder.is_dir():
        return folder
    if not HUB_NAME.fullmatch(model.base) or model.base.startswith((".", "~")):
        raise ModelMissing(base=folder)
    return _download(model)


def _download(model: Model) -> Path:
    from diffusers import DiffusionPipeline

    try:
        return Path(
            DiffusionPipeline.download(
                model.base,
                revision=model.revision,
                use_safetensors=True,
                safety_checker=None,
                feature_extractor=None,
            )
        )
    # Whatever the library, the hub or the network raise: to the user it is one thing.
    except Exception as error:
        why = (str(error).splitlines() or [type(error).__name__])[0][:300].rstrip(".")
        raise ModelUnreachable(base=model.base, why=why) from error
