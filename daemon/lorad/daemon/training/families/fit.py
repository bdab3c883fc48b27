"""What a base model cannot do, refused before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from lorad.daemon.training.families import checkpoint_file
from lorad.daemon.training.families.find import check_model, prediction_type
from lorad.daemon.training.families.source import read_json
from lorad.shared.errors import WrongValue
from lorad.shared.recipe import Model, Prompt, Recipe


class Base(NamedTuple):
    """What its configuration says of a base model."""

    flow: bool
    prediction_type: str
    size_multiple: int
    is_file: bool
    """Its configuration is only that of the model it is like, so the recipe may know better."""


class Rule(NamedTuple):
    """A pair of recipe and base that does not go together."""

    key: str
    broken: Callable[[Recipe, Base], bool]
    why: str


RULES = (
    Rule(
        "objective.prediction_type",
        lambda r, b: b.flow and r.objective.prediction_type is not None,
        "the base model is trained by flow matching, which guesses one thing only; take it out",
    ),
    Rule(
        "objective.rescale_betas_zero_snr",
        lambda r, b: b.flow and r.objective.rescale_betas_zero_snr,
        "flow matching ends in pure noise anyway; take it out",
    ),
    Rule(
        "objective.prediction_type",
        lambda r, b: (
            not b.is_file
            and r.objective.prediction_type == "v_prediction"
            and b.prediction_type == "epsilon"
        ),
        "the base model guesses the noise (epsilon), and a LoRA cannot teach it another way; "
        "take it out, or set model.base to a v-prediction model",
    ),
    Rule(
        "objective.prediction_type",
        lambda r, b: (
            not b.is_file
            and r.objective.prediction_type == "epsilon"
            and b.prediction_type == "v_prediction"
        ),
        "the base model guesses the velocity (v_prediction), and a LoRA cannot teach it another "
        "way; take it out",
    ),
    Rule(
        "objective.rescale_betas_zero_snr",
        lambda r, b: (
            r.objective.rescale_betas_zero_snr
            and (r.objective.prediction_type or b.prediction_type) == "epsilon"
        ),
        "the base model guesses the noise, which cannot be guessed from noise alone; it is for "
        "v-prediction models",
    ),
    Rule(
        "objective.shift",
        lambda r, b: not b.flow and r.objective.shift is not None,
        "only Stable Diffusion 3 has it; take it out",
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


def check_fit(recipe: Recipe, folder: Path) -> None:
    """Refuse a recipe that the base model cannot follow; `folder` holds its configuration.

    Raises:
        ModelUnsupported: the base is of no family known here.
        WrongValue: a key does not fit it.
    """
    base = read_base(recipe.model.base, folder)
    for rule in RULES:
        if rule.broken(recipe, base):
            raise WrongValue(key=rule.key, why=rule.why)
    _check_sizes(recipe, base.size_multiple)


def read_base(name: str, folder: Path) -> Base:
    """What a base model's configuration says of it."""
    family = check_model(folder, name)
    flow = family.network_name == "transformer"
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json", name)
    return Base(
        flow=flow,
        prediction_type="flow" if flow else prediction_type(scheduler),
        size_multiple=family.size_multiple,
        is_file=checkpoint_file.is_file_name(name),
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
