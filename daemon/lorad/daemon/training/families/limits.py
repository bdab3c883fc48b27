"""What a base model cannot do, refused before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lorad.daemon.training.families.find import check_model, prediction_type
from lorad.daemon.training.families.source import Source
from lorad.shared.errors import WrongValue
from lorad.shared.recipe import Model, Prompt, Recipe


class Base(NamedTuple):
    """What its configuration says of a base model."""

    flow: bool
    prediction_type: str
    size_multiple: int
    is_file: bool
    is_guessed: bool
    """Nothing in a checkpoint file says what it guesses, so the recipe may know better."""


class Rule(NamedTuple):
    """A pair of recipe and base that does not go together."""

    key: str
    broken: Callable[[Recipe, Base], bool]
    why: str


RULES = (
    Rule(
        "objective.prediction_type",
        lambda r, b: (
            not b.is_guessed
            and r.objective.prediction_type == "v_prediction"
            and b.prediction_type == "epsilon"
        ),
        "the base model guesses the noise (epsilon), and a LoRA cannot teach it another way; "
        "take it out, or set model.base to a v-prediction model",
    ),
    Rule(
        "objective.prediction_type",
        lambda r, b: (
            not b.is_guessed
            and r.objective.prediction_type == "epsilon"
            and b.prediction_type == "v_prediction"
        ),
        "the base model guesses the velocity (v_prediction), and a LoRA cannot teach it another "
        "way; take it out",
    ),
    Rule(
        "model.text_encoder_3",
        lambda r, b: not b.flow and not r.model.text_encoder_3,
        "only Stable Diffusion 3 has a third text encoder; take it out",
    ),
    Rule(
        "model.max_sequence_length",
        lambda r, b: not b.flow and r.model.max_sequence_length != Model().max_sequence_length,
        "only Stable Diffusion 3 has the T5 encoder that it is for; take it out",
    ),
    Rule(
        "model.variant",
        lambda r, b: b.is_file and r.model.variant is not None,
        "one checkpoint file has no variants; take it out",
    ),
)


def check_fit(recipe: Recipe, source: Source) -> None:
    """Refuse a recipe that the base model cannot follow; only its configuration is read.

    Raises:
        ModelUnsupported: the base is of no family known here.
        WrongValue: a key does not fit it.
    """
    base = read_base(source)
    for rule in RULES:
        if rule.broken(recipe, base):
            raise WrongValue(key=rule.key, why=rule.why)
    _check_sizes(recipe, base.size_multiple)


def read_base(source: Source) -> Base:
    """What a base model's configuration, or the checkpoint file itself, says of it."""
    family = check_model(source.folder, source.model.base)
    flow = family.network_name == "transformer"
    return Base(
        flow=flow,
        prediction_type="flow" if flow else prediction_type(source.scheduler_config()),
        size_multiple=family.size_multiple,
        is_file=source.file is not None,
        is_guessed=not source.says_prediction,
    )


def _check_sizes(recipe: Recipe, multiple: int) -> None:
    buckets = recipe.buckets
    sizes = {
        "train.resolution": recipe.train.resolution,
        "buckets.min_bucket_reso": buckets.min_bucket_reso,
        "buckets.max_bucket_reso": buckets.max_bucket_reso,
        "buckets.bucket_reso_steps": buckets.bucket_reso_steps,
    }
    for number, prompt in enumerate(recipe.sample.prompts):
        if isinstance(prompt, Prompt):
            sizes[f"sample.prompts[{number}].width"] = prompt.width
            sizes[f"sample.prompts[{number}].height"] = prompt.height
    for key, size in sizes.items():
        if size is not None and size % multiple:
            near = max(multiple, size // multiple * multiple)
            why = f"{size} is no multiple of {multiple}, which this base model needs; use {near}"
            raise WrongValue(key=key, why=why)
