"""What `lorad demo` copies, what `generate` asks for, and the pictures that `samples` draws."""

from __future__ import annotations

import argparse
import zlib
from pathlib import Path

import pytest
from cli.jobs_to_show import make_picture

from lorad.shared import shipped
from lorad.shared.errors import NameTaken, TrainingNotInstalled
from lorad.shared.recipe import Sample, load_recipe
from lorad.tui.commands import _pictures, _tools, generate
from lorad.tui.commands.demo import copy_demo


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    source = tmp_path / "shipped"
    (source / "pictures").mkdir(parents=True)
    (source / "demo.toml").write_text('name = "demo"\n[data]\npath = "pictures"\n')
    monkeypatch.setattr(shipped, "DEMO", source)
    return source


def test_the_demo_is_copied_once_and_then_used_as_it_is(demo: Path, tmp_path: Path) -> None:
    recipe = copy_demo(tmp_path / "here")
    assert load_recipe(recipe)[0].name == "demo"
    assert (recipe.parent / "pictures").is_dir()
    recipe.write_text("mine")
    assert copy_demo(tmp_path / "here").read_text() == "mine"


def test_the_demo_does_not_mix_with_other_pictures(demo: Path, tmp_path: Path) -> None:
    (tmp_path / "here" / "pictures").mkdir(parents=True)
    with pytest.raises(NameTaken, match="pictures is there already"):
        copy_demo(tmp_path / "here")
    assert not (tmp_path / "here" / "demo.toml").exists()


def test_the_shipped_recipe_is_valid() -> None:
    assert load_recipe(shipped.DEMO / "demo.toml")[0].name == "demo"


def test_a_thin_client_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tools.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TrainingNotInstalled, match="torch is missing"):
        _tools.run_tool("check", "x.toml")


def test_only_the_newest_step_is_drawn() -> None:
    pictures = [make_picture(step=step, index=at) for step in (0, 100) for at in (0, 1)]
    assert [(one.step, one.index) for one in _pictures.newest(pictures)] == [(100, 0), (100, 1)]


def test_pictures_stand_side_by_side(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    thumb = zlib.compress(bytes([200, 0, 0]) * 16 * 16)
    square = make_picture(thumb=thumb, thumb_width=16, thumb_height=16, prompt="a\x1b[31m")
    damaged = make_picture(thumb=b"no", prompt="broken")
    _pictures.draw([square, damaged, square])
    lines = capsys.readouterr().out.splitlines()
    blocks = [line for line in lines if "▀" in line]
    assert blocks[0].count("▀") == 16
    prompts = [line.split() for line in lines if "a␛" in line]
    assert prompts == [["a␛[31m", "broken"], ["a␛[31m"]]
    assert max(map(len, lines)) <= 70


def options(*words: str) -> list[str]:
    parser = argparse.ArgumentParser()
    generate.add_arguments(parser)
    sample = Sample(seed=5, num_inference_steps=9, guidance_scale=3.0)
    return generate._options(parser.parse_args(["3", *words]), "mono-3", sample, {})


def test_generate_draws_as_the_recipe_samples() -> None:
    assert options("a cat!") == [
        "--prompt=a cat!",
        "--seed=5",
        "--steps=9",
        "--guidance=3.0",
        "--scale=1.0",
        "--out=mono-3-a-cat-5.png",
        "--keep",
    ]


def test_generate_draws_as_it_is_told() -> None:
    told = ["--seed", "0", "--steps", "2", "--guidance", "0", "--scale", "-1", "--out", "x.png"]
    assert options("../cat", *told) == [
        "--prompt=../cat",
        "--seed=0",
        "--steps=2",
        "--guidance=0.0",
        "--scale=-1.0",
        "--out=x.png",
    ]
    assert options("../../etc/cat")[-2] == "--out=mono-3-etc-cat-5.png"
    assert options("猫" * 200)[-2].startswith("--out=mono-3-猫")
    assert len(options("猫" * 200)[-2].encode()) < 255
