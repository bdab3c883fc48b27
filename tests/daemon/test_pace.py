"""The time that is left, as it is told while the speed of the steps swings."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import eventually

from lorad.daemon.pace import FEW, SECONDS, Pace
from lorad.shared.messages import GetStatus

from .scripted import Make, add

SWINGS = """
def speed(step):
    return 2.0 if step // 20 % 2 else 8.0  # a burst of slow steps after each of fast ones

def train(task, line, looking=None):
    line.report(ReadyReport(step=1, last_step=1000))
    for step in range(1, 221):
        if step in (200, 220):
            while not (pathlib.Path(task.folder) / f"go-{step}").exists():
                time.sleep(0.01)
        line.report(PointReport(point=Point(step=step, time=1.0, loss=0.5, learning_rate=1e-3,
                                            grad_norm=1.0, images_per_second=speed(step))))
    while line.wanted == "run":
        time.sleep(0.01)
    return "yielded"
"""


def test_the_time_left_does_not_follow_every_burst(make: Make, tmp_path: Path) -> None:
    daemon = make(SWINGS)
    job = add(daemon, tmp_path, "max_train_steps = 1000")
    mean = 4 * (1 / 2 + 1 / 8) / 2  # seconds a step of four pictures, of all bursts
    found = []
    for step in (199, 219):  # after twenty slow steps, and after twenty fast ones
        told = daemon.wait_step(job.id, step).progress
        assert told.eta_seconds is not None
        found.append(told.eta_seconds / (1000 - step) / mean)
        assert told.eta_seconds == pytest.approx(told.seconds_per_step * (1000 - step))
        (Path(job.folder) / f"go-{step + 1}").touch()
    assert found == [pytest.approx(1, abs=0.15)] * 2
    eventually(lambda: daemon.client().ask(GetStatus()).jobs[0].progress.step == 220)


def test_first_steps_are_forgotten() -> None:
    pace = Pace()
    assert pace.note([5.0]) == 5.0, "better than nothing"
    assert pace.note([0.5] * 40) == 0.5


def test_what_an_earlier_process_took_holds_until_this_one_is_known() -> None:
    pace = Pace(before=0.5)
    assert pace.note([]) == 0.5
    assert pace.note([5.0] * (FEW - 1)) == 0.5
    assert pace.note([5.0]) == 5.0
    assert Pace().note([]) is None


def test_a_change_of_speed_is_known_within_minutes_of_training() -> None:
    pace = Pace()
    pace.note([0.01] * 1_000_000)
    assert pace.note([0.02] * round(SECONDS / 0.02)) == pytest.approx(0.02)
    assert len(pace._ends) < 100_000, "what is never looked at again is not kept"
