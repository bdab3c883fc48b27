"""What resumes bit for bit: every option that promises it, pairs of them, every family."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support import quick, small_data

from lorad.shared.messages import Assignment
from lorad.shared.recipe.reading import convert_recipe

from .runs import Line, run_task, weights
from .tiny import tiny_model

STEPS = 4
MIDDLE = 2
Tables = dict[str, Any]

BASE: Tables = {
    "name": "exact",
    "data": {"path": "pictures", "caption_dropout": 0.3},
    "lora": {"rank": 2},
    "train": {
        "max_train_steps": STEPS,
        "train_batch_size": 2,
        "resolution": 64,
        "learning_rate": 1e-2,
        "seed": 7,
        "checkpointing_steps": 100,
    },
}

OPTIONS: dict[str, Tables] = {
    "rslora": {"lora.use_rslora": True},
    "dora": {"lora.use_dora": True},
    "loha": {"lora.type": "loha"},
    "lokr": {"lora.type": "lokr"},
    "dropout": {"lora.dropout": 0.3},
    "gaussian": {"lora.init_lora_weights": "gaussian"},
    "full": {"lora.target_modules": "full"},
    "convolutions": {"lora.conv_rank": 2, "lora.conv_alpha": 1.0},
    "patterns": {"lora.rank_pattern": {"to_q": 3}, "lora.alpha_pattern": {"to_q": 1.5}},
    "text encoder": {"lora.train_text_encoder": True},
    "shuffle": {"data.shuffle_caption": True, "data.keep_tokens": 1, "data.caption_separator": " "},
    "tag dropout": {"data.caption_tag_dropout": 0.4, "data.caption_separator": " "},
    "wildcards": {"data.enable_wildcard": True, "data.caption_prefix": "{a|the} "},
    "trigger": {"data.trigger_word": "zwx"},
    "flip": {"data.random_flip": True},
    "random crop": {"data.center_crop": False},
    "square": {"buckets.enable_bucket": False},
    "no upscale": {"buckets.bucket_no_upscale": True},
    "repeats": {"data.repeats": 3},
    "weight": {"data.weight": 0.5},
    "alpha mask": {"data.alpha_mask": True},
    "accumulation": {"train.gradient_accumulation_steps": 3},
    "unclipped": {"train.max_grad_norm": 0.0},
    "checkpointed": {"train.gradient_checkpointing": True},
    "bf16": {"train.mixed_precision": "bf16"},
    "ema": {"train.ema_decay": 0.9},
    "unweighted": {"objective.snr_gamma": 0.0},
    "soft min-snr": {"objective.snr_weighting": "soft_min_snr"},
    "debiased": {"objective.snr_weighting": "debiased"},
    "noise offset": {"objective.noise_offset": 0.1},
    "input perturbation": {"objective.input_perturbation": 0.1},
    "huber": {"objective.loss_type": "huber"},
    "smooth l1": {"objective.loss_type": "smooth_l1"},
    "adafactor": {"optimizer.type": "adafactor"},
    "prodigy": {"optimizer.type": "prodigy", "train.learning_rate": 1.0},
    "schedulefree": {
        "optimizer.type": "schedulefree",
        "schedule.lr_scheduler": "constant_with_warmup",
        "schedule.lr_warmup_steps": 2,
    },
    "lion": {"optimizer.type": "lion", "train.learning_rate": 1e-3},
    "floor": {"schedule.lr_scheduler": "cosine_with_min_lr"},
    "stable decay": {"schedule.lr_scheduler": "warmup_stable_decay"},
    "restarts": {"schedule.lr_scheduler": "cosine_with_restarts", "schedule.lr_num_cycles": 2},
    "validation": {"validate.split": 0.3, "validate.every_n_steps": 1, "validate.patience": 50},
    "prompts": {
        "sample.prompts": ["cat"],
        "sample.every_n_steps": 1,
        "sample.num_inference_steps": 1,
    },
}
# One choice of every group goes with one of every other.
GROUPS = (
    ("rslora", "dora", "loha", "lokr", "dropout"),
    ("full", "convolutions", "text encoder"),
    ("shuffle", "tag dropout", "wildcards"),
    ("flip", "random crop", "alpha mask"),
    ("accumulation", "checkpointed", "repeats"),
    ("ema", "noise offset", "input perturbation"),
    ("huber", "soft min-snr", "debiased"),
    ("adafactor", "prodigy", "lion"),
    ("validation", "floor", "restarts"),
)


def pairwise(groups: tuple[tuple[str, ...], ...]) -> list[tuple[str, ...]]:
    """Few combinations in which every two options of different groups meet."""
    open_pairs = {
        frozenset((one, other))
        for first, second in itertools.combinations(groups, 2)
        for one in first
        for other in second
    }
    found = []
    while open_pairs:
        chosen: list[str] = []
        for group in groups:
            gain = {
                option: sum(frozenset((option, other)) in open_pairs for other in chosen)
                + sum(option in pair for pair in open_pairs) / 1000
                for option in group
            }
            chosen.append(max(gain, key=lambda option: gain[option]))
        met = {frozenset(pair) for pair in itertools.combinations(chosen, 2)}
        if not met & open_pairs:  # the greedy choice met nothing new: force an open pair
            chosen[:2] = sorted(next(iter(open_pairs)))
            met = {frozenset(chosen[:2])}
            chosen = chosen[:2]
        open_pairs -= met
        found.append(tuple(chosen))
    return found


def merged(*changes: Tables) -> Tables:
    tables: Tables = {
        key: dict(value) if isinstance(value, dict) else value for key, value in BASE.items()
    }
    for dotted, value in itertools.chain.from_iterable(change.items() for change in changes):
        section, key = dotted.split(".")
        tables.setdefault(section, {})[key] = value
    return tables


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of several shapes."""
    folder = tmp_path_factory.mktemp("room")
    pictures = small_data(folder, 7)
    for number, path in enumerate(sorted(pictures.glob("*.png"))):
        with Image.open(path) as picture:
            size = [(64, 64), (96, 64), (64, 96)][number % 3]
            picture.convert("RGBA").resize(size).save(path)
    return folder


