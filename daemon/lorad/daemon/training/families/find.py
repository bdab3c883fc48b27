"""From `model.base` to what it is and where it lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lorad.daemon.training.families import checkpoint_file, hub
from lorad.daemon.training.families.kinds import SD1, SD2, SD3, SDXL, Kind
from lorad.daemon.training.families.source import Source, read_index, read_json
from lorad.daemon.training.families.strange import refuse_strange
from lorad.shared import shipped
from lorad.shared.errors import ModelMissing, ModelUnsupported, WrongValue
from lorad.shared.recipe import Model

FAMILIES: dict[str, Kind] = {
    "StableDiffusionPipeline": SD1,
    "StableDiffusionXLPipeline": SDXL,
    "StableDiffusion3Pipeline": SD3,
}
"""By the pipeline class that a model_index.json names; SD 1 and 2 have the same."""
SD2_WIDTH = 1024
"""Of its cross-attention: OpenCLIP's hidden states."""


def check_model(folder: Path, base: str) -> Kind:
    """The family of a diffusers folder, of which only the configuration is read.

    Raises:
        ModelUnsupported: there is none for it.
    """
    kind = str(read_index(folder, base).get("_class_name"))
    if kind not in FAMILIES:
        raise ModelUnsupported(base=base, why=f"it is a {kind}")
    family = FAMILIES[kind]
    if family is SD3:
        return family
    unet, scheduler = _config(folder, "unet", base), _config(folder, "scheduler", base)
    prediction, sampler = prediction_type(scheduler), str(scheduler.get("_class_name"))
    if prediction not in ("epsilon", "v_prediction") or sampler.startswith("EDM"):
        raise ModelUnsupported(base=base, why=f"it predicts {prediction} with {sampler}")
    if unet.get("in_channels") != unet.get("out_channels"):
        why = f"its U-Net takes {unet.get('in_channels')} channels, as one for inpainting does"
        raise ModelUnsupported(base=base, why=why)
    is_second = unet.get("use_linear_projection") or unet.get("cross_attention_dim") == SD2_WIDTH
    return SD2 if family is SD1 and is_second else family


def prediction_type(scheduler: dict[str, Any]) -> str:
    """What a U-Net with this scheduler's configuration guesses; diffusers' default is the noise."""
    return str(scheduler.get("prediction_type", "epsilon"))


def _config(folder: Path, part: str, base: str) -> dict[str, Any]:
    name = "scheduler_config.json" if part == "scheduler" else "config.json"
    return read_json(folder / part / name, base)


def find_model(model: Model, recipe_folder: Path) -> Source:
    """The shipped model, a local one, or one that is fetched from the hub with its weights.

    Raises:
        ModelError: there is none.
    """
    vae = find_vae(model, recipe_folder) if model.vae is not None else None
    if checkpoint_file.is_file_name(model.base):
        file = _file(model, recipe_folder)
        config = refuse_strange(checkpoint_file.find_config(file, model.base), model.base)
        return Source(model, config, file, vae)
    folder = _local(model, recipe_folder) or hub.fetch_all(model)
    return Source(model, refuse_strange(folder, model.base), None, vae)


def find_model_index(model: Model, recipe_folder: Path) -> Path:
    """A folder with the model's configuration; no weights are fetched.

    Raises:
        ModelError: there is none.
    """
    return find_texts(model, recipe_folder, hub.CONFIGS)


def find_configuration(model: Model, recipe_folder: Path) -> Source:
    """The model by its configuration; no weights are fetched, and only a file's header is read.

    Raises:
        ModelError: there is none.
    """
    folder = find_model_index(model, recipe_folder)
    is_file = checkpoint_file.is_file_name(model.base)
    return Source(model, folder, _file(model, recipe_folder) if is_file else None)


def find_texts(model: Model, recipe_folder: Path, patterns: tuple[str, ...]) -> Path:
    """A folder with the model's configuration; of a hub model only what fits the patterns.

    Raises:
        ModelError: there is none.
    """
    if checkpoint_file.is_file_name(model.base):
        folder = checkpoint_file.find_config(_file(model, recipe_folder), model.base)
    else:
        here = _local(model, recipe_folder)
        folder = here or hub.fetch(model.base, model.revision, patterns)
    return refuse_strange(folder, model.base)


def _file(model: Model, recipe_folder: Path) -> Path:
    file = recipe_folder / Path(model.base).expanduser()
    if not file.is_file():
        raise ModelMissing(base=file)
    return file


def _local(model: Model, recipe_folder: Path) -> Path | None:
    """The folder of a model that is here; none: it may be on the hub."""
    if model.base in shipped.MODELS:
        return shipped.MODELS[model.base]
    folder = recipe_folder / Path(model.base).expanduser()
    if folder.is_dir():
        return folder
    if not hub.is_name(model.base):
        raise ModelMissing(base=folder)
    return None


def find_vae(model: Model, recipe_folder: Path) -> Path:
    """The folder of the other VAE, by itself or as part of a model.

    Raises:
        ModelUnreachable: it is not on the hub.
        WrongValue: it is nowhere, or no VAE.
    """
    name = str(model.vae)
    folder = recipe_folder / Path(name).expanduser()
    if not folder.is_dir():
        if not hub.is_name(name):
            raise WrongValue(key="model.vae", why=f"there is no folder {folder}")
        weights = "*diffusion_pytorch_model.safetensors"
        folder = hub.fetch(name, None, ("config.json", "vae/config.json", weights))
    refuse_strange(folder, name)
    for place in (folder, folder / "vae"):
        config = place / "config.json"
        if config.is_file() and read_json(config, name).get("_class_name") == "AutoencoderKL":
            return place
    raise WrongValue(key="model.vae", why=f"{name} holds no AutoencoderKL in diffusers format")
