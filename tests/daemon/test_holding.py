"""A run that is held between two steps, and one that saves when somebody asks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import Daemon, eventually

from lorad.shared.errors import RequestRefused
from lorad.shared.jobs import Held, Paused
from lorad.shared.messages import (
    AddGroup,
    CancelJob,
    HoldJob,
    PauseJob,
    ResumeJob,
    SampleJob,
    SaveJob,
    SetJob,
    ShutDown,
    WhyJob,
)

from .scripted import Make, add, said


def held(daemon: Daemon, folder: Path, train: str = "") -> int:
    """A job that is held at its first step, and whose run knows it."""
    job = daemon.wait_step(add(daemon, folder, train).id, 1)
    reply = daemon.client().ask(HoldJob(id=job.id))
    assert isinstance(reply.job.status, Held)
    eventually(lambda: said(job)[-1] == "hold")
    return job.id


def test_held_and_resumed_in_one_process(make: Make, tmp_path: Path) -> None:
    daemon = make()
    id = held(daemon, tmp_path)
    client = daemon.client()
    process = daemon.job(id).process
    assert process is not None, "it keeps its device"
    assert client.ask(WhyJob(id=id)).sentence == (
        f"Job {id} is held at step 1 of 1000 and keeps its device; `lorad resume {id}` lets it go"
        f" on, `lorad pause {id}` frees the device."
    )
    with pytest.raises(RequestRefused, match=r"is held, so it cannot be held\. `lorad resume"):
        client.ask(HoldJob(id=id))
    client.ask(ResumeJob(id=id))
    job = daemon.wait_state(id, "running")
    eventually(lambda: said(job)[-1] == "run")
    assert job.process == process


@pytest.mark.parametrize(("request_", "state"), [(PauseJob, "paused"), (CancelJob, "cancelled")])
def test_a_held_run_hears_at_once(make: Make, tmp_path: Path, request_: type, state: str) -> None:
    daemon = make()
    id = held(daemon, tmp_path)
    daemon.client().ask(request_(id=id))
    assert daemon.wait_state(id, state).process is None


def test_what_is_held_stays_so_under_the_next_daemon(make: Make, tmp_path: Path) -> None:
    daemon = make()
    id = held(daemon, tmp_path)
    daemon.kill()
    daemon.start()
    job = daemon.job(id)
    assert isinstance(job.status, Held)
    daemon.client().ask(SetJob(id=id, changes={"learning_rate": "0.25"}))
    eventually(lambda: said(job)[-1] == "change 0.25 1")
    daemon.client().ask(ResumeJob(id=id))
    eventually(lambda: said(job)[-1] == "run")


def test_one_that_dies_while_it_is_held_waits_for_somebody(make: Make, tmp_path: Path) -> None:
    daemon = make()
    id = held(daemon, tmp_path)
    process = daemon.job(id).process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    job = daemon.wait_state(id, "paused")
    assert job.reason.startswith("its run died at step 1. Its process was killed by SIGKILL")


def test_down_pauses_what_is_held_and_up_leaves_it(make: Make, tmp_path: Path) -> None:
    daemon = make()
    id = held(daemon, tmp_path)
    daemon.client().ask(ShutDown())
    assert daemon.process is not None
    daemon.process.wait(60)
    daemon.start()
    assert daemon.job(id).status == Paused(cause="it was held when the daemon was shut down")


def test_a_checkpoint_when_somebody_asks(make: Make, tmp_path: Path) -> None:
    daemon = make()
    job = daemon.wait_step(add(daemon, tmp_path).id, 1)
    client = daemon.client()
    before = client.ask(SaveJob(id=job.id)).job.progress
    assert (before.saved_step, before.saved) == (None, None)
    job = eventually(lambda: (j := daemon.job(job.id)).progress.saved and j)
    assert job.progress.saved_step == 1
    client.ask(HoldJob(id=job.id))
    client.ask(SaveJob(id=job.id))
    eventually(lambda: said(job)[1:] == ["save 1", "hold", "save 2"])
    with pytest.raises(RequestRefused, match="has no prompts"):
        client.ask(SampleJob(id=job.id))
    client.ask(PauseJob(id=job.id))
    daemon.wait_state(job.id, "paused")
    with pytest.raises(RequestRefused, match=r"is paused, so it cannot be saved\. It saved when"):
        client.ask(SaveJob(id=job.id))
    client.ask(ResumeJob(id=job.id))
    eventually(lambda: said(job)[-1].startswith("task"))
    daemon.wait_state(job.id, "running")
    daemon.kill()
    daemon.start()
    client = daemon.client()
    client.ask(HoldJob(id=job.id))
    eventually(lambda: "hold" in said(job)[-2:])  # it has met this daemon
    client.ask(SaveJob(id=job.id))
    eventually(lambda: said(job)[-1] == "save 3")
    assert said(job)[-2] == "hold", "what was saved already is not asked for again"


ENVIRONMENT = """
def train(task, line, looking=None):
    say(task, os.environ["LORAD_GROUP"], os.environ["LORAD_JOB_NAME"], os.environ["LORAD_JOB_ID"])
    return EndReport(outcome="done")
"""


def test_what_a_run_starts_knows_whose_it_is(make: Make, tmp_path: Path) -> None:
    daemon = make(ENVIRONMENT)
    daemon.client().ask(AddGroup(name="night"))
    job = add(daemon, tmp_path, group="night")
    eventually(lambda: said(job) == [f"night a {job.id}"], 20)


SLOW = """
def train(task, line, looking=None):
    line.report(ReadyReport(step=1, last_step=40), point(1))
    while line.wanted == "run":
        for order in line.orders():
            line.report(PointReport(point=Point(step=2, time=2.0, loss=0.5, learning_rate=1e-3,
                                                grad_norm=1.0, images_per_second=4.0)))
            time.sleep(0.5)
            line.report(SavedReport(step=2))
        time.sleep(0.01)
    return "yielded"
"""


def test_who_waits_for_a_checkpoint_is_told_so(make: Make, tmp_path: Path) -> None:
    daemon = make(SLOW)
    job = daemon.wait_step(add(daemon, tmp_path).id, 1)
    saved = subprocess.run(
        [sys.executable, "-m", "lorad.tui", "save", "1"],
        env=daemon.env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert saved.stdout == f"Job 1 (a) saved step 2 to {job.folder}.\n"
    assert saved.stderr == "Job 1 (a) is asked for a checkpoint …\n"
