"""Kill anything, any time: no job is lost, none runs twice, the weights are the same."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support import Daemon, eventually, small_data, small_recipe

from lorad.shared.jobs import LORA_FILE, Queued
from lorad.shared.messages import CancelJob, GetMetrics, GetStatus, ResumeJob, ShutDown, WhyJob

from .conftest import STEPS, Finished, same


def test_kill_9_of_the_run_goes_on_by_itself(finished: Finished) -> None:
    daemon = finished.daemon
    job = daemon.add(finished.recipe)
    job = daemon.wait_step(job.id, 4)
    assert job.process is not None
    os.kill(job.process.pid, signal.SIGKILL)
    eventually(lambda: daemon.job(job.id).process != job.process)
    again = daemon.job(job.id)
    if isinstance(again.status, Queued):
        assert "killed by SIGKILL" in again.status.cause
    job = daemon.wait_state(job.id, "done")
    assert same(job.folder, finished.folder)
    points = daemon.client().ask(GetMetrics(id=job.id)).points
    assert [point.step for point in points] == list(range(1, STEPS + 1))


def test_kill_9_of_the_daemon_costs_no_step(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "home")
    daemon.start()
    recipe = small_recipe(tmp_path, steps=60, checkpointing_steps=50)
    job = daemon.add(recipe)
    waiting = daemon.add(recipe)
    before = daemon.wait_step(job.id, 2)
    daemon.kill()
    daemon.start()
    after = daemon.job(job.id)
    assert after.process == before.process or after.state in ("finishing", "done")
    done = daemon.wait_state(job.id, "done")
    points = daemon.client().ask(GetMetrics(id=done.id)).points
    assert [point.step for point in points] == list(range(1, 61))
    daemon.wait_state(waiting.id, "starting", "running", "done")
    daemon.stop()


def running(pid: int) -> bool:
    """Nobody waits for a run whose daemon was killed, so it may stay a zombie."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.proof
def test_a_run_that_ended_without_a_daemon_is_settled(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "home")
    daemon.start()
    job = daemon.add(small_recipe(tmp_path, steps=8))
    job = daemon.wait_state(job.id, "running", "done")
    daemon.kill()
    if job.process is not None:
        pid = job.process.pid
        eventually(lambda: not running(pid))
    # All of it is there, whether or not a daemon ever comes back.
    assert (Path(job.folder) / LORA_FILE).exists()
    assert (Path(job.folder) / "checkpoint-8").exists()
    daemon.start()
    job = daemon.wait_state(job.id, "done")
    assert job.progress.step == 8
    daemon.stop()


@pytest.mark.proof
def test_after_a_reboot_a_job_goes_on_from_its_newest_checkpoint_that_is_whole(
    finished: Finished, tmp_path: Path
) -> None:
    """Daemon and run are gone at once, and the newest checkpoint is damaged."""
    daemon = Daemon(tmp_path / "home")
    daemon.start()
    text = finished.recipe.read_text()
    recipe = tmp_path / finished.recipe.name
    recipe.write_text(text.replace("checkpointing_steps = 3", "checkpointing_steps = 2"))
    small_data(tmp_path)
    job = daemon.add(recipe)
    saved = daemon.wait_saved(job.id, 4)
    assert saved.process is not None
    os.kill(saved.process.pid, signal.SIGSTOP)  # so that the newest is not the last one
    daemon.kill()
    os.kill(saved.process.pid, signal.SIGKILL)
    newest = max(Path(job.folder).glob("checkpoint-*"), key=lambda path: int(path.name[11:]))
    (newest / LORA_FILE).write_bytes(bytes(1000))
    daemon.env["LORAD_FAKE_BOOT"] = "another boot"
    daemon.start()
    job = daemon.wait_state(job.id, "done")
    assert same(job.folder, finished.folder)
    assert newest.name in daemon.home.log(job.id).read_text()
    points = daemon.client().ask(GetMetrics(id=job.id)).points
    assert [point.step for point in points] == list(range(1, STEPS + 1))
    daemon.stop()


def test_down_pauses_and_up_resumes(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "home")
    daemon.start()
    job = daemon.add(small_recipe(tmp_path, steps=40))
    daemon.wait_step(job.id, 2)
    daemon.client().ask(ShutDown())
    assert daemon.process is not None
    assert daemon.process.wait(60) == 0
    daemon.start()
    assert daemon.job(job.id).progress.step >= 2
    job = daemon.wait_state(job.id, "done")
    points = daemon.client().ask(GetMetrics(id=job.id)).points
    assert [point.step for point in points] == list(range(1, 41))
    daemon.stop()


