"""Out of memory at any point of a run: the same batch, every sample once, the bits of its plan."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support import SOAK, small_recipe

from lorad.daemon.training import step
from lorad.daemon.training.data.dataset import Batch
from lorad.daemon.training.run import Run
from lorad.shared.errors import MemoryShort
from lorad.shared.messages import NoteReport

from .runs import Line, run, weights

STEPS, BATCH, ACCUMULATION = 4, 4, 2
SEED = 20_260
QUICK, PROOF = 2, 50


def recipe(folder: Path) -> Path:
    path = small_recipe(folder, steps=STEPS, checkpointing_steps=2)
    text = path.read_text().replace(
        "train_batch_size = 2",
        f"train_batch_size = {BATCH}\ngradient_accumulation_steps = {ACCUMULATION}\n"
        "gradient_checkpointing = false",
    )
    path.write_text(text)
    return path


class Card:
    """Runs out of memory at chosen parts of a run, before or after their gradients are there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *points: int, after: bool = False) -> None:
        self.points, self.after, self.parts = set(points), after, 0
        self.plans: list[tuple[int, int]] = []
        """A step that was taken, and its split."""
        self.rows: Counter[tuple[int, int, int]] = Counter()
        """By step, micro-batch and row: how often it counts in an update."""
        self._pending: list[tuple[int, int, int]] = []
        real_losses, real_own, real_take = step.losses_of, step.own_gradients, step.take_step
        real_backward: list[bool] = []

        def losses_of(batch: Batch, *rest: object) -> torch.Tensor:
            self.parts += 1
            fails = self.parts in self.points
            if fails and not self.after:
                raise torch.OutOfMemoryError("CUDA out of memory")
            losses: torch.Tensor = real_losses(batch, *rest)  # type: ignore[arg-type]
            if fails:
                losses.register_hook(_full)  # on the way back, with some gradients there already
            real_backward.append(fails)
            return losses

        def own_gradients(run: Run) -> torch.Tensor:
            self._pending = []
            dataset, train = run.dataset, run.recipe.train
            before = dataset.batch

            def batch(at: int, micro: int, rows: slice = slice(None)) -> Batch:
                self._pending += [(at, micro, row) for row in range(BATCH)[rows]]
                return before(at, micro, rows)

            dataset.batch = batch  # type: ignore[method-assign]
            try:
                return real_own(run)
            finally:
                dataset.batch = before  # type: ignore[method-assign]
                assert train.gradient_accumulation_steps == ACCUMULATION

        def take_step(run: Run, rate: float) -> torch.Tensor:
            figures = real_take(run, rate)
            self.rows.update(self._pending)
            self.plans.append((run.step, run.plan.split))
            return figures

        monkeypatch.setattr(step, "losses_of", losses_of)
        monkeypatch.setattr(step, "own_gradients", own_gradients)
        monkeypatch.setattr("lorad.daemon.training.loop.take_step", take_step)


def _full(gradient: torch.Tensor) -> torch.Tensor:
    raise torch.OutOfMemoryError("CUDA out of memory")


def planned(monkeypatch: pytest.MonkeyPatch, plans: list[tuple[int, int]]) -> None:
    """A card with memory, and a run that cuts each step as another one had to."""
    from msgspec.structs import replace

    splits, real = dict(plans), step.take_step

    def take_step(run: Run, rate: float) -> torch.Tensor:
        run.plan = replace(run.plan, split=splits[run.step + 1])
        return real(run, rate)

    monkeypatch.setattr("lorad.daemon.training.loop.take_step", take_step)


def points(count: int) -> list[tuple[int, bool]]:
    """Parts of the run at which it happens, some of them twice in one step."""
    draw = random.Random(SEED)
    print(f"seed {SEED}")
    most = STEPS * ACCUMULATION
    return [(1 + draw.randrange(most), bool(draw.randrange(2))) for _ in range(count)]


def check(folder: Path, monkeypatch: pytest.MonkeyPatch, at: tuple[int, ...], after: bool) -> None:
    path, line = recipe(folder), Line()
    with monkeypatch.context() as patch:
        card = Card(patch, *at, after=after)
        assert run(path, folder / "out", line) == "done"
    every = {(s, m, r) for s in range(STEPS) for m in range(ACCUMULATION) for r in range(BATCH)}
    assert set(card.rows) == every, "no sample is lost"
    assert set(card.rows.values()) == {1}, "none counts twice"
    assert list(line.losses) == list(range(1, STEPS + 1))
    told = [r for r in line.reports if isinstance(r, NoteReport) and r.kind == "plan"]
    assert len(told) == len(at)
    again = Line()
    with monkeypatch.context() as patch:
        planned(patch, card.plans)
        assert run(path, folder / "planned", again, fresh=True) == "done"
    assert again.losses == line.losses
    one, other = weights(folder / "out"), weights(folder / "planned")
    assert one.keys() == other.keys()
    assert all(one[name].equal(other[name]) for name in one), "bit for bit the run of that plan"


@pytest.mark.parametrize(("at", "after"), points(QUICK))
def test_out_of_memory_at_some_points(
    at: int, after: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(tmp_path, monkeypatch, (at,), after)


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_out_of_memory_at_fifty_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, (at, after) in enumerate(points(PROOF * SOAK)):
        check(tmp_path / str(number), monkeypatch, (at,), after)


def test_out_of_memory_again_in_the_same_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(tmp_path, monkeypatch, (2, 4), after=True)


def test_it_never_gives_up_before_one_picture_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine parts and then one that does not fit: first halves, then quarters, and then advice."""
    path, line = recipe(tmp_path), Line()
    whole = STEPS * ACCUMULATION
    with monkeypatch.context() as patch:
        card = Card(patch, *range(7, 7 + 10 * whole))
        with pytest.raises(MemoryShort, match=r"free the card of others, then `lorad resume`"):
            run(path, tmp_path / "out", line)
    assert [split for _, split in card.plans] == [1, 1, 1], "three steps of two parts were taken"
    told = [r.text for r in line.reports if isinstance(r, NoteReport) and r.kind == "plan"]
    assert [text.rsplit(" in ")[-1] for text in told] == ["2 parts.", "4 parts."]
    assert list(line.losses) == [1, 2, 3]
    assert (tmp_path / "out" / "checkpoint-3").is_dir(), "the steps before are kept"
    last = Line()
    assert run(path, tmp_path / "out", last) == "done"
    assert list(last.losses) == [4]


def test_no_file_holds_half_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the failed try had added up does not reach the weights."""
    path = recipe(tmp_path)
    with monkeypatch.context() as patch:
        Card(patch, 2, after=True)
        run(path, tmp_path / "out", Line(stop_after=1))
    with monkeypatch.context() as patch:
        planned(patch, [(1, 2), (2, 2)])
        run(path, tmp_path / "other", Line(stop_after=1))
    files = [tmp_path / name / "checkpoint-1" / "adapter.safetensors" for name in ("out", "other")]
    one, other = (load_file(file) for file in files)
    assert all(one[name].equal(other[name]) for name in one)
