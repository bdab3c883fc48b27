"""A run that is told things while it trains, looks at pictures held out, and stops by itself."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
import torch
from support import small_recipe

from lorad.daemon.training.checkpoint import State
from lorad.daemon.training.data import later
from lorad.daemon.training.validation import Validator
from lorad.shared.messages import (
    AnyReport,
    ChangeRecipe,
    NoteReport,
    Order,
    PhaseReport,
    PointReport,
    ReadyReport,
    SampleNow,
    SampleReport,
    SavedReport,
    SaveNow,
    ValidationReport,
    Wanted,
)
from lorad.shared.recipe import load_recipe
from lorad.shared.recipe.changes import apply_changes

from .runs import Line, run, run_task, task_of, weights


def told_at(step: int, recipe: Path, **changes: str) -> Line:
    """A line that hears of changes after a step."""
    line = Line()
    changed = apply_changes(load_recipe(recipe)[0], changes)

    def hear(report: AnyReport) -> None:
        if isinstance(report, PointReport) and report.point.step == step:
            line.given.append(ChangeRecipe(recipe=changed, revision=1))

    line._hook = hear
    return line


def notes(line: Line, kind: str) -> list[str]:
    return [r.text for r in line.reports if isinstance(r, NoteReport) and r.kind == kind]


def test_another_rate_from_the_next_step_on(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path, steps=6)
    line = told_at(3, recipe, learning_rate="5e-4")
    run(recipe, tmp_path / "out", line)
    assert notes(line, "changed") == ["train.learning_rate was 0.001 and is 0.0005"]
    rates = [r.point.learning_rate for r in line.reports if isinstance(r, PointReport)]
    plain = Line()
    run(recipe, tmp_path / "plain", plain)
    before = [r.point.learning_rate for r in plain.reports if isinstance(r, PointReport)]
    assert rates[:3] == before[:3]
    assert rates[3:] == pytest.approx([rate / 2 for rate in before[3:]])
    state = json.loads((tmp_path / "out" / "checkpoint-6" / "state.json").read_text())
    assert state["changes"] == ["step 3: train.learning_rate was 0.001 and is 0.0005"]


def test_the_pictures_may_go_once_they_are_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small_recipe(tmp_path, steps=5)
    plain = Line()
    run(recipe, tmp_path / "plain", plain)
    shutil.rmtree(tmp_path / "cache")

    # The clock stands still, so that the time of the first step is enough for all that is left.
    monkeypatch.setattr(later, "time", SimpleNamespace(monotonic=lambda: 0.0))

    def hear(report: AnyReport) -> None:
        if isinstance(report, PointReport) and report.point.step == 2:
            (tmp_path / "pictures").rename(tmp_path / "elsewhere")

    line = Line(hook=hear)
    assert run(recipe, tmp_path / "out", line) == "done"
    assert line.losses == plain.losses


@pytest.mark.parametrize(("steps", "taken"), [(4, 4), (2, 3), (8, 8)])
def test_another_length(tmp_path: Path, steps: int, taken: int) -> None:
    recipe = small_recipe(tmp_path, steps=6)
    line = told_at(3, recipe, max_train_steps=str(steps))
    assert run(recipe, tmp_path / "out", line) == "done"
    assert list(line.losses) == list(range(1, taken + 1))
    lengths = [r.last_step for r in line.reports if isinstance(r, ReadyReport)]
    assert lengths == [6, steps]


def test_a_change_at_the_last_step_is_heard(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path, steps=4)
    line = told_at(4, recipe, max_train_steps="6")
    run(recipe, tmp_path / "out", line)
    assert list(line.losses) == [1, 2, 3, 4, 5, 6]


def test_pictures_now_are_drawn_once(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path, steps=4, prompts='["cat face"]')
    line = Line()

    def hear(report: AnyReport) -> None:
        if isinstance(report, PointReport) and report.point.step == 2:
            line.given += [SampleNow(number=1), SampleNow(number=2)]

    line._hook = hear
    run(recipe, tmp_path / "out", line)
    drawn = [r.picture.step for r in line.reports if isinstance(r, SampleReport)]
    assert drawn == [0, 2, 4]


def validated(folder: Path, **validate: object) -> Path:
    path = small_recipe(folder, steps=8, checkpointing_steps=100)
    more = "".join(f"{key} = {value}\n" for key, value in validate.items())
    path.write_text(path.read_text() + f"[validate]\nsplit = 0.34\n{more}")
    return path


def looks(line: Line) -> list[tuple[int, bool]]:
    return [(r.step, r.best) for r in line.reports if isinstance(r, ValidationReport)]


def falling_until(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    monkeypatch.setattr(
        Validator, "look", lambda self, now: 1.0 - 0.1 * now if now <= step else 2.0
    )


def test_the_best_checkpoint_is_kept_beside_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    falling_until(monkeypatch, 4)
    line = Line()
    run(validated(tmp_path, every_n_steps=2), tmp_path / "out", line)
    assert looks(line) == [(0, True), (2, True), (4, True), (6, False), (8, False)]
    kept = {path.name for path in (tmp_path / "out").glob("checkpoint-*")}
    assert {"checkpoint-4", "checkpoint-8"} <= kept
    best = tmp_path / "out" / "best" / "small.safetensors"
    assert best.read_bytes() == (tmp_path / "out/checkpoint-4/small.safetensors").read_bytes()


def test_what_was_saved_for_its_validation_is_not_saved_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    falling_until(monkeypatch, 8)
    line, path = Line(), validated(tmp_path, every_n_steps=2, max_pictures=1)
    path.write_text(
        path.read_text().replace("checkpointing_steps = 100", "checkpointing_steps = 4")
    )
    caplog.set_level(logging.INFO)
    assert run(path, tmp_path / "out", line) == "done"
    assert [r.step for r in line.reports if isinstance(r, SavedReport)] == [2, 4, 6, 8]
    said = "\n".join(caplog.messages)
    assert "6 pictures to train" not in said
    assert said.count("Buckets: ") == 2, "of the report, and of what is trained"
    assert "1 of those held out are looked at" in said


def test_it_stops_when_nothing_gets_better_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    falling_until(monkeypatch, 2)
    line = Line()
    recipe = validated(tmp_path, every_n_steps=1, patience=3)
    assert run(recipe, tmp_path / "out", line) == "done"
    assert list(line.losses) == [1, 2, 3, 4, 5]
    assert notes(line, "stopped_early") == [
        "It stopped early at step 5: the validation loss was lowest at step 2, whose files are in"
        " best/."
    ]


def test_patience_is_kept_over_a_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    falling_until(monkeypatch, 2)
    recipe = validated(tmp_path, every_n_steps=1, patience=3)
    first, second = Line(stop_after=4), Line()
    run(recipe, tmp_path / "out", first)
    run(recipe, tmp_path / "out", second)
    assert list(first.losses | second.losses) == [1, 2, 3, 4, 5]


def test_looking_does_not_disturb(tmp_path: Path) -> None:
    """The same pictures are trained; looking more often changes nothing."""
    often, seldom = Line(), Line()
    run(validated(tmp_path, every_n_steps=1), tmp_path / "often", often)
    run(validated(tmp_path, every_n_steps=100), tmp_path / "seldom", seldom)
    assert often.losses == seldom.losses
    one, other = weights(tmp_path / "often"), weights(tmp_path / "seldom")
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("drawn", [False, True])
def test_a_call_for_pictures_outlives_the_run(tmp_path: Path, drawn: bool) -> None:
    """Whether the run came to draw them before it was paused or not: they are drawn once."""
    recipe = small_recipe(tmp_path, prompts='["cat"]')
    first = Line(stop_after=3)

    def hear(report: AnyReport) -> None:
        if isinstance(report, PointReport) and report.point.step == (2 if drawn else 3):
            first.given.append(SampleNow(number=2))

    first._hook = hear
    task = task_of(recipe, tmp_path / "out")
    run_task(msgspec.structs.replace(task, samples=1), first)
    second = Line()
    run_task(msgspec.structs.replace(task, samples=2), second)
    at = [r.picture.step for r in (*first.reports, *second.reports) if isinstance(r, SampleReport)]
    assert at == [0, 2 if drawn else 3, 6]


def test_a_gradient_scaler_comes_back_as_it_was(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path)
    run(recipe, tmp_path / "out", Line(stop_after=1))
    state = (tmp_path / "out" / "checkpoint-1" / "state.json").read_bytes()
    scaler = torch.amp.GradScaler("cpu")
    scaler.scale(torch.ones(1))
    found = msgspec.json.decode(state, type=State)
    found = msgspec.structs.replace(found, scaler=scaler.state_dict())
    again = msgspec.json.decode(msgspec.json.encode(found), type=State)
    fresh = torch.amp.GradScaler("cpu")
    fresh.load_state_dict(again.scaler)
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    fresh.scale(weight.sum()).backward()
    fresh.step(optimizer)
    fresh.update()
    assert fresh.state_dict()["growth_interval"] == 2000


class Holding(Line):
    """Holds after a step until some orders were given, one a look."""

    def __init__(self, step: int, orders: list[Order]) -> None:
        super().__init__()
        self._step = step
        self._left = orders

    @property
    def wanted(self) -> Wanted:
        return "hold" if self._left and self._step in self.losses else "run"

    def orders(self) -> list[Order]:
        return [self._left.pop(0)] if self.wanted == "hold" else []


def test_a_held_run_looks_saves_and_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path, steps=5, checkpointing_steps=100, prompts='["cat face"]')
    run(recipe, tmp_path / "plain", plain := Line())
    orders: list[Order] = [SampleNow(number=1), SaveNow(number=1)]
    line = Holding(2, orders)
    assert run(recipe, tmp_path / "out", line) == "done"
    assert line.losses == plain.losses
    same = weights(tmp_path / "plain")
    assert all(torch.equal(same[name], one) for name, one in weights(tmp_path / "out").items())
    drawn = [r.picture.step for r in line.reports if isinstance(r, SampleReport)]
    assert drawn == [0, 2, 5]
    assert (tmp_path / "out" / "checkpoint-2" / "MANIFEST.json").exists()
    phases = [r.phase for r in line.reports if isinstance(r, PhaseReport)]
    assert phases[phases.index("held") :].count("held") == 2, "again after it drew"
