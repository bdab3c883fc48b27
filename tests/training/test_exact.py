"""Stopped and gone on equals never stopped, to the last bit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
import torch
from msgspec.structs import replace
from support import small_recipe

from lorad.daemon.training import checkpoint
from lorad.shared.errors import CannotContinue, CheckpointUnusable, DataChanged, FileMissing
from lorad.shared.jobs import LORA_FILE
from lorad.shared.messages import (
    AnyReport,
    ChangeRecipe,
    NoteReport,
    ReadyReport,
    SampleReport,
    SavedReport,
)
from lorad.shared.recipe import load_recipe

from .runs import Line, run, run_task, task_of, weights

STEPS = 5


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, torch.Tensor], Line]:
    """A recipe with all that is random, and the weights of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    recipe = small_recipe(folder, steps=STEPS, checkpointing_steps=2)
    text = recipe.read_text()
    text = text.replace("[lora]", "random_flip = true\ncaption_dropout = 0.5\n[lora]")
    text = text.replace("[train]", "[train]\ngradient_accumulation_steps = 2")
    text += "\n[objective]\nnoise_offset = 0.1\n"
    recipe.write_text(text)
    line = Line()
    assert run(recipe, folder / "out", line) == "done"
    return recipe, weights(folder / "out"), line


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_same_run_twice(
    whole: tuple[Path, dict[str, torch.Tensor], Line], tmp_path: Path
) -> None:
    recipe, wanted, line = whole
    again = Line()
    run(recipe, tmp_path / "out", again)
    assert equal(weights(tmp_path / "out"), wanted)
    assert again.losses == line.losses


def test_resumed_after_every_step(
    whole: tuple[Path, dict[str, torch.Tensor], Line], tmp_path: Path
) -> None:
    recipe, wanted, line = whole
    out = tmp_path / "out"
    losses: dict[int, float] = {}
    for step in range(1, STEPS):
        part = Line(stop_after=step)
        assert run(recipe, out, part) == "yielded"
        losses |= part.losses
    last = Line()
    assert run(recipe, out, last) == "done"
    assert losses | last.losses == line.losses
    assert equal(weights(out), wanted)


def test_a_crash_goes_on_from_the_last_checkpoint(
    whole: tuple[Path, dict[str, torch.Tensor], Line], tmp_path: Path
) -> None:
    recipe, wanted, _ = whole

    def crash(report: AnyReport) -> None:
        if isinstance(report, SavedReport) and report.step == 2:
            raise KeyboardInterrupt  # nothing handles it, so nothing is saved

    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path / "out", Line(hook=crash))
    second = Line()
    assert run(recipe, tmp_path / "out", second) == "done"
    assert min(second.losses) == 3
    assert equal(weights(tmp_path / "out"), wanted)


@pytest.mark.parametrize("part", ["adapter", "optimizer", "state"])
def test_it_notices_when_a_saved_part_is_missing(
    whole: tuple[Path, dict[str, torch.Tensor], Line],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
) -> None:
    """The test above can fail: each part that a checkpoint holds is needed."""
    recipe, wanted, _ = whole
    run(recipe, tmp_path / "out", Line(stop_after=3))
    load: Callable[..., tuple[checkpoint.State, checkpoint.Tensors]] = checkpoint.Checkpoints.load

    def spoiled(self: checkpoint.Checkpoints) -> tuple[checkpoint.State, checkpoint.Tensors]:
        state, tensors = load(self)
        if part == "adapter":
            for tensor in tensors.adapter.values():
                tensor.zero_()
        elif part == "optimizer":
            for tensor in tensors.optimizer.values():
                tensor.zero_()
        else:
            state = checkpoint.State(
                **{name: getattr(state, name) for name in state.__struct_fields__} | {"step": 2}
            )
        return state, tensors

    monkeypatch.setattr(checkpoint.Checkpoints, "load", spoiled)
    run(recipe, tmp_path / "out", Line())
    assert not equal(weights(tmp_path / "out"), wanted)


