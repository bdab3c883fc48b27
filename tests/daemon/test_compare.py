"""Two small runs of a real daemon, compared on the command line and in the dashboard."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Daemon, eventually
from textual.pilot import Pilot

from lorad.shared.client import Client
from lorad.shared.jobs import Job
from lorad.tui.app import LoradApp
from lorad.tui.commands.compare import _ask
from lorad.tui.link import DaemonLink
from lorad.tui.screens.compare import CompareScreen

from .scripted import Make

LORAD = str(Path(sysconfig.get_path("scripts")) / "lorad")
SCRIPT = """
def train(task, line, looking=None):
    # The loss is the learning rate, but for the last steps of a long run, which wait for a file.
    rate, last = task.recipe.train.learning_rate, task.recipe.train.max_train_steps
    line.report(ReadyReport(step=1, last_step=last))
    for step in range(1, last + 1):
        if step == 31:
            while not (pathlib.Path(task.folder) / "go").exists():
                if line.wanted != "run":
                    return EndReport(outcome="yielded")
                time.sleep(0.01)
        line.report(PointReport(point=Point(
            step=step, time=100.0 + 2 * step, loss=rate, learning_rate=rate, grad_norm=1.0,
            images_per_second=4.0,
        )))
        if step % 10 == 0:
            loss = rate + abs(step - 20) / 100
            line.report(ValidationReport(step=step, loss=loss, best=step in (10, 20)))
    line.report(FinishReport())
    return EndReport(outcome="done")
"""
RECIPE = """
name = "{name}"
[data]
path = "pictures"
[train]
learning_rate = {rate}
max_train_steps = {steps}
train_batch_size = 4
[lora]
rank = {rank}
"""


def add(daemon: Daemon, folder: Path, **keys: object) -> Job:
    path = folder / "recipe.toml"
    path.write_text(RECIPE.format(**keys))
    return daemon.add(path)


def lorad(daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LORAD, *words], env=daemon.env, capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def compared(make: Make, tmp_path: Path) -> tuple[Daemon, Job, Job]:
    """A run that is done and one that waits after thirty of its forty steps."""
    daemon = make(SCRIPT)
    one = add(daemon, tmp_path, name="one", rate=0.25, steps=20, rank=8)
    daemon.wait_state(one.id, "done")
    other = add(daemon, tmp_path, name="other", rate=0.5, steps=40, rank=8)
    daemon.wait_step(other.id, 30)
    return daemon, one, other


def test_the_command_tells_figures_and_what_the_recipes_differ_in(
    compared: tuple[Daemon, Job, Job],
) -> None:
    daemon, one, _ = compared
    told = json.loads(lorad(daemon, "compare", "1", "2", "--json").stdout)
    assert told["metric"] == "loss"
    first, second = told["runs"]
    seconds = [run.pop("trained_seconds") for run in told["runs"]]
    assert first == {
        "id": one.id,
        "name": "one",
        "state": "done",
        "step": 20,
        "max_train_steps": 20,
        "final": 0.25,
        "best": 0.25,
        "best_step": first["best_step"],
        "best_validation_loss": 0.25,
        "best_validation_step": 20,
        "images_per_second": 4.0,
        "recipe": True,
    }
    assert (second["state"], second["final"], second["best_validation_step"]) == (
        "running", 0.5, 20,
    )  # fmt: skip
    assert all(0 <= second < 600 for second in seconds)
    assert told["differences"] == [
        {"key": "name", "values": ["one", "other"]},
        {"key": "train.max_train_steps", "values": [20, 40]},
        {"key": "train.learning_rate", "values": [0.25, 0.5]},
    ]
    looks = lorad(daemon, "compare", "2", "1", "--metric", "validation_loss", "--json").stdout
    assert [run["final"] for run in json.loads(looks)["runs"]] == pytest.approx([0.6, 0.25])


def test_a_running_jobs_time_is_reckoned_by_the_clock_of_its_box(
    compared: tuple[Daemon, Job, Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon, *_ = compared
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 9000)
    with Client(daemon.home) as client:
        told = _ask(client, [1, 2], "loss")
    assert all(entry.seconds is not None and entry.seconds < 600 for entry in told.entries)


def test_the_command_for_people(compared: tuple[Daemon, Job, Job]) -> None:
    daemon, *_ = compared
    lines = lorad(daemon, "compare", "1", "2", "--baseline", "1").stdout.splitlines()
    assert lines[0].split()[:6] == ["ID", "STATE", "NAME", "STEP", "FINAL", "BEST"]
    assert lines[1].split()[:5] == ["1", "done", "one", "20/20", "0.250"]
    assert lines[2].split()[-3:] == ["+0.250", "+0.250", "+0.250"]
    assert ["train.learning_rate", "0.25", "0.5"] in [line.split() for line in lines[4:]]
    assert lorad(daemon, "compare", "1", "2").stdout.splitlines()[2].split()[-1] != "+0.250"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["1"], "ID is missing."),
        (["1", "1"], "Say two jobs that are not the same."),
        (["98", "99"], "There is no job 98."),
        (["1", "2", "--baseline", "3"], "The baseline is one of the jobs that are compared."),
        ([str(n) for n in range(1, 10)], "These are 9 jobs, and at most 8 can be compared"),
        (["1", "2", "--metric", "joy"], "`joy` is none of"),
    ],
)
def test_what_cannot_be_compared_is_said(make: Make, words: list[str], sentence: str) -> None:
    daemon = make(SCRIPT)
    ended = lorad(daemon, "compare", *words)
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert ended.stdout == ""


def test_the_dashboard_draws_both_and_goes_on_with_the_one_that_trains(
    compared: tuple[Daemon, Job, Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon, _, other = compared
    monkeypatch.setattr("lorad.tui.screens.compare.AGAIN_SECONDS", 0.1)
    app = LoradApp(DaemonLink(daemon.home))

    async def go() -> None:
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: len(app.mirror.jobs) == 2)
            await pilot.press("A", "c")
            screen = app.screen
            assert isinstance(screen, CompareScreen)

            def reached() -> list[tuple[str, int]]:
                lines = screen.chart.plot.lines
                return sorted((line.end, line.columns[-1].step) for line in lines)

            await until(pilot, lambda: reached() == [("1", 20), ("2", 30)])
            await until(pilot, lambda: len(screen.differences._keys) == 3)
            assert {line.columns[-1].last for line in screen.chart.plot.lines} == {0.25, 0.5}
            (Path(other.folder) / "go").touch()
            await until(pilot, lambda: reached() == [("1", 20), ("2", 40)])
            await pilot.press("t")
            await until(pilot, lambda: screen.chart.plot.reach.last == 2.0 * 39)
            await pilot.press("t")
            await until(pilot, lambda: screen.chart.plot.reach.last == 4.0 * 40)

    asyncio.run(go())
    eventually(lambda: daemon.job(other.id).state == "done")


async def until(pilot: Pilot[int], reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < deadline, "it was not reached"
        await pilot.pause(0.02)