def assignment(tables: Tables, room: Path, out: Path) -> Assignment:
    return Assignment(
        id=1, recipe=convert_recipe(tables), recipe_folder=str(room), folder=str(out),
        cache=str(room / "cache"), fresh=False,
    )  # fmt: skip


def resumed_equals_whole(tables: Tables, room: Path, tmp_path: Path) -> None:
    whole, first, second = Line(), Line(stop_after=MIDDLE), Line()
    assert run_task(assignment(tables, room, tmp_path / "whole"), whole) == "done"
    assert run_task(assignment(tables, room, tmp_path / "out"), first) == "yielded"
    assert run_task(assignment(tables, room, tmp_path / "out"), second) == "done"
    assert len(first.losses) == MIDDLE
    assert first.losses | second.losses == whole.losses
    wanted, found = weights(tmp_path / "whole"), weights(tmp_path / "out")
    assert wanted.keys() == found.keys()
    assert [name for name in wanted if not wanted[name].equal(found[name])] == []


@pytest.mark.proof
@pytest.mark.parametrize("option", OPTIONS)
def test_each_option(option: str, room: Path, tmp_path: Path) -> None:
    resumed_equals_whole(merged(OPTIONS[option]), room, tmp_path)


@pytest.mark.parametrize("options", quick(1, pairwise(GROUPS)), ids=" and ".join)
def test_pairs(options: tuple[str, ...], room: Path, tmp_path: Path) -> None:
    resumed_equals_whole(merged(*(OPTIONS[option] for option in options)), room, tmp_path)


@pytest.mark.parametrize("family", quick(2, ["sdxl", "sd3", "sd1", "sd2"]))
def test_each_family(family: str, room: Path, tmp_path: Path) -> None:
    tables = merged({"model.base": str(tiny_model(family, tmp_path / "models"))})
    resumed_equals_whole(tables, room, tmp_path)
