"""Steps that do not fit and figures that are no numbers: what a run does about them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support import small_recipe

from lorad.daemon.training import setup, step
from lorad.daemon.training.families.unet import UNetFamily
from lorad.daemon.training.objective import DiffusionObjective
from lorad.daemon.training.plan import Plan
from lorad.shared.errors import Diverged, MemoryShort, OutOfMemory
from lorad.shared.messages import NoteReport, PointReport

from .runs import Line, run, weights

STEPS = 6


def recipe(folder: Path, **train: object) -> Path:
    path = small_recipe(folder, steps=STEPS, checkpointing_steps=2)
    more = "".join(f"{key} = {value}\n" for key, value in train.items())
    path.write_text(
        path.read_text().replace("train_batch_size = 2", f"train_batch_size = 4\n{more}")
    )
    return path


def notes(line: Line, kind: str) -> list[NoteReport]:
    return [r for r in line.reports if isinstance(r, NoteReport) and r.kind == kind]


def card_for(most: int) -> Callable[..., torch.Tensor]:
    """A network that only so many pictures fit into at once."""
    real = UNetFamily.predict

    def predict(self: UNetFamily, noisy: torch.Tensor, *rest: object) -> torch.Tensor:
        if len(noisy) > most and noisy.requires_grad is False and torch.is_grad_enabled():
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, noisy, *rest)

    return predict


def test_a_step_that_does_not_fit_is_taken_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parted, planned = Line(), Line(), Line()
    path = recipe(tmp_path, gradient_checkpointing="false")
    run(path, tmp_path / "whole", whole)
    with monkeypatch.context() as patch:
        patch.setattr(UNetFamily, "predict", card_for(1))
        run(path, tmp_path / "parted", parted)
    assert [note.text for note in notes(parted, "plan")] == [
        "Out of memory at step 1: from here on each batch in 2 parts.",
        "Out of memory at step 1: from here on each batch in 4 parts.",
    ]
    # The same update, summed in another order.
    assert list(parted.losses.values()) == pytest.approx(list(whole.losses.values()), rel=1e-5)
    with monkeypatch.context() as patch:
        patch.setattr(setup, "Plan", lambda **_: Plan(split=4))
        run(path, tmp_path / "planned", planned)
    assert planned.losses == parted.losses
    one, other = weights(tmp_path / "parted"), weights(tmp_path / "planned")
    assert all(one[name].equal(other[name]) for name in one)


def test_the_plan_is_replayed_by_a_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = recipe(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(UNetFamily, "predict", card_for(2))
        first = Line(stop_after=2)
        run(path, tmp_path / "out", first)
    assert [note.text for note in notes(first, "plan")] == [
        "Out of memory at step 1: from here on each batch whole, with gradient checkpointing.",
        "Out of memory at step 1: from here on each batch in 2 parts, with gradient checkpointing.",
    ]
    state = json.loads((tmp_path / "out" / "checkpoint-2" / "state.json").read_text())
    assert state["plan"] == {"split": 2, "gradient_checkpointing": True}
    second = Line()
    with monkeypatch.context() as patch:
        patch.setattr(UNetFamily, "predict", card_for(2))
        run(path, tmp_path / "out", second)
    assert notes(second, "plan") == []


def test_a_card_that_takes_no_picture_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UNetFamily, "predict", card_for(0))
    with pytest.raises(OutOfMemory, match="one picture at a time"):
        run(recipe(tmp_path), tmp_path / "out", Line())


def card_that_fills(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """A card on which others take everything once so many steps were taken."""
    real = step.own_gradients

    def own_gradients(run: setup.Run) -> torch.Tensor:
        if run.step >= after:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(run)

    monkeypatch.setattr(step, "own_gradients", own_gradients)


def test_a_card_that_fills_later_pauses_the_run_and_loses_no_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = recipe(tmp_path), tmp_path / "out"
    line = Line()
    with monkeypatch.context() as patch:
        card_that_fills(patch, 3)
        with pytest.raises(MemoryShort, match=r"at step 4.*lorad resume") as caught:
            run(path, out, line)
    assert caught.value.pauses
    assert list(line.losses) == [1, 2, 3]
    with monkeypatch.context() as patch:  # nor when it is resumed too early
        patch.setattr(setup, "load_family", full)
        with pytest.raises(MemoryShort, match="while it was loading"):
            run(path, out, Line())
    last = Line()
    assert run(path, out, last) == "done"
    assert list(last.losses) == [4, 5, 6]


def full(*_: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory")


def test_a_card_that_is_full_before_the_first_step_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "load_family", full)
    with pytest.raises(OutOfMemory, match="while it was loading") as caught:
        run(recipe(tmp_path), tmp_path / "out", Line())
    assert not caught.value.pauses


def test_only_parts_of_a_batch_make_an_exact_run_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recipe(tmp_path)
    line = Line()
    with monkeypatch.context() as patch:
        patch.setattr(UNetFamily, "predict", card_for(2))
        run(path, tmp_path / "out", line)
    (note,) = notes(line, "inexact")  # of two plans, one has parts
    assert "in parts is summed in another order" in note.text
    path.write_text(path.read_text().replace("[train]", "[train]\nexact = false"))
    line = Line()
    monkeypatch.setattr(UNetFamily, "predict", card_for(2))
    run(path, tmp_path / "other", line)
    assert all("in parts" not in note.text for note in notes(line, "inexact"))


def bad_at(monkeypatch: pytest.MonkeyPatch, *steps: int, lasting: bool = False) -> None:
    """Losses that are no numbers, the first time that these steps are taken, or always."""
    real, seen = step.take_step, set[int]()
    losses = DiffusionObjective.losses
    now = 0

    def take_step(run: setup.Run, rate: float) -> torch.Tensor:
        nonlocal now
        now = run.step + 1
        figures = real(run, rate)
        seen.add(now)
        return figures

    def spoiled(self: DiffusionObjective, *rest: object) -> torch.Tensor:
        found = losses(self, *rest)
        return found * math.nan if now in steps and (lasting or now not in seen) else found

    monkeypatch.setattr("lorad.daemon.training.loop.take_step", take_step)
    monkeypatch.setattr(DiffusionObjective, "losses", spoiled)


def test_one_bad_step_changes_nothing_and_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad_at(monkeypatch, 3)
    line = Line()
    path = recipe(tmp_path)
    assert run(path, tmp_path / "out", line) == "done"
    assert math.isnan(line.losses[3])
    assert all(math.isfinite(loss) for at, loss in line.losses.items() if at != 3)
    about = json.loads((tmp_path / "out" / "incidents" / "step-000003.json").read_text())
    assert len(about["pictures"]) == 4
    assert (
        notes(line, "nonfinite")[0].text
        == "The loss at step 3 is no number; the step was skipped (incidents/step-000003.json)."
    )
    before = Line(stop_after=2)
    run(path, tmp_path / "before", before)
    after = Line(stop_after=3)
    monkeypatch.undo()
    bad_at(monkeypatch, 3, lasting=True)
    run(path, tmp_path / "before", after)
    held = [weights(tmp_path / "before")]
    assert all(torch.isfinite(tensor).all() for tensor in held[0].values())


def test_several_bad_steps_go_back_to_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recipe(tmp_path)
    run(path, tmp_path / "whole", Line())
    bad_at(monkeypatch, 3, 4, 5)
    line = Line()
    assert run(path, tmp_path / "out", line) == "done"
    (note,) = notes(line, "rollback")
    assert note.text == "Went back from step 5 to the checkpoint of step 4."
    steps = [r.point.step for r in line.reports if isinstance(r, PointReport)]
    assert steps == [1, 2, 3, 4, 5, 5, 6]


def test_a_run_that_diverged_stops_with_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad_at(monkeypatch, *range(3, 10), lasting=True)
    path = recipe(tmp_path)
    path.write_text(path.read_text().replace(f"max_train_steps = {STEPS}", "max_train_steps = 9"))
    with pytest.raises(Diverged, match=r"lorad set ID learning_rate") as caught:
        run(path, tmp_path / "out", Line())
    assert caught.value.pauses
    for path in (tmp_path / "out").glob("checkpoint-*/adapter.safetensors"):
        assert path.stat().st_size > 0
    assert all(torch.isfinite(tensor).all() for tensor in weights(tmp_path / "out").values())