def test_sigterm_of_the_run_saves_and_says_so(daemon: Daemon, tmp_path: Path) -> None:
    job = daemon.add(small_recipe(tmp_path, steps=2000, checkpointing_steps=2000))
    job = daemon.wait_step(job.id, 2)
    assert job.process is not None
    os.kill(job.process.pid, signal.SIGTERM)
    job = daemon.wait_state(job.id, "paused")
    assert (Path(job.folder) / f"checkpoint-{job.progress.step}").exists()


def test_a_run_that_always_dies_fails_with_its_reason(tmp_path: Path) -> None:
    # A module that cannot be imported stands for a broken installation.
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sitecustomize.py").write_text(
        "import sys\nif 'lorad.daemon.run' in sys.orig_argv: sys.exit('no libcuda here')\n"
    )
    daemon = Daemon(tmp_path / "home", PYTHONPATH=str(tmp_path / "broken"))
    daemon.start()
    job = daemon.add(small_recipe(tmp_path))
    job = daemon.wait_state(job.id, "failed")
    assert "died 3 times in a row" in job.status.reason
    assert "no libcuda here" in job.status.reason
    daemon.stop()


def test_a_failure_is_one_sentence_and_the_queue_goes_on(daemon: Daemon, tmp_path: Path) -> None:
    broken = small_recipe(tmp_path / "broken")
    (tmp_path / "broken" / "pictures" / "anchor.png").write_bytes(b"no picture")
    missing = small_recipe(tmp_path / "missing")
    missing.write_text(missing.read_text().replace('"pictures"', '"elsewhere"'))
    jobs = [daemon.add(broken), daemon.add(missing), daemon.add(small_recipe(tmp_path / "good"))]
    first = daemon.wait_state(jobs[0].id, "failed")
    assert "anchor.png cannot be decoded" in first.status.reason
    second = daemon.wait_state(jobs[1].id, "failed")
    assert "elsewhere does not exist" in second.status.reason
    daemon.wait_state(jobs[2].id, "running", "done")
    for job in jobs:
        assert "Traceback" not in daemon.home.log(job.id).read_text()


@pytest.mark.proof  # tests/daemon/test_groups.py has it without torch
def test_two_cards_train_two_jobs_at_a_time(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "home", LORAD_FAKE_GPUS="2")
    daemon.start()
    recipe = small_recipe(tmp_path)
    for _ in range(3):
        daemon.add(recipe)

    def two_at_once() -> bool:
        jobs = daemon.client().ask(GetStatus()).jobs
        cards = [gpu for job in jobs if job.process for gpu in job.process.gpus]
        assert len(cards) == len(set(cards)) <= 2
        return len(cards) == 2

    eventually(two_at_once)
    for id in (1, 2, 3):
        daemon.wait_state(id, "done")
    daemon.stop()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small disk, and not in every container")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.proof
def test_a_full_disk_pauses_the_job_and_it_goes_on_when_there_is_room(
    daemon: Daemon, tmp_path: Path, tiny_disk: Path
) -> None:
    recipe = small_recipe(tmp_path / "work", steps=4, checkpointing_steps=2)
    recipe.write_text(recipe.read_text() + f'[output]\nfolder = "{tiny_disk}/out"\n')
    ballast = tiny_disk / "ballast"
    ballast.write_bytes(bytes(1_500_000))
    job = daemon.add(recipe)
    after = daemon.add(small_recipe(tmp_path / "other", steps=5000, checkpointing_steps=5000))
    job = daemon.wait_state(job.id, "paused")
    assert "is full" in job.status.cause
    assert "MiB are needed" in job.status.cause
    assert f"lorad resume {job.id}" in daemon.client().ask(WhyJob(id=job.id)).sentence
    daemon.wait_state(after.id, "running")
    daemon.client().ask(CancelJob(id=after.id, force=True))
    subprocess.run(["mount", "-o", "remount,size=64m", str(tiny_disk)], check=True)
    daemon.client().ask(ResumeJob(id=job.id))
    daemon.wait_state(job.id, "done")


@pytest.mark.proof
def test_a_daemon_on_a_full_disk_lives_and_settles_when_there_is_room(
    tmp_path: Path, tiny_disk: Path
) -> None:
    daemon = Daemon(tiny_disk / "home")
    daemon.start()
    job = daemon.add(small_recipe(tmp_path, steps=100, checkpointing_steps=50))
    job = daemon.wait_step(job.id, 2)
    assert job.process is not None
    ballast = tiny_disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    pid = job.process.pid
    eventually(lambda: not running(pid))
    assert daemon.process is not None
    assert daemon.process.poll() is None
    assert daemon.job(job.id).process == job.process  # nothing could be stored of its end
    ballast.unlink()
    assert daemon.wait_state(job.id, "done").progress.step == 100
    daemon.stop()