def test_samples_do_not_disturb(
    whole: tuple[Path, dict[str, torch.Tensor], Line], tmp_path: Path
) -> None:
    recipe, wanted, _ = whole
    drawing = recipe.with_name("drawing.toml")
    text = recipe.read_text().replace("prompts = []", 'prompts = ["cat face", "rocket"]')
    drawing.write_text(text.replace("every_n_steps = 0", "every_n_steps = 2"))
    line = Line()
    run(drawing, tmp_path / "out", line)
    drawn = [(r.picture.step, r.picture.index) for r in line.reports if isinstance(r, SampleReport)]
    assert drawn == [(step, index) for step in (0, 2, 4, 5) for index in (0, 1)]
    assert equal(weights(tmp_path / "out"), wanted)
    assert (tmp_path / "out" / "before_after.png").exists()


def test_another_seed_is_another_run(
    whole: tuple[Path, dict[str, torch.Tensor], Line], tmp_path: Path
) -> None:
    recipe, wanted, _ = whole
    other = recipe.with_name("other.toml")
    other.write_text(recipe.read_text().replace("seed = 7", "seed = 8"))
    run(other, tmp_path / "out", Line())
    assert not equal(weights(tmp_path / "out"), wanted)


def test_a_cache_that_was_deleted_changes_nothing(
    whole: tuple[Path, dict[str, torch.Tensor], Line], tmp_path: Path
) -> None:
    recipe, wanted, _ = whole
    run(recipe, tmp_path / "out", Line(stop_after=1))
    entries = list((recipe.parent / "cache").rglob("*.safetensors"))
    assert len(entries) >= 2  # a shard of pictures and one of captions
    for entry in entries[::2]:
        entry.unlink()
    run(recipe, tmp_path / "out", Line())
    assert equal(weights(tmp_path / "out"), wanted)


def test_saving_twice_at_one_step_keeps_the_checkpoint(
    whole: tuple[Path, dict[str, torch.Tensor], Line], tmp_path: Path
) -> None:
    recipe, _, _ = whole
    out = tmp_path / "out"
    run(recipe, out, Line(stop_after=1))
    first = (out / "checkpoint-1").stat().st_ino
    assert run(recipe, out, Unwelcome()) == "yielded"
    assert (out / "checkpoint-1").stat().st_ino == first


class Unwelcome(Line):
    """Wanted while it loads, and no longer when it could take a step."""

    @property
    def wanted(self) -> Literal["run", "pause", "cancel"]:
        return "pause" if any(isinstance(r, ReadyReport) for r in self.reports) else "run"


def test_going_on_with_another_recipe_is_refused(
    whole: tuple[Path, dict[str, torch.Tensor], Line], tmp_path: Path
) -> None:
    recipe, _, _ = whole
    run(recipe, tmp_path / "out", Line(stop_after=1))
    other = recipe.with_name("changed.toml")
    other.write_text(recipe.read_text().replace("rank = 4", "rank = 8"))
    with pytest.raises(CannotContinue, match=r"lora\.rank was 4 and is 8"):
        run(other, tmp_path / "out", Line())
    assert run(other, tmp_path / "out", Line(stop_after=1), fresh=True) == "yielded"


@pytest.mark.parametrize("life", [5.0, 6.0])
def test_what_a_run_saved_while_no_news_of_it_arrived_is_kept(tmp_path: Path, life: float) -> None:
    task = replace(task_of(small_recipe(tmp_path), tmp_path / "out", fresh=True), life=5.0)
    first, again = Line(stop_after=2), Line(stop_after=1)
    run_task(task, first)
    run_task(replace(task, life=life), again)
    assert set(first.losses) == {1, 2}
    assert set(again.losses) == ({3} if life == task.life else {1})


