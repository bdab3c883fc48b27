"""A run's speed is kept, and found by what it depends on."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import small_recipe

from lorad.daemon.training.fit import ports_of
from lorad.daemon.training.speed import Pace, find_speed, machine_name, place_of
from lorad.shared.recipe import Recipe, load_recipe, parse_recipe

from .runs import Line, run
from .tiny import tiny_model


def recipe(base: Path, more: str = "") -> Recipe:
    return parse_recipe(f'name = "a"\n[data]\npath = "p"\n[model]\nbase = "{base}"\n{more}')


def test_the_next_of_its_kind_knows_how_long_it_takes(tmp_path: Path) -> None:
    path = small_recipe(tmp_path, steps=12, checkpointing_steps=100)
    first = load_recipe(path)[0]
    assert ports_of(first, tmp_path, tmp_path / "cache").speed is None
    line = Line()
    run(path, tmp_path / "out", line)
    path.write_text(path.read_text().replace("1e-3", "1e-4").replace("small", "other"))
    found = ports_of(load_recipe(path)[0], tmp_path, tmp_path / "cache").speed
    assert found is not None
    assert found.name == "small"
    assert found.images_per_second > 0
    path.write_text(path.read_text().replace("train_batch_size = 2", "train_batch_size = 4"))
    assert ports_of(load_recipe(path)[0], tmp_path, tmp_path / "cache").speed is None


def test_what_a_speed_depends_on(tmp_path: Path) -> None:
    base = tiny_model("sd1", tmp_path)
    place = place_of(tmp_path, recipe(base), base, "a card")
    config = base / "unet" / "config.json"
    config.write_text(config.read_text().replace("{", '{"_name_or_path": "x",', 1))
    same = recipe(base, "[train]\nlearning_rate = 1e-5\nmax_train_steps = 3")
    assert place_of(tmp_path, same, base, "a card") == place
    assert place_of(tmp_path, recipe(base), base, "another") != place
    other = tiny_model("sdxl", tmp_path)
    assert place_of(tmp_path, recipe(base), other, "a card") != place
    for more in ("[train]\nresolution = 64", "[lora]\nuse_dora = true"):
        assert place_of(tmp_path, recipe(base, more), base, "a card") != place


def test_it_is_the_mean_of_the_steps_that_are_not_the_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "speeds" / "a.json"
    pace = Pace(path, "a", machine_name(2))
    for rate in (1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 4.0):
        pace.note(rate)
    pace.keep()
    assert find_speed(path) is None  # too few to go by
    pace.note(4.0)
    pace.keep()
    found = find_speed(path)
    assert found is not None
    assert found.images_per_second == pytest.approx(2.5)  # five pictures in two seconds
    path.write_text("{")
    assert find_speed(path) is None
    assert "cannot be read" in caplog.text
