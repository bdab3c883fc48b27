"""What the types of a recipe cannot say: its impossible pairs, each with its sentence.

What depends on the base model (v-prediction on an epsilon base, T5 that is not there) is refused
where the model is known, by `lorad check` and by the run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import PurePath
from typing import NamedTuple

from lorad.shared.errors import WrongValue
from lorad.shared.jobs import LORA_FILE
from lorad.shared.recipe.sections import Data, Recipe
from lorad.shared.recipe.unused import without_effect

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
RESERVED = frozenset({"adapter", "optimizer", "ema", PurePath(LORA_FILE).stem})
"""The run's own files, beside which `<name>.safetensors` is written."""
LONGEST_WARMUP = 500
"""Steps, where the recipe does not say."""
POLYNOMIAL_END = 1e-7
"""diffusers' polynomial schedule ends there (`lr_end` in its optimization.py)."""
NO_EFFECT = "it has no effect"
LEAST_OF_PRODIGY = 0.01
"""Below it, its rate is one for another optimizer, forgotten in the recipe."""


class Rule(NamedTuple):
    """A pair that does not go together."""

    key: str
    broken: Callable[[Recipe], bool]
    why: str | Callable[[Recipe], str]


RULES = (
    Rule(
        "name",
        lambda r: not NAME.fullmatch(r.name),
        "use up to 64 letters, digits, dots, dashes and underscores",
    ),
    Rule("name", lambda r: r.name in RESERVED, "another file in the output has that name"),
    Rule(
        "data", lambda r: not r.data, "there is no picture set; write a [data] table with a `path`"
    ),
    Rule(
        "data",
        lambda r: bool(r.data) and all(data.is_reg for data in r.data),
        "all sets are regularisation sets (is_reg), so there is nothing to learn from",
    ),
    Rule(
        "schedule.lr_warmup_steps",
        lambda r: bool(r.schedule.lr_warmup_steps) and r.schedule.lr_scheduler == "constant",
        '"constant" has no warm-up; use lr_scheduler = "constant_with_warmup"',
    ),
    Rule(
        "schedule.lr_warmup_steps",
        lambda r: (r.schedule.lr_warmup_steps or 0) >= (r.train.known_steps or math.inf),
        "the whole run would be warm-up; set less than `max_train_steps`",
    ),
    Rule(
        "schedule.lr_decay_steps",
        lambda r: sum(_ends(r)) > (r.train.known_steps or math.inf),
        lambda r: "{} steps of warm-up and {} of decay are more than the {} of the run".format(
            *_ends(r), r.train.known_steps
        ),
    ),
    Rule(
        "train.learning_rate",
        lambda r: (
            r.schedule.lr_scheduler == "polynomial" and r.train.learning_rate <= POLYNOMIAL_END
        ),
        'lr_scheduler = "polynomial" ends at 1e-7, so it must begin above that',
    ),
    Rule(
        "lora.target_modules",
        lambda r: not r.lora.target_modules,
        "it is empty, so nothing would be trained",
    ),
    Rule(
        "lora.target_modules",
        lambda r: "" in tuple(r.lora.target_modules),
        "one of its ends is empty, so every layer would match",
    ),
    Rule(
        "lora.text_encoder_target_modules",
        lambda r: r.lora.train_text_encoder and not all(r.lora.text_encoder_target_modules or [""]),
        "it is empty, or one of its ends is; name ends of layers, or take it out",
    ),
    Rule(
        "lora.rank_pattern",
        lambda r: not all(map(_compiles, r.lora.rank_pattern)),
        "one of its keys is no regular expression",
    ),
    Rule(
        "lora.alpha_pattern",
        lambda r: not all(map(_compiles, r.lora.alpha_pattern)),
        "one of its keys is no regular expression",
    ),
    Rule(
        "lora.init_lora_weights",
        lambda r: r.lora.init_lora_weights == "gaussian" and r.lora.type != "lora",
        lambda r: f'{r.lora.type} has no such beginning; take it out, or set type = "lora"',
    ),
    Rule(
        "lora.use_dora",
        lambda r: r.lora.use_dora and r.lora.type != "lora",
        'only type = "lora" can be decomposed; take one of the two out',
    ),
    Rule(
        "lora.use_rslora",
        lambda r: r.lora.use_rslora and r.lora.type != "lora",
        'only type = "lora" has that scaling; take one of the two out',
    ),
    Rule(
        "lora.decompose_factor",
        lambda r: r.lora.decompose_factor != -1 and r.lora.type != "lokr",
        'it is LoKr\'s; set type = "lokr" or take it out',
    ),
    Rule(
        "lora.conv_alpha",
        lambda r: r.lora.conv_alpha is not None and r.lora.conv_rank is None,
        "there is no `conv_rank` that it could scale",
    ),
    Rule(
        "lora.target_modules",
        lambda r: isinstance(r.lora.target_modules, str) and not _compiles(r.lora.target_modules),
        "it is neither a preset (attention, attention+ff, full) nor a regular expression",
    ),
    Rule(
        "train.text_encoder_lr",
        lambda r: r.train.text_encoder_lr is not None and not r.lora.train_text_encoder,
        "no text encoder is trained; set lora.train_text_encoder = true",
    ),
    Rule(
        "train.max_train_steps",
        lambda r: r.train.max_train_steps is not None and r.train.num_train_epochs is not None,
        "set either `max_train_steps` or `num_train_epochs`, not both",
    ),
    Rule(
        "train.num_processes",
        lambda r: r.train.train_batch_size % r.train.num_processes != 0,
        "train_batch_size must be a multiple of it, since the processes share each batch",
    ),
    Rule(
        "train.compile",
        lambda r: r.train.compile is True and r.train.exact is True,
        "compiled kernels are not the same bits each time; set exact = false",
    ),
    Rule(
        "optimizer.type",
        lambda r: r.optimizer.type == "adamw8bit" and r.train.exact is True,
        "adamw8bit's kernels need not repeat bit for bit; set exact = false or use adamw",
    ),
    Rule(
        "optimizer.type",
        lambda r: r.optimizer.type == "schedulefree" and r.train.ema_decay > 0,
        "schedulefree averages by itself; set ema_decay = 0",
    ),
    Rule(
        "schedule.lr_scheduler",
        lambda r: (
            r.optimizer.type == "schedulefree"
            and r.schedule.lr_scheduler not in ("constant", "constant_with_warmup")
        ),
        'the optimizer schedulefree wants "constant" or "constant_with_warmup"',
    ),
    Rule(
        "train.text_encoder_lr",
        lambda r: (
            r.optimizer.type == "prodigy"
            and r.train.text_encoder_lr not in (None, r.train.learning_rate)
        ),
        "prodigy finds one rate for all that it trains; take it out",
    ),
    Rule(
        "objective.rescale_betas_zero_snr",
        lambda r: r.objective.rescale_betas_zero_snr and r.objective.prediction_type == "epsilon",
        "at zero signal the noise cannot be guessed from; it is for v-prediction",
    ),
    Rule(
        "train.learning_rate",
        lambda r: r.optimizer.type == "prodigy" and r.train.learning_rate < LEAST_OF_PRODIGY,
        "prodigy multiplies its own rate by it; set learning_rate = 1.0",
    ),
    Rule(
        "objective.snr_weighting",
        lambda r: r.objective.snr_weighting == "soft_min_snr" and r.objective.snr_gamma == 0,
        "with snr_gamma = 0 no timestep is weighed; set a gamma or take it out",
    ),
    Rule(
        "buckets.max_bucket_reso",
        lambda r: (r.buckets.max_bucket_reso or r.train.resolution) < r.train.resolution,
        "it is less than train.resolution",
    ),
    Rule(
        "buckets.min_bucket_reso",
        lambda r: (r.buckets.min_bucket_reso or r.train.resolution) > r.train.resolution,
        "it is more than train.resolution",
    ),
    Rule(
        "validate.path",
        lambda r: r.validate.path is not None and r.validate.split > 0,
        "set either `path` or `split`, not both",
    ),
    Rule(
        "validate.path",
        lambda r: (
            r.validate.path is not None
            and PurePath(r.validate.path) in [PurePath(d.path) for d in r.data if d.path]
        ),
        "its pictures are trained; name another folder, or set `split` instead",
    ),
    Rule(
        "validate.patience",
        lambda r: r.validate.patience > 0 and not r.validate.wanted,
        "nothing is held out to look at; set validate.split or validate.path",
    ),
)