def test_going_on_with_a_changed_picture_is_refused_by_name(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path)
    run(recipe, tmp_path / "out", Line(stop_after=1))
    pictures = sorted((tmp_path / "pictures").glob("*.png"))
    pictures[0].write_bytes(pictures[1].read_bytes())
    with pytest.raises(DataChanged, match=pictures[0].name):
        run(recipe, tmp_path / "out", Line())


def test_a_damaged_checkpoint_is_passed_over_and_all_damaged_is_a_sentence(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path, steps=4, checkpointing_steps=1)
    out = tmp_path / "out"
    run(recipe, out, Line(stop_after=3))
    newest, before = out / "checkpoint-3", out / "checkpoint-2"
    assert sorted(path.name for path in out.glob("checkpoint-*")) == [before.name, newest.name]
    data = bytearray((newest / "adapter.safetensors").read_bytes())
    data[-1] ^= 1
    (newest / "adapter.safetensors").write_bytes(data)
    line = Line(stop_after=3)
    run(recipe, out, line)
    assert min(line.losses) == 3  # from checkpoint 2
    for path in out.glob("checkpoint-*"):
        (path / "state.json").write_text(json.dumps({}))
    with pytest.raises(CheckpointUnusable, match=r"state\.json is not what was written"):
        run(recipe, out, Line())


def rewrite(checkpoint_: Path, state: object) -> None:
    """A checkpoint with another state, whole in itself."""
    path = checkpoint_ / "state.json"
    path.write_text(json.dumps(state))
    manifest = json.loads((checkpoint_ / checkpoint.MANIFEST).read_text())
    manifest["files"]["state.json"] = checkpoint._about(path)
    manifest.pop("sha256")
    manifest["sha256"] = checkpoint._digest(manifest)
    (checkpoint_ / checkpoint.MANIFEST).write_text(json.dumps(manifest))


def test_a_checkpoint_of_another_version_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = small_recipe(tmp_path, steps=4, checkpointing_steps=1)
    out = tmp_path / "out"
    run(recipe, out, Line(stop_after=3))
    newest = out / "checkpoint-3"
    rewrite(newest, json.loads((newest / "state.json").read_text()) | {"best": "the third"})
    line = Line(stop_after=3)
    run(recipe, out, line)
    assert min(line.losses) == 3  # from checkpoint 2
    assert "another version of lorad wrote its state.json" in caplog.text
    assert not checkpoint.fault(newest)  # and step 3 was saved again
    for path in out.glob("checkpoint-*"):
        rewrite(path, {})
    with pytest.raises(CheckpointUnusable, match=r"another version of lorad.*lorad restart"):
        run(recipe, out, Line())


def test_a_checkpoint_with_other_names_is_a_sentence(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path)
    run(recipe, tmp_path / "out", Line(stop_after=1))
    newest = tmp_path / "out" / "checkpoint-1"
    state = json.loads((newest / "state.json").read_text())
    rewrite(newest, state | {"optimizer": {}})
    with pytest.raises(CheckpointUnusable, match=r"that of step 1 has other names.*lorad restart"):
        run(recipe, tmp_path / "out", Line())


def test_a_lora_to_begin_with_is_read_once(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path)
    run(recipe, tmp_path / "first", Line())
    given = shutil.copy(tmp_path / "first" / LORA_FILE, tmp_path / "given.safetensors")
    text = recipe.read_text().replace("rank = 4", 'rank = 4\ninit_from = "given.safetensors"')
    recipe.write_text(text)
    run(recipe, tmp_path / "whole", Line())
    run(recipe, tmp_path / "out", Line(stop_after=2))
    Path(given).unlink()
    with pytest.raises(FileMissing):
        run(recipe, tmp_path / "again", Line())
    changed = Line()
    changed.given = [ChangeRecipe(recipe=load_recipe(recipe)[0], revision=1)]
    assert run(recipe, tmp_path / "out", changed) == "done"
    assert not [r for r in changed.reports if isinstance(r, NoteReport)]
    assert equal(weights(tmp_path / "out"), weights(tmp_path / "whole"))
