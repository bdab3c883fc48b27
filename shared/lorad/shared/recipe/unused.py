"""Keys of a recipe that would do nothing beside its other keys, each with its sentence.

They are refused where they are not at their default: who sets one expects something of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from msgspec import Struct

from lorad.shared.recipe.sections import Data, Recipe


class Unused(NamedTuple):
    """Keys of one table that do nothing, and when."""

    table: str
    keys: tuple[str, ...]
    idle: Callable[[Recipe], bool]
    why: str


def _schedule_is_not(*names: str) -> Callable[[Recipe], bool]:
    return lambda recipe: recipe.schedule.lr_scheduler not in names


def _timesteps_are_not(name: str) -> Callable[[Recipe], bool]:
    return lambda recipe: recipe.objective.weighting_scheme != name


UNUSED = (
    Unused(
        "buckets",
        ("min_bucket_reso", "max_bucket_reso", "bucket_reso_steps", "bucket_no_upscale"),
        lambda r: not r.buckets.enable_bucket,
        "there are no buckets; set enable_bucket = true or take it out",
    ),
    Unused(
        "schedule",
        ("lr_num_cycles",),
        _schedule_is_not("cosine_with_restarts"),
        'only lr_scheduler = "cosine_with_restarts" has cycles',
    ),
    Unused(
        "schedule",
        ("lr_power",),
        _schedule_is_not("polynomial"),
        'only lr_scheduler = "polynomial" has a power',
    ),
    Unused(
        "schedule",
        ("min_lr_ratio",),
        _schedule_is_not("cosine_with_min_lr", "warmup_stable_decay"),
        'only the lr_scheduler "cosine_with_min_lr" and "warmup_stable_decay" have a floor',
    ),
    Unused(
        "schedule",
        ("lr_decay_steps",),
        _schedule_is_not("warmup_stable_decay"),
        'only lr_scheduler = "warmup_stable_decay" has them',
    ),
    Unused(
        "optimizer",
        (
            "prodigy_beta3", "prodigy_decouple", "prodigy_use_bias_correction",
            "prodigy_safeguard_warmup", "prodigy_d_coef",
        ),
        lambda r: r.optimizer.type != "prodigy",
        'it is prodigy\'s; set type = "prodigy" or take it out',
    ),
    Unused(
        "objective",
        ("huber_c",),
        lambda r: r.objective.loss_type == "l2",
        'loss_type = "l2" has no such bend; take one of the two out',
    ),
    Unused(
        "objective",
        ("mode_scale",),
        _timesteps_are_not("mode"),
        'only weighting_scheme = "mode" has it',
    ),
    Unused(
        "objective",
        ("logit_mean", "logit_std"),
        _timesteps_are_not("logit_normal"),
        'only weighting_scheme = "logit_normal" has it',
    ),
    Unused(
        "objective",
        ("prior_loss_weight",),
        lambda r: not any(data.is_reg for data in r.data),
        "there is no regularisation set (is_reg) that it could weigh",
    ),
    Unused(
        "lora",
        ("text_encoder_target_modules",),
        lambda r: not r.lora.train_text_encoder,
        "no text encoder is trained; set train_text_encoder = true or take it out",
    ),
)  # fmt: skip

UNUSED_DATA: tuple[tuple[tuple[str, ...], Callable[[Data], bool], str], ...] = (
    (
        ("split", "dataset_config_name"),
        lambda data: data.path is not None,
        "a folder has no such thing, only a data set (`dataset_name`)",
    ),
    (
        ("caption_variants",),
        lambda data: not data.varies,
        "no caption varies; set shuffle_caption, enable_wildcard or caption_tag_dropout, or take"
        " it out",
    ),
    (
        ("crop_variants",),
        lambda data: data.center_crop,
        "every crop is the middle; set center_crop = false or take it out",
    ),
)


def without_effect(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """The keys (`data[1].split` where there are several sets) that do nothing, and why."""
    for table, keys, idle, why in UNUSED:
        if idle(recipe):
            section = getattr(recipe, table)
            yield from ((f"{table}.{key}", why) for key in filter(partial(_is_set, section), keys))
    for number, data in enumerate(recipe.data):
        table = f"data[{number}]" if len(recipe.data) > 1 else "data"
        for keys, unread, why in UNUSED_DATA:
            if unread(data):
                yield from ((f"{table}.{key}", why) for key in filter(partial(_is_set, data), keys))


def _is_set(section: Struct, key: str) -> bool:
    """Whether a key is not at its default."""
    return bool(getattr(section, key) != getattr(type(section)(), key))