DATA_RULES: tuple[tuple[str, Callable[[Data], bool], str], ...] = (
    (
        "",
        lambda d: d.path is None and d.dataset_name is None,
        "set `path` to a folder, or `dataset_name`",
    ),
    (
        "",
        lambda d: d.path is not None and d.dataset_name is not None,
        "set either `path` or `dataset_name`, not both",
    ),
    (
        "mask_path",
        lambda d: d.mask_path is not None and d.alpha_mask,
        "set either `mask_path` or `alpha_mask`, not both",
    ),
    (
        "mask_path",
        lambda d: d.mask_path is not None and d.path is None,
        "masks are matched by file name, which only a folder of pictures (`path`) has",
    ),
    (
        "keep_tokens",
        lambda d: d.keep_tokens > 0 and not d.shuffle_caption and d.caption_tag_dropout == 0,
        "no tag moves or is dropped; set shuffle_caption = true or take it out",
    ),
    (
        "caption_extension",
        lambda d: d.caption_extension is not None and d.path is None,
        "a data set has its captions in a column; set `caption_column`",
    ),
)


def check_sense(recipe: Recipe) -> None:
    """Raise WrongValue for the first rule that is broken, or key that has no effect."""
    for rule in (*RULES, *_data_rules(recipe)):
        if rule.broken(recipe):
            raise WrongValue(
                key=rule.key, why=rule.why if isinstance(rule.why, str) else rule.why(recipe)
            )
    for key, why in without_effect(recipe):
        raise WrongValue(key=key, why=f"{NO_EFFECT}: {why}")


def _data_rules(recipe: Recipe) -> Iterator[Rule]:
    for number, data in enumerate(recipe.data):
        table = f"data[{number}]" if len(recipe.data) > 1 else "data"
        for key, broken, why in DATA_RULES:
            yield Rule(f"{table}.{key}".rstrip("."), partial(_of_data, broken, data), why)


def _of_data(broken: Callable[[Data], bool], data: Data, _recipe: Recipe) -> bool:
    return broken(data)


def _ends(recipe: Recipe) -> tuple[int, int]:
    """Steps of warmup_stable_decay's warm-up and decay; none of other schedules."""
    steps, schedule = recipe.train.known_steps, recipe.schedule
    if steps is None or schedule.lr_scheduler != "warmup_stable_decay":
        return 0, 0
    warmup, decay = schedule.lr_warmup_steps, schedule.lr_decay_steps
    warmup = min(LONGEST_WARMUP, steps // 10) if warmup is None else warmup
    return warmup, steps // 5 if decay is None else decay


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):  # of a count or brackets without end
        return False
    return True
