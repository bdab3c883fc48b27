"""Losses that are no numbers: skipped, then back to the checkpoint, then paused."""

from __future__ import annotations

import json
import math
from pathlib import Path

from lorad.daemon.training.health import Health, write_incident
from lorad.shared.messages import Point


def point(step: int, loss: float, norm: float = 1.0) -> Point:
    return Point(
        step=step, time=0, loss=loss, learning_rate=1e-4, grad_norm=norm, images_per_second=1
    )


def verdicts(health: Health, first: int, losses: list[float]) -> list[str]:
    return [health.judge(point(first + i, loss)) for i, loss in enumerate(losses)]


def test_one_bad_step_is_skipped_and_forgotten() -> None:
    health = Health()
    assert verdicts(health, 1, [1, math.nan, math.inf, 1, math.nan, math.nan, 1]) == [
        "fine", "skipped", "skipped", "fine", "skipped", "skipped", "fine",
    ]  # fmt: skip


def test_a_gradient_that_is_no_number_counts_too() -> None:
    assert Health().judge(point(1, 1.0, math.inf)) == "skipped"


def test_several_go_back_once_and_then_give_up() -> None:
    health = Health()
    bad = [math.nan] * 3
    assert verdicts(health, 8, bad)[-1] == "roll_back"
    assert verdicts(health, 6, [1.0, 1.0, *bad])[-1] == "give_up"


def test_a_run_that_got_further_may_go_back_again() -> None:
    health = Health()
    bad = [math.nan] * 3
    assert verdicts(health, 8, bad)[-1] == "roll_back"
    assert verdicts(health, 6, [1.0] * 7)[-1] == "fine"  # to step 12
    assert verdicts(health, 13, bad)[-1] == "roll_back"


def test_an_incident_names_its_pictures(tmp_path: Path) -> None:
    path = write_incident(tmp_path, point(7, math.nan), ["a.png", "b\udcff.png"], 3)
    about = json.loads(path.read_text())
    assert about["step"] == 7
    assert about["loss"] == "nan"
    assert about["pictures"] == ["a.png", "b\\udcff.png"]
    assert about["seed"] == 3
