"""Each part that a checkpoint holds is needed: without one of them, a resume is another run.

This is the test of the tests that a stopped run equals one that was never stopped.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from support import small_recipe

from lorad.daemon.tools.outcome import Outcome, differences, outcome
from lorad.daemon.training import checkpoint, setup
from lorad.daemon.training.checkpoint import Checkpoints, State, Tensors
from lorad.daemon.training.plan import Plan
from lorad.daemon.training.validation import Best, Validator
from lorad.shared.errors import LoradError
from lorad.shared.messages import (
    Assignment,
    ChangeRecipe,
    NoteReport,
    PointReport,
    SampleNow,
    SampleReport,
    Validation,
    ValidationReport,
)
from lorad.shared.recipe import Recipe

from .runs import Line, run_task, task_of

STEPS, CUT = 6, 3


@dataclass(frozen=True)
class Kept:
    """A run that was never stopped, and one that was stopped half-way."""

    task: Assignment
    folder: Path
    wanted: Outcome
    notes: list[str]
    first: Line

    def resumed(self, folder: Path) -> list[str]:
        """What differs when it goes on in a folder."""
        line = Line()
        try:
            run_task(msgspec.structs.replace(self.task, folder=str(folder)), line)
        except LoradError as error:
            return [f"it cannot go on: {error}"]
        found, notes = left(folder, self.first, line)
        told = differences(self.wanted, found)
        return told if notes == self.notes else [*told, f"notes: {self.notes} and {notes}"]


def left(folder: Path, *lines: Line) -> tuple[Outcome, list[str]]:
    """What runs left and told, the later one's word being the last."""
    reports = [report for line in lines for report in line.reports]
    points = {r.point.step: r.point for r in reports if isinstance(r, PointReport)}
    looks = {
        r.step: Validation(step=r.step, loss=r.loss, best=r.best)
        for r in reports
        if isinstance(r, ValidationReport)
    }
    pictures = [r.picture for r in reports if isinstance(r, SampleReport)]
    found = outcome(folder, points.values(), looks.values(), pictures)
    notes = [r.text for r in reports if isinstance(r, NoteReport)]
    return found, sorted(notes)


def steered(stop_after: int | None = None) -> Line:
    """A run whose rate is changed and whose pictures are asked for before its first step."""
    line = Line(stop_after=stop_after)
    line.given = [SampleNow(number=1)]
    return line


def kept_of(folder: Path, recipe_lines: str) -> Kept:
    recipe = small_recipe(folder, steps=STEPS, checkpointing_steps=2, prompts='["cat face"]')
    text = recipe.read_text().replace("[data]", f"{recipe_lines}\n[data]", 1)
    average = "" if recipe_lines else "ema_decay = 0.9\n"
    text = text.replace("[train]", f"[train]\n{average}gradient_accumulation_steps = 2")
    recipe.write_text(text + "[validate]\nsplit = 0.2\nevery_n_steps = 2\n")
    task = task_of(recipe, folder / "whole")
    slower = changed_rate(task.recipe)
    whole, first = steered(), steered(CUT)
    for line in (whole, first):
        line.given.append(ChangeRecipe(recipe=slower, revision=1))
    run_task(task, whole)
    run_task(msgspec.structs.replace(task, folder=str(folder / "cut")), first)
    later = msgspec.structs.replace(task, recipe=slower, revision=1, samples=1)
    return Kept(later, folder / "cut", *left(folder / "whole", whole), first)


def changed_rate(recipe: Recipe) -> Recipe:
    train = msgspec.structs.replace(recipe.train, learning_rate=5e-4)
    return msgspec.structs.replace(recipe, train=train)


@pytest.fixture(scope="module")
def patched() -> Iterator[pytest.MonkeyPatch]:
    """A gradient scaler that grows, a plan in parts, and a validation whose first look is best."""
    with pytest.MonkeyPatch.context() as patch:
        find = setup.find_place

        def find_place(*given: Any) -> Any:
            place = find(*given)
            place.accelerator.scaler = torch.amp.GradScaler("cpu", growth_interval=2)
            return place

        patch.setattr(setup, "find_place", find_place)
        patch.setattr(setup, "Plan", lambda **_: Plan(split=2))
        patch.setattr(Validator, "look", lambda self, step: float(step))
        yield patch


