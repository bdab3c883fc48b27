"""Base models from the hub, and what its many errors mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from lorad.shared.clean import first_line
from lorad.shared.errors import ModelUnreachable
from lorad.shared.recipe import Model

NAME = re.compile(r"[\w.-]+/[\w.-]+")
CONFIGS = ("model_index.json", "scheduler/*.json", "*/config.json")
WORDS = ("tokenizer/*", "tokenizer_2/*")
TEXTS = ("*.json", "*.txt", "*.model")
"""All of a model but its weights."""


def is_name(text: str) -> bool:
    """Whether it may be `owner/model`."""
    return NAME.fullmatch(text) is not None and not text.startswith((".", "~"))


def fetch_all(model: Model) -> Path:
    """The folder with the weights that the recipe wants.

    Raises:
        ModelUnreachable: it cannot be had.
    """
    from diffusers import DiffusionPipeline

    without = {"safety_checker": None, "feature_extractor": None, "image_encoder": None}
    if not model.text_encoder_3:
        without |= {"text_encoder_3": None, "tokenizer_3": None}
    return reach(
        model.base,
        lambda: DiffusionPipeline.download(
            model.base,
            revision=model.revision,
            variant=model.variant,
            use_safetensors=True,
            **without,
        ),
    )


def fetch(name: str, revision: str | None, patterns: tuple[str, ...]) -> Path:
    """The folder with some of a model's files.

    Raises:
        ModelUnreachable: they cannot be had.
    """
    from huggingface_hub import snapshot_download

    return reach(
        name, lambda: snapshot_download(name, revision=revision, allow_patterns=list(patterns))
    )


def reach(name: str, download: Callable[[], str]) -> Path:
    """What a download gives, or its failure in a sentence.

    Raises:
        ModelUnreachable: it failed.
    """
    try:
        return Path(download())
    # Whatever the library, the hub or the network raise: to the user it is one thing.
    except Exception as error:
        raise ModelUnreachable(base=name, why=why(error)) from error


def why(error: BaseException | None) -> str:
    """What the hub's library means by its many errors."""
    names = set()
    first = first_line(error)
    while error is not None:
        names |= {kind.__name__ for kind in type(error).__mro__}
        error = error.__cause__ or error.__context__
    if "GatedRepoError" in names:
        return "its owner wants to be asked first; accept its terms on the hub and log in"
    if "RepositoryNotFoundError" in names:
        return "the hub knows no such model, or not for this user"
    if names & {
        "LocalEntryNotFoundError",
        "ConnectionError",
        "ConnectError",
        "OfflineModeIsEnabled",
    }:
        return "the hub cannot be reached, and the model was not downloaded before"
    return first
