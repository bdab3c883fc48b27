"""Small parts of the run, each against what it promises."""

from __future__ import annotations

import errno
import math
from pathlib import Path

import pytest
import torch
from support import small_recipe

from lorad.daemon.training import files, keyed, step
from lorad.daemon.training.families.registry import find_model, load_family
from lorad.daemon.training.preview import make_thumb
from lorad.daemon.training.run import Run
from lorad.daemon.training.validation import Validator
from lorad.shared import errors
from lorad.shared.messages import SavedReport
from lorad.shared.recipe import Model

from .runs import Line, run, weights


def test_keyed_draws_are_functions_of_their_key() -> None:
    assert torch.equal(keyed.normal((3,), 1, "noise", 5), keyed.normal((3,), 1, "noise", 5))
    for other in ((2, "noise", 5), (1, "latent", 5), (1, "noise", 6)):
        assert not torch.equal(keyed.normal((3,), 1, "noise", 5), keyed.normal((3,), *other))


def test_chance_is_as_often_as_it_says() -> None:
    hits = sum(keyed.chance(0.25, 1, "caption", place) for place in range(4000))
    assert 900 < hits < 1100
    assert not any(keyed.chance(0.0, 1, "caption", place) for place in range(100))


def test_thumbnails_stay_small() -> None:
    from PIL import Image

    noise = Image.effect_noise((512, 256), 100).convert("RGB")
    width, height, data = make_thumb(noise)
    assert len(data) <= 8192
    assert width == 2 * height >= 48


def test_a_missing_model_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.ModelMissing, match='"emoji"'):
        find_model(Model(base="./nothing"), tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(errors.ModelUnreachable, match="nobody/nothing is neither a folder"):
        find_model(Model(base="nobody/nothing"), tmp_path)


def load(base: str, folder: Path) -> object:
    return load_family(Model(base=base), folder, torch.device("cpu"), torch.float32)


def test_a_folder_that_is_no_such_model_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    with pytest.raises(errors.ModelUnsupported, match=r"no model_index\.json"):
        load("m", tmp_path)
    (tmp_path / "m" / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(errors.ModelUnsupported, match="it is a FluxPipeline"):
        load("m", tmp_path)
    (tmp_path / "m" / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(errors.ModelUnsupported):
        load("m", tmp_path)


def test_a_target_that_matches_nothing_is_named(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path)
    recipe.write_text(recipe.read_text().replace("rank = 4", 'target_modules = ["to_q", "tok"]'))
    with pytest.raises(errors.TargetsMissing, match="names tok, which"):
        run(recipe, tmp_path / "out", Line())


def test_a_full_disk_leaves_the_last_checkpoint_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small_recipe(tmp_path, steps=4, checkpointing_steps=2)
    out = tmp_path / "out"

    def fill(report: object) -> None:
        if isinstance(report, SavedReport):
            monkeypatch.setattr(files.shutil, "disk_usage", lambda _: Full())

    class Full:
        free = 1 << 20

    with pytest.raises(errors.DiskFull, match="lorad resume"):
        run(recipe, out, Line(hook=fill))
    monkeypatch.undo()
    line = Line()
    assert run(recipe, out, line) == "done"
    assert min(line.losses) == 3


@pytest.mark.parametrize("name", ["samples", "best", "out"])
def test_a_disk_too_full_for_a_folder_pauses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    recipe = small_recipe(tmp_path, steps=2, checkpointing_steps=1, prompts='["cat"]')
    recipe.write_text(recipe.read_text() + "[validate]\nsplit = 0.2\nevery_n_steps = 1\n")
    mkdir = Path.mkdir

    def full(self: Path, *rest: object, **more: object) -> None:
        if self.name == name:
            raise OSError(errno.ENOSPC, "No space left on device")
        mkdir(self, *rest, **more)

    monkeypatch.setattr(Path, "mkdir", full)
    monkeypatch.setattr(Validator, "look", lambda self, step: -float(step))  # each is the best
    with pytest.raises(errors.DiskFull, match="lorad resume"):
        run(recipe, tmp_path / "out", Line())


def test_a_nan_is_never_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small_recipe(tmp_path, steps=3, checkpointing_steps=2)
    update = step.update

    def poisoned(run: Run, good: torch.Tensor) -> None:
        update(run, good)
        if run.step == 1:
            with torch.no_grad():
                run.trained[0].view(-1)[0] = torch.inf

    monkeypatch.setattr(step, "update", poisoned)
    with pytest.raises(errors.NotFinite, match="at step 2"):
        run(recipe, tmp_path / "out", Line())
    assert not list((tmp_path / "out").glob("checkpoint-*"))


def test_a_rate_that_breaks_everything_leaves_finite_weights(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path, steps=2, checkpointing_steps=2)
    recipe.write_text(recipe.read_text().replace("1e-3", "1e30"))
    line = Line()
    run(recipe, tmp_path / "out", line)
    assert math.isnan(line.losses[2])
    assert all(torch.isfinite(tensor).all() for tensor in weights(tmp_path / "out").values())
