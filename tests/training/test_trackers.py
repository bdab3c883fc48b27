"""Figures reach the real programs, and a broken one costs the run nothing."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from lorad.daemon.training.trackers import Trackers, flat
from lorad.shared.recipe import Recipe, parse_recipe


def recipe(*programs: str) -> Recipe:
    names = ", ".join(f'"{name}"' for name in programs)
    return parse_recipe(
        f'name = "a"\n[data]\npath = "p"\n[log]\nreport_to = [{names}]\nevery_n_steps = 2'
    )


def told(folder: Path, *programs: str) -> None:
    trackers = Trackers(recipe(*programs), folder, programs)
    for step in range(1, 6):
        trackers.tell(step, {"loss": 1 / step})
    trackers.close()


def test_tensorboard_gets_every_second_step(tmp_path: Path) -> None:
    told(tmp_path, "tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (folder,) = {path.parent for path in (tmp_path / "logs" / "lorad").glob("events.*")}
    events = EventAccumulator(str(folder))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(2, 0.5), (4, 0.25)]


def test_wandb_writes_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("HOME", str(tmp_path))
    told(tmp_path, "wandb")
    (written,) = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    assert b"loss" in written.read_bytes()


def test_trackio_writes_its_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.setenv("HOME", str(tmp_path))
    told(tmp_path, "trackio")
    assert (tmp_path / "trackio" / "lorad.db").stat().st_size > 0


def test_a_program_that_is_missing_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with caplog.at_level(logging.WARNING):
        told(tmp_path, "wandb")
    assert len(caplog.records) == 1
    assert "wandb is told nothing" in caplog.text


def test_nothing_is_asked_for_and_nothing_starts(tmp_path: Path) -> None:
    told(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_laid_flat() -> None:
    values = flat({"train": {"seed": 1, "betas": [0.9]}, "name": "a"})
    assert values == {"train.seed": 1, "train.betas": "[0.9]", "name": "a"}
