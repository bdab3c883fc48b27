"""Verbs that promise a checkpoint, and runs that do not come to write it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Daemon, eventually

from lorad.shared.jobs import Ended
from lorad.shared.messages import CancelJob, Drain, HoldJob

from .scripted import add, said, scripted

SAVES = """
def train(task, line, looking=None):
    say(task, "task")
    line.report(ReadyReport(step=1, last_step=40), point(1))
    for _ in turns(task, line):
        if line.orders() and (end := save(task, line)):
            return end
    return save(task, line) or EndReport(outcome="yielded")

def save(task, line):
    how = pathlib.Path(task.folder, "how").read_text()
    if how == "done":
        line.report(FinishReport())
        return EndReport(outcome="done")
    if how == "full":
        return EndReport(outcome="left", reason="the disk is full")
    if how != "dies":
        line.report(SavedReport(step=1))
        line.settle()
    if how != "saves":
        os.kill(os.getpid(), 9)
"""
"""When it is to save, it does what the file `how` says."""
DIED = "its run died at step 1. Its process was killed by SIGKILL.\n"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = scripted(tmp_path_factory.mktemp("missed"), SAVES)
    yield daemon
    daemon.stop()


def verb(daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lorad.tui", *words],
        env=daemon.env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "how", "code", "told"),
    [
        ("save", "full", 1, "is paused at step 1/1000: the disk is full\n"),
        ("save", "dies", 1, f"is queued: {DIED}"),
        ("save", "done", 0, "is done.\n"),
        ("save", "saves", 0, "saved step 1 to "),
        ("save --no-wait", "full", 0, "saves after this step.\n"),
        ("held save", "dies", 1, f"is paused at step 1/1000: {DIED}"),
        ("held save", "saves", 0, "saved step 1 to "),
        ("pause", "full", 1, "is paused at step 1/1000: the disk is full\n"),
        ("pause", "dies", 1, f"is paused at step 1/1000: {DIED}"),
        ("pause", "saves and dies", 0, f"is paused at step 1/1000: {DIED}"),
        ("pause", "done", 0, "is done.\n"),
        ("pause", "saves", 0, "is paused at step 1/1000.\n"),
        ("pause --no-wait", "full", 0, "is pausing.\n"),
        ("held pause", "dies", 1, f"is paused at step 1/1000: {DIED}"),
    ],
)
def test_the_exit_code_says_whether_it_saved(
    daemon: Daemon, tmp_path: Path, words: str, how: str, code: int, told: str
) -> None:
    job = daemon.wait_step(add(daemon, tmp_path).id, 1)
    if words.startswith("held"):
        daemon.client().ask(HoldJob(id=job.id))
        eventually(lambda: said(job)[-1] == "hold")
    (Path(job.folder) / "how").write_text(how)
    daemon.client().ask(Drain())  # one that is queued again stays so
    name, *more = words.removeprefix("held ").split()
    ended = verb(daemon, name, str(job.id), *more)
    again = (
        verb(daemon, "save", str(job.id)) if words.endswith("save") and how == "saves" else ended
    )
    if not isinstance(daemon.job(job.id).status, Ended):
        daemon.client().ask(CancelJob(id=job.id, force=True))
        daemon.wait_state(job.id, "cancelled")
    daemon.client().ask(Drain(end=True))
    assert ended.stdout.startswith(f"Job {job.id} (a) {told}"), ended
    assert ended.returncode == code
    assert (again.returncode, again.stdout) == (code, ended.stdout), "one of the same step is one"
