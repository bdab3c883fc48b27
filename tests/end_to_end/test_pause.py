"""Pause leaves the device, resume goes on, cancel saves."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from support import Daemon, eventually, small_recipe

from lorad.shared.errors import RequestRefused
from lorad.shared.messages import (
    CancelJob,
    GetMetrics,
    HoldJob,
    PauseJob,
    RestartJob,
    ResumeJob,
    SaveJob,
)

from .conftest import Finished, same

LONG = 2000


def test_paused_and_resumed_equals_never_paused(finished: Finished) -> None:
    daemon = finished.daemon
    client = daemon.client()
    job = daemon.add(finished.recipe)
    job = daemon.wait_step(job.id, 2)
    assert job.process is not None
    pid = job.process.pid
    client.ask(PauseJob(id=job.id))
    job = daemon.wait_state(job.id, "paused", "done")
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    if job.state == "paused":  # it may have taken its last step before it heard
        client.ask(ResumeJob(id=job.id))
        job = daemon.wait_state(job.id, "done")
    assert same(job.folder, finished.folder)
    losses = [
        [point.loss for point in client.ask(GetMetrics(id=id)).points]
        for id in (job.id, finished.job.id)
    ]
    assert losses[0] == losses[1]


@pytest.mark.proof
def test_cancel_saves_and_resume_and_restart_are_possible(daemon: Daemon, tmp_path: Path) -> None:
    client = daemon.client()
    job = daemon.add(small_recipe(tmp_path, steps=LONG, checkpointing_steps=LONG))
    daemon.wait_step(job.id, 2)
    with pytest.raises(RequestRefused, match="`lorad cancel 1` ends it first"):
        client.ask(RestartJob(id=job.id))
    client.ask(CancelJob(id=job.id))
    job = daemon.wait_state(job.id, "cancelled")
    step = job.progress.step
    folder = Path(job.folder)
    assert (folder / f"checkpoint-{step}" / "MANIFEST.json").exists()
    assert (folder / "small.safetensors").exists()
    client.ask(ResumeJob(id=job.id))
    assert daemon.wait_step(job.id, step + 1).progress.step > step
    client.ask(CancelJob(id=job.id, force=True))
    daemon.wait_state(job.id, "cancelled")
    client.ask(RestartJob(id=job.id))
    assert daemon.job(job.id).progress.step == 0
    daemon.wait_step(job.id, 1)
    assert client.ask(GetMetrics(id=job.id)).points[0].step == 1
    client.ask(CancelJob(id=job.id, force=True))
    eventually(lambda: daemon.job(job.id).state == "cancelled")


def test_held_it_keeps_its_process_and_saves(daemon: Daemon, tmp_path: Path) -> None:
    client = daemon.client()
    job = daemon.add(small_recipe(tmp_path, steps=100_000, checkpointing_steps=100_000))
    daemon.wait_step(job.id, 2)
    client.ask(HoldJob(id=job.id))
    job = eventually(lambda: (j := daemon.job(job.id)).progress.phase == "held" and j)
    process, step = job.process, job.progress.step
    assert process is not None
    assert psutil.Process(process.pid).is_running()
    client.ask(SaveJob(id=job.id))
    job = eventually(lambda: (j := daemon.job(job.id)).progress.saved_step and j)
    assert (job.progress.step, job.progress.saved_step) == (step, step)
    assert (Path(job.folder) / f"checkpoint-{step}" / "MANIFEST.json").exists()
    client.ask(ResumeJob(id=job.id))
    job = daemon.wait_step(job.id, step + 1)
    assert (job.state, job.process, job.progress.phase) == ("running", process, "")
    client.ask(HoldJob(id=job.id))
    client.ask(PauseJob(id=job.id))
    assert daemon.wait_state(job.id, "paused").progress.saved_step > step
    losses = [point.step for point in client.ask(GetMetrics(id=job.id)).points]
    assert losses == list(range(1, len(losses) + 1))


@pytest.mark.proof
def test_pause_before_the_first_step(daemon: Daemon, tmp_path: Path) -> None:
    job = daemon.add(small_recipe(tmp_path))
    daemon.wait_state(job.id, "starting")
    daemon.client().ask(PauseJob(id=job.id))
    job = daemon.wait_state(job.id, "paused")
    assert job.progress.step == 0
    daemon.client().ask(ResumeJob(id=job.id))
    daemon.wait_state(job.id, "done")
