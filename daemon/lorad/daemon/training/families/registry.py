"""From `model.base` to a loaded family."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import torch

from lorad.daemon.training.families.base import Family
from lorad.daemon.training.families.sd1 import SD1
from lorad.shared import shipped
from lorad.shared.errors import ModelError, ModelMissing, ModelUnreachable, ModelUnsupported
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
    except (ModelError, torch.OutOfMemoryError):
        raise
    # A truncated file, a wrong config: each library has its own errors for them.
    except Exception as error:
        why = (str(error).splitlines() or [type(error).__name__])[0][:300].rstrip(".")
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
    kind = str(index.get("_class_name")) if isinstance(index, dict) else "list"
    if kind not in FAMILIES:
        raise ModelUnsupported(base=base, why=f"it is a {kind}")
    return FAMILIES[kind]


def find_model(
    model: Model, recipe_folder: Path, download: Callable[[Model], str] | None = None
) -> Path:
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
    return _fetch(model, download or _download_all)


def find_model_index(model: Model, recipe_folder: Path) -> Path:
    """As `find_model`, but of a hub model only the index is fetched, not its weights.

    Raises:
        ModelError: there is none.
    """
    return find_model(model, recipe_folder, _download_index)


def _download_index(model: Model) -> str:
    from huggingface_hub import hf_hub_download

    index: str = hf_hub_download(model.base, "model_index.json", revision=model.revision)
    return str(Path(index).parent)


def _download_all(model: Model) -> str:
    from diffusers import DiffusionPipeline

    folder = DiffusionPipeline.download(
        model.base,
        revision=model.revision,
        use_safetensors=True,
        safety_checker=None,
        feature_extractor=None,
    )
    return str(folder)


def _fetch(model: Model, download: Callable[[Model], str]) -> Path:
    try:
        return Path(download(model))
    # Whatever the library, the hub or the network raise: to the user it is one thing.
    except Exception as error:
        raise ModelUnreachable(base=model.base, why=_why(error)) from error


def _why(error: BaseException | None) -> str:
    """What the hub's library means by its many errors."""
    names = set()
    first = str(error).splitlines() or [type(error).__name__]
    while error is not None:
        names |= {kind.__name__ for kind in type(error).__mro__}
        error = error.__cause__ or error.__context__
    if "RepositoryNotFoundError" in names:
        return "the hub knows no such model, or not for this user"
    if names & {
        "LocalEntryNotFoundError",
        "ConnectionError",
        "ConnectError",
        "OfflineModeIsEnabled",
    }:
        return "the hub cannot be reached, and the model was not downloaded before"
    return first[0][:300].rstrip(".")