@pytest.fixture(scope="module")
def kept(patched: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return kept_of(tmp_path_factory.mktemp("kept"), "")


@pytest.fixture(scope="module")
def schedule_free(patched: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    lines = '[optimizer]\ntype = "schedulefree"\n[schedule]\nlr_scheduler = "constant"'
    return kept_of(tmp_path_factory.mktemp("free"), lines)


def test_a_whole_checkpoint_goes_on_bit_for_bit(kept: Kept, tmp_path: Path) -> None:
    shutil.copytree(kept.folder, tmp_path / "out")
    assert kept.resumed(tmp_path / "out") == []


def zeroed(prefix: str) -> Callable[[Tensors], None]:
    def spoil(tensors: Tensors) -> None:
        part, _, name = prefix.partition("/")
        for key, tensor in getattr(tensors, part).items():
            if key.startswith(name):
                tensor.zero_()

    return spoil


TENSORS = ["adapter", "optimizer/exp_avg/", "optimizer/exp_avg_sq/", "optimizer/step/", "ema"]
STATES: dict[str, object] = {
    "step": CUT - 1,
    "plan": Plan(),
    "scaler": None,
    "best": Best(),
    "changes": [],
    "samples": 0,
    "threads": 2,
    "torch": "",
    "device": "",
    "processes": 0,
}
QUICK = ("adapter", "optimizer/step/", "ema", "scaler", "best", "plan")
"""The others belong to `make proof`."""


def marked(names: list[str]) -> list[Any]:
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.proof) for name in names]


def spoiled(
    monkeypatch: pytest.MonkeyPatch, spoil: Callable[[State, Tensors], State | None]
) -> None:
    """Checkpoints that lack something when they are read."""
    load: Callable[[Checkpoints], tuple[State, Tensors] | None] = checkpoint.Checkpoints.load

    def without(self: Checkpoints) -> tuple[State, Tensors] | None:
        found = load(self)
        return found and (spoil(*found) or found[0], found[1])

    monkeypatch.setattr(checkpoint.Checkpoints, "load", without)


@pytest.mark.parametrize("part", marked(TENSORS))
def test_without_its_tensors_it_is_another_run(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    shutil.copytree(kept.folder, tmp_path / "out")
    spoil = zeroed(part)
    spoiled(monkeypatch, lambda state, tensors: spoil(tensors))
    assert kept.resumed(tmp_path / "out")


@pytest.mark.parametrize("part", marked([*STATES]))
def test_without_its_state_it_is_another_run(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    shutil.copytree(kept.folder, tmp_path / "out")
    gone = {part: STATES[part]}
    spoiled(monkeypatch, lambda state, tensors: msgspec.structs.replace(state, **gone))
    before = torch.get_num_threads()
    try:
        assert kept.resumed(tmp_path / "out")
    finally:
        torch.set_num_threads(before)


@pytest.mark.proof
@pytest.mark.parametrize("dropped", [False, True])
def test_only_its_recipe_keeps_another_seed_from_going_on(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dropped: bool
) -> None:
    shutil.copytree(kept.folder, tmp_path / "out")
    train = msgspec.structs.replace(kept.task.recipe.train, seed=8)
    recipe = msgspec.structs.replace(kept.task.recipe, train=train)
    other = replace(kept, task=msgspec.structs.replace(kept.task, recipe=recipe))
    if dropped:
        spoiled(monkeypatch, lambda state, _: msgspec.structs.replace(state, recipe={}))
    told = other.resumed(tmp_path / "out")
    assert told
    assert ("train.seed was 7 and is 8" in told[0]) != dropped


@pytest.mark.proof
@pytest.mark.parametrize("part", ["groups", "nothing"])
def test_without_what_an_optimizer_counts_itself_it_is_another_run(
    schedule_free: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    shutil.copytree(schedule_free.folder, tmp_path / "out")

    def forget(state: State, tensors: Tensors) -> State:
        mode = "train_mode"  # without it, it refuses to step at all
        empty = [{mode: group[mode]} for group in state.optimizer["groups"]]
        rest = state.optimizer | ({"groups": empty} if part == "groups" else {})
        return msgspec.structs.replace(state, optimizer=rest)

    spoiled(monkeypatch, forget)
    assert bool(schedule_free.resumed(tmp_path / "out")) == (part == "groups")


@pytest.mark.proof
def test_without_its_last_look_it_looks_again(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the last step; a run that died there has looked already."""
    shutil.copytree(kept.folder.parent / "whole", tmp_path / "out")
    spoiled(monkeypatch, lambda state, _: msgspec.structs.replace(state, looked=None))
    line = Line()
    run_task(msgspec.structs.replace(kept.task, folder=str(tmp_path / "out")), line)
    assert [r for r in line.reports if isinstance(r, ValidationReport)]
