"""From `model.base` to a loaded family, or to the sentence why not."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from lorad.daemon.training.begin import without_collecting
from lorad.daemon.training.families.base import Diffusion, Family, Flow
from lorad.daemon.training.families.counter import Counter, load_counter
from lorad.daemon.training.families.find import (
    check_model,
    find_configuration,
    find_model,
    find_model_index,
)
from lorad.daemon.training.families.kinds import Kind
from lorad.daemon.training.families.limits import check_fit
from lorad.daemon.training.families.source import Source
from lorad.shared.clean import first_line
from lorad.shared.errors import LoradError, ModelUnsupported, WrongValue
from lorad.shared.recipe import Model

__all__ = [
    "Counter",
    "check_fit",
    "check_model",
    "find_configuration",
    "find_model",
    "find_model_index",
    "import_family",
    "load_counter",
    "load_family",
    "load_pipeline",
    "process_of",
]


def load_family(
    model: Model, recipe_folder: Path, device: torch.device, dtype: torch.dtype
) -> Family:
    """The base model, loaded; `dtype` is that of the frozen network.

    Raises:
        ModelError: it is not there, cannot be fetched, or is of no family known here.
        WrongValue: a key of `[model]` asks for what it does not have.
    """
    source = find_model(model, recipe_folder)
    kind = check_model(source.folder, model.base)
    if model.variant is not None and source.file is None:
        _check_variant(source)
    with faults_told(model.base):
        made: Family = _class_of(kind)(source, device, dtype)
        return made


def load_pipeline(source: Source) -> Any:
    """All of a model as diffusers has it, for whoever saves it again.

    Raises:
        ModelUnsupported: it is of no family known here, or some of it is missing or damaged.
    """
    check_model(source.folder, source.model.base)
    with faults_told(source.model.base):
        return source.pipeline()


@contextmanager
def faults_told(base: str) -> Iterator[None]:
    """A truncated file, a wrong config: each library has its own errors for them.

    Raises:
        ModelUnsupported: what they say, in one sentence.
    """
    try:
        yield
    except LoradError:
        raise
    except Exception as error:
        # Here, as accelerate takes its time and most checks need none of it.
        from lorad.daemon.training.device import is_card_fault, is_full_card

        if isinstance(error, RuntimeError) and (is_full_card(error) or is_card_fault(error)):
            raise  # the card is to blame
        why = first_line(error)
        raise ModelUnsupported(base=base, why=why) from error


def import_family(folder: Path, base: str) -> None:
    """Import what loading a diffusers folder takes: for whoever goes on in several threads.

    Raises:
        ModelUnsupported: there is no family for it.
    """
    _class_of(check_model(folder, base))


def process_of(source: Source) -> Diffusion | Flow:
    """How pictures of a base turn into noise, by its configuration.

    Raises:
        ModelUnsupported: there is no family for it, or its configuration is damaged.
    """
    with faults_told(source.model.base):
        kind = check_model(source.folder, source.model.base)
        found: Diffusion | Flow = _class_of(kind).process_of(source)
        return found


def _class_of(kind: Kind) -> Any:
    """Not imported before: the libraries behind it take seconds, and `lorad check` needs none."""
    name = f"lorad.daemon.training.families.{kind.name}"
    if name not in sys.modules:
        with without_collecting():
            importlib.import_module(name)
    return getattr(sys.modules[name], kind.name.upper())


def _check_variant(source: Source) -> None:
    model = source.model
    if not any(source.folder.glob(f"*/*.{model.variant}*.safetensors")):
        why = f"{model.base} has no weight files of that variant; take it out, or try fp16"
        raise WrongValue(key="model.variant", why=why)
