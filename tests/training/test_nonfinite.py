"""NaN and infinity in losses, gradients and inputs: never in a file, always named, and ended."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from support import quick, small_recipe

from lorad.daemon.training import step
from lorad.daemon.training.data.dataset import Batch
from lorad.daemon.training.objective import DiffusionObjective
from lorad.daemon.training.run import Run
from lorad.shared.errors import Diverged
from lorad.shared.messages import NoteReport, PointReport

from .runs import Line, run

STEPS = 9
Spoil = Callable[[pytest.MonkeyPatch, float, Callable[[int], bool]], None]


def in_the_loss(patch: pytest.MonkeyPatch, value: float, when: Callable[[int], bool]) -> None:
    real, now = DiffusionObjective.losses, counted(patch)

    def losses(self: DiffusionObjective, *rest: object) -> torch.Tensor:
        found: torch.Tensor = real(self, *rest)  # type: ignore[arg-type]
        return found * value if when(now[0]) else found

    patch.setattr(DiffusionObjective, "losses", losses)


def in_the_gradients(patch: pytest.MonkeyPatch, value: float, when: Callable[[int], bool]) -> None:
    real = step.own_gradients

    def own_gradients(run: Run) -> torch.Tensor:
        loss = real(run)
        if when(run.step + 1):
            first = next(p.grad for p in run.trained if p.grad is not None)
            first.view(-1)[first.numel() // 2] = value
        return loss

    patch.setattr(step, "own_gradients", own_gradients)


def in_the_latents(patch: pytest.MonkeyPatch, value: float, when: Callable[[int], bool]) -> None:
    real, now = step.losses_of, counted(patch)

    def losses_of(batch: Batch, *rest: object) -> torch.Tensor:
        if when(now[0]):
            batch.latents[-1, 0, 0, 0] = value
        found: torch.Tensor = real(batch, *rest)  # type: ignore[arg-type]
        return found

    patch.setattr(step, "losses_of", losses_of)


def in_the_captions(patch: pytest.MonkeyPatch, value: float, when: Callable[[int], bool]) -> None:
    real, now = step.losses_of, counted(patch)

    def losses_of(batch: Batch, *rest: object) -> torch.Tensor:
        if when(now[0]):
            batch.condition["text"][0, 0, 0] = value
        found: torch.Tensor = real(batch, *rest)  # type: ignore[arg-type]
        return found

    patch.setattr(step, "losses_of", losses_of)


def counted(patch: pytest.MonkeyPatch) -> list[int]:
    """The step that is being taken."""
    now, real = [0], step.own_gradients

    def own_gradients(run: Run) -> torch.Tensor:
        now[0] = run.step + 1
        return real(run)

    patch.setattr(step, "own_gradients", own_gradients)
    return now


PLACES: tuple[Spoil, ...] = (in_the_loss, in_the_gradients, in_the_latents, in_the_captions)


def recipe(folder: Path, more: str = "") -> Path:
    path = small_recipe(folder, steps=STEPS, checkpointing_steps=2)
    path.write_text(path.read_text().replace("[train]", f"[train]\nema_decay = 0.9\n{more}"))
    return path


def no_file_holds_one(folder: Path) -> None:
    files = list(folder.rglob("*.safetensors"))
    assert files
    for file in files:
        with safe_open(file, "pt") as tensors:
            for name in list(tensors.keys()):
                assert torch.isfinite(tensors.get_tensor(name)).all(), f"{file}: {name}"


def notes(line: Line, kind: str) -> list[NoteReport]:
    return [r for r in line.reports if isinstance(r, NoteReport) and r.kind == kind]


@pytest.mark.parametrize("value", quick(1, [math.nan, math.inf, -math.inf]))
@pytest.mark.parametrize("spoil", PLACES)
def test_one_step_is_left_out_and_its_pictures_are_named(
    spoil: Spoil, value: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, line = recipe(tmp_path), Line()
    with monkeypatch.context() as patch:
        spoil(patch, value, lambda now: now == 4)
        assert run(path, tmp_path / "out", line) == "done"
    (note,) = notes(line, "nonfinite")
    assert "at step 4 is no number; the step was skipped" in note.text
    (incident,) = (tmp_path / "out" / "incidents").iterdir()
    about = json.loads(incident.read_text())
    assert about["step"] == 4
    there = {picture.name for picture in (tmp_path / "pictures").iterdir()}
    assert len(about["pictures"]) == 2
    assert set(about["pictures"]) <= there, "by their files"
    assert [at for at, loss in line.losses.items() if not math.isfinite(loss)] in ([], [4])
    no_file_holds_one(tmp_path / "out")


@pytest.mark.parametrize("spoil", quick(1, PLACES))
def test_several_in_a_row_go_back_and_then_pause_with_the_cause(
    spoil: Spoil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, line = recipe(tmp_path), Line()
    with monkeypatch.context() as patch:
        spoil(patch, math.nan, lambda now: now > 3)
        with pytest.raises(Diverged, match=r"incidents/.*names the pictures.*Lower the rate") as it:
            run(path, tmp_path / "out", line)
    assert it.value.pauses
    assert len(notes(line, "rollback")) == 1
    assert len(notes(line, "nonfinite")) >= 4
    no_file_holds_one(tmp_path / "out")
    last = Line()
    assert run(path, tmp_path / "out", last) == "done", "once the cause is gone"
    assert max(last.losses) == STEPS
    no_file_holds_one(tmp_path / "out")


@pytest.mark.parametrize("optimizer", ["lion", "prodigy", "schedulefree"])
def test_other_optimisers_take_none_in_either(
    optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recipe(tmp_path)
    text = path.read_text().replace("ema_decay = 0.9", "ema_decay = 0")
    if optimizer == "prodigy":
        text = text.replace("learning_rate = 1e-3", "learning_rate = 1.0")
    more = f'[optimizer]\ntype = "{optimizer}"\n[schedule]\nlr_scheduler = "constant"\n'
    path.write_text(text + more)
    with monkeypatch.context() as patch:
        in_the_gradients(patch, math.inf, lambda now: now in (2, 5))
        assert run(path, tmp_path / "out", Line()) == "done"
    no_file_holds_one(tmp_path / "out")


def test_a_spoiled_cache_is_a_named_incident(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture whose encoding is no number spoils every step that shows it, and is found so."""
    from lorad.daemon.training.families.loaded import Loaded

    path, line = recipe(tmp_path), Line()
    real, first = Loaded.encode_pictures, [True]

    def encode_pictures(self: Loaded, pixels: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = real(self, pixels)
        if first[0]:
            first[0] = False
            return found * math.nan
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Loaded, "encode_pictures", encode_pictures)
        with contextlib.suppress(Diverged):
            run(path, tmp_path / "out", line)
    incidents = [
        set(json.loads(file.read_text())["pictures"])
        for file in (tmp_path / "out" / "incidents").iterdir()
    ]
    assert set.intersection(*incidents), "one picture is in all of them"
    steps = [r.point.step for r in line.reports if isinstance(r, PointReport)]
    assert steps
    if list((tmp_path / "out").rglob("*.safetensors")):
        no_file_holds_one(tmp_path / "out")
