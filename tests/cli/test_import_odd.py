"""Odd values in other trainers' files and commands: a recipe or a sentence comes of each."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.conftest import Lorad

from lorad.shared.errors import CannotImport, LoradError
from lorad.tui.imports import import_config, import_source
from lorad.tui.imports.arguments import Table
from lorad.tui.imports.diffusers import SCRIPTS
from lorad.tui.imports.kohya import ARGUMENTS
from lorad.tui.imports.kohya_data import KINDS

ODD = (
    "true", "false", '""', '"x"', '"\\u0000"', '"a\\nb"', '"1,2"', '"nan"', '"50%"', "0", "-1",
    "7", "1" + "0" * 400, "0.5", "-0.0", "1e308", "nan", "-inf", "1979-05-27", "[]", "[1]",
    '["a", "b"]', "[[1, 2], {a = 1}]", "{}", "{a = 1}",
)  # fmt: skip
"""Values as TOML has them."""
WORDS = ("", "a\0b", "1,2", "nan", "50%", "-1", "1e308", "9" * 400, "\udcff")
MODEL = 'pretrained_model_name_or_path = "m"\n'
HALVES = "max_train_steps = 10\nlr_warmup_steps = 0.5\nvalidation_split = 0.1\nmasked_loss = true\n"
SUBSET = "[[datasets.subsets]]\n"
IN_FILE: dict[str, Callable[[str], str]] = {
    "general": lambda line: f'[general]\n{line}\n[[datasets]]\n{SUBSET}image_dir = "p"\n',
    "dataset": lambda line: f'[[datasets]]\n{line}\n{SUBSET}image_dir = "p"\n',
    "subset": lambda line: f"[[datasets]]\nenable_bucket = true\n{SUBSET}{line}\n",
}


def config_of(folder: Path, key: str, value: str, dataset: str | None = None) -> None:
    """A config file with this key, over what makes the others matter, and a dataset file."""
    lines = [line for line in (MODEL + HALVES).splitlines() if line.partition(" ")[0] != key]
    (folder / "k.toml").write_text("\n".join([*lines, f"{key} = {value}" if key else ""]))
    (folder / "d.toml").write_text(dataset or "")
    with contextlib.suppress(LoradError):
        import_config(str(folder / "k.toml"), str(folder / "d.toml") if dataset else None)


@pytest.mark.parametrize("key", sorted(key for key in ARGUMENTS if not ARGUMENTS[key].note))
def test_any_value_in_a_config_file(tmp_path: Path, key: str) -> None:
    for value in ODD:
        config_of(tmp_path, key, value)


@pytest.mark.parametrize("key", [*sorted(KINDS), "resolution", "no_such_key"])
def test_any_value_in_a_dataset_file(tmp_path: Path, key: str) -> None:
    for value in ODD:
        config_of(tmp_path, "", "", IN_FILE["general"](f"{key} = {value}"))
        config_of(tmp_path, "", "", IN_FILE["subset"](f"{key} = {value}"))


@pytest.mark.parametrize("value", ODD)
def test_any_value_where_a_dataset_file_has_tables(tmp_path: Path, value: str) -> None:
    config_of(tmp_path, "", "", f"general = {value}\n[[datasets]]\n{SUBSET}")
    config_of(tmp_path, "", "", f"datasets = {value}\n")
    config_of(tmp_path, "", "", f"[[datasets]]\nsubsets = {value}\n")


@pytest.mark.parametrize(
    "key", ["prompt", "negative_prompt", "width", "seed", "steps", "scale", "guidance_scale"]
)
def test_any_value_in_a_prompt_file(tmp_path: Path, key: str) -> None:
    odd = [True, None, "", "x", "\0", -1, 10**400, 1e308, float("nan"), float("inf"), [1], {"a": 1}]
    for value in odd:
        (tmp_path / "p.json").write_text(json.dumps([{"prompt": "a", key: value}]))
        config_of(tmp_path, "sample_prompts", json.dumps(str(tmp_path / "p.json")))


@pytest.mark.parametrize("value", ["1j", "{[]: 1}", "{1}", "b'x'", "...", "None", "9" * 400, "\0"])
def test_any_value_of_an_optimizers(tmp_path: Path, value: str) -> None:
    for key in ("weight_decay", "betas", "decouple"):
        for one in (value, f"({value}, {value})"):
            config_of(tmp_path, "optimizer_args", json.dumps([f"{key}={one}"]))


@pytest.mark.parametrize(
    ("script", "table"),
    [
        ("train_network.py", ARGUMENTS),
        *((script, SCRIPTS[script].table) for script in sorted(SCRIPTS)),
    ],
)
def test_any_word_of_a_command(script: str, table: Table) -> None:
    for name in (name for name, argument in table.items() if not argument.note):
        for word in WORDS:
            with contextlib.suppress(LoradError):
                import_source(
                    f"accelerate launch --num_processes=2 {script} --scale_lr --{name}={word} "
                    "--pretrained_model_name_or_path=m"
                )


@pytest.mark.parametrize("name", ["config_file", "dataset_config"])
def test_a_name_that_no_file_can_have(name: str) -> None:
    with pytest.raises(CannotImport, match="no file can have such a name"):
        import_source(f"train_network.py --pretrained_model_name_or_path=m --{name}=a\0b")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            'image_dir = ["cats", "dogs"]',
            "The argument --image_dir cannot be imported: `['cats', 'do",
        ),
        ("batch_size = {a = 1}", "The argument --batch_size cannot be imported: `{'a': 1}` is "),
        (
            "validation_split = [0.1]",
            "The argument --validation_split cannot be imported: `[0.1]` i",
        ),
        (
            "resolution = 1e308",
            "The argument --resolution cannot be imported: `1e+308` is too larg",
        ),
    ],
)
def test_the_sentence(lorad: Lorad, work: Path, line: str, sentence: str) -> None:
    key = line.partition(" ")[0]
    where = "subset" if key == "image_dir" else "dataset"
    (work / "ds.toml").write_text(IN_FILE[where](line))
    (work / "k.toml").write_text(f'{MODEL}dataset_config = "ds.toml"\n')
    ended = lorad("import", "k.toml")
    assert ended.stderr.startswith(f"lorad: {sentence}"), ended.stderr
    assert (ended.returncode, ended.stdout) == (2, "")


def test_what_may_be_a_list(lorad: Lorad, work: Path) -> None:
    (work / "ds.toml").write_text(
        "[[datasets]]\nresolution = [512, 768]\n" + SUBSET + 'image_dir = "cats"\n'
        'face_crop_aug_range = [1.0, 2.0]\ncustom_attributes = {a = "b"}\n'
    )
    (work / "k.toml").write_text(f'{MODEL}dataset_config = "ds.toml"\nmetadata_tags = ["a", "b"]\n')
    ended = lorad("import", "k.toml")
    assert (ended.returncode, "resolution = 624" in ended.stdout) == (0, True), ended.stderr
    for name in ("face_crop_aug_range", "custom_attributes", "--metadata_tags"):
        assert f"\n{name}: " in f"\n{ended.stderr}"
