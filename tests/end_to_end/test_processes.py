"""One run on several processes: the same batches, the same losses, and a way back to one."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from support import Daemon, eventually, small_recipe

from lorad.shared.jobs import Job
from lorad.shared.messages import CancelJob, GetMetrics, PauseJob, ResumeJob, SetJob

STEPS = 40


def recipe(folder: Path, processes: int, steps: int = STEPS) -> Path:
    path = small_recipe(folder, steps=steps, checkpointing_steps=1000)
    text = path.read_text().replace("[train]", f"[train]\nnum_processes = {processes}")
    path.write_text(text)
    return path


def losses(daemon: Daemon, job: Job) -> dict[int, float]:
    return {p.step: p.loss for p in daemon.client().ask(GetMetrics(id=job.id)).points}


def children(job: Job) -> list[psutil.Process]:
    assert job.process is not None
    found = psutil.Process(job.process.pid).children(recursive=True)
    return [process for process in found if "lorad.daemon.training.peer" in process.cmdline()]


pytestmark = pytest.mark.proof


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> dict[int, float]:
    """The losses of one process."""
    folder = tmp_path_factory.mktemp("one")
    daemon = Daemon(folder / "home")
    daemon.start()
    try:
        job = daemon.add(recipe(folder, 1))
        return losses(daemon, daemon.wait_state(job.id, "done"))
    finally:
        daemon.stop()


def test_two_processes_follow_one(wanted: dict[int, float], daemon: Daemon, tmp_path: Path) -> None:
    path = recipe(tmp_path, 2)
    # The other one has nothing to do while the first one draws, and waits.
    text = path.read_text().replace("prompts = []", 'prompts = ["cat face", "rocket"]')
    path.write_text(text.replace("num_inference_steps = 2", "num_inference_steps = 20"))
    job = daemon.add(path)
    found = losses(daemon, daemon.wait_state(job.id, "done"))
    assert "died" not in daemon.home.log(job.id).read_text()
    assert list(found) == list(wanted) == list(range(1, STEPS + 1))
    first = range(1, 7)
    assert [found[n] for n in first] == pytest.approx([wanted[n] for n in first], rel=1e-5)
    assert list(found.values()) == pytest.approx(list(wanted.values()), rel=1e-4)


def test_paused_on_two_resumes_on_one(
    wanted: dict[int, float], daemon: Daemon, tmp_path: Path
) -> None:
    job = daemon.add(recipe(tmp_path, 2))
    daemon.wait_step(job.id, 2)
    client = daemon.client()
    client.ask(PauseJob(id=job.id))
    job = daemon.wait_state(job.id, "paused")
    client.ask(SetJob(id=job.id, changes={"train.num_processes": "1"}))
    client.ask(ResumeJob(id=job.id))
    job = daemon.wait_state(job.id, "done")
    found = losses(daemon, job)
    assert list(found) == list(wanted)
    assert list(found.values()) == pytest.approx(list(wanted.values()), rel=1e-4)
    log = daemon.home.log(job.id).read_text()
    assert "not bit for bit: it ran on 2 processes and runs on 1" in log


def test_a_killed_run_leaves_no_process_behind(daemon: Daemon, tmp_path: Path) -> None:
    job = daemon.add(recipe(tmp_path, 2, steps=5000))
    job = daemon.wait_step(job.id, 2)
    (other,) = children(job)
    assert job.process is not None
    os.kill(job.process.pid, 9)
    eventually(lambda: not other.is_running() or other.status() == psutil.STATUS_ZOMBIE)
    daemon.client().ask(CancelJob(id=job.id, force=True))


def test_a_lost_process_ends_the_run_which_goes_on(daemon: Daemon, tmp_path: Path) -> None:
    job = daemon.add(recipe(tmp_path, 2, steps=5000))
    job = daemon.wait_step(job.id, 2)
    (other,) = children(job)
    first = job.process
    other.kill()
    eventually(lambda: daemon.job(job.id).process not in (None, first))
    daemon.client().ask(CancelJob(id=job.id, force=True))
