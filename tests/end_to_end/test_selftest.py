"""`lorad selftest`: runs killed at random come to the same, and it says so, or what does not."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from support import SOAK, eventually

from lorad.daemon.queue import MAX_DEATHS
from lorad.daemon.tools.outcome import Outcome
from lorad.daemon.tools.selftest import Chance, Kill, Pace, SelfTest, compared, disturbed, readable
from lorad.shared.jobs import Failed, Job, Process, Progress, Running

RUNS, A_RUN = 5 * SOAK, 5


def selftest(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Its folder is made in this one."""
    command = [sys.executable, "-m", "lorad.tui", "selftest", *words]
    env = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.run(command, capture_output=True, text=True, env=env)


def left_over(folder: Path) -> list[psutil.Process]:
    """Processes that know of a folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("LORAD_HOME", "").startswith(str(folder)):
                found.append(process)
    return found


@pytest.mark.proof
def test_two_kills_come_to_the_same_and_nothing_is_left(tmp_path: Path) -> None:
    done = selftest("--kill", "2", "--seed", "3", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("2 times `kill -9`, in ")
    assert lines[-1].startswith("Bit for bit equal to a run that nobody killed: ")
    assert not list(tmp_path.glob("lorad-*"))
    eventually(lambda: not left_over(tmp_path))


@pytest.mark.proof
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_whoever_ends_it_ends_its_daemon_and_its_run(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-m", "lorad.tui", "selftest", "--kill", "2"]
    with subprocess.Popen(command, env={**os.environ, "TMPDIR": str(tmp_path)}) as process:
        eventually(lambda: len(left_over(tmp_path)) >= 2, 60)
        process.send_signal(number)
        assert process.wait(60) == 128 + number
    assert not left_over(tmp_path)
    assert not list(tmp_path.glob("lorad-*"))


@pytest.mark.proof
def test_a_terminal_that_goes_tells_it_twice(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lorad.tui", "selftest", "--kill", "2"]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=env, start_new_session=True) as process:
        eventually(lambda: len(left_over(tmp_path)) >= 2, 60)
        while process.poll() is None:
            os.killpg(process.pid, signal.SIGHUP)
            time.sleep(0.005)  # no terminal is faster
    assert not left_over(tmp_path)
    assert not list(tmp_path.glob("lorad-*"))


@pytest.mark.proof
def test_a_run_that_its_daemon_died_starting_is_ended_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lorad.tui", "selftest", "--kill", "2"]
    env = {**os.environ, "TMPDIR": str(tmp_path), "LORAD_FAILPOINT": "spawn.after:kill"}
    assert subprocess.run(command, env=env).returncode != 0
    assert not left_over(tmp_path)


@pytest.mark.proof
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(1, RUNS + 1))
def test_a_run_that_is_killed_at_random_comes_to_the_same(seed: int, tmp_path: Path) -> None:
    done = selftest("--kill", str(A_RUN), "--seed", str(seed), "--json", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert len(found["kills"]) == A_RUN
    assert found["differences"] == []
    assert found["compared"]["losses"] > found["steps"]
    print(f"seed {seed}:", *(f"{kill['step']} {kill['where']};" for kill in found["kills"]))


WANTED = Outcome(tensors={"a": "1"}, state={"step": "6"}, losses={"step 1": "0x1p0"}, pictures={})


class Left:
    """A box whose job left something else."""

    def __init__(self, found: Outcome) -> None:
        self._found = found

    def outcome(self, job: Job) -> Outcome:
        return self._found


class Done:
    state = "done"


class Late:
    """A box whose run saves between the look at it and the kill where that is said."""

    def __init__(self, folder: Path, late: list[bool]) -> None:
        self.home = SimpleNamespace(cache=folder)
        self._late = late
        self._pid, self._saved, self._deaths = 1, 0, 0

    def job(self, id: int) -> Job:
        failed = self._deaths >= MAX_DEATHS
        running = Running(process=Process(pid=self._pid, birth="b"))
        return Job(
            id=id, name="cat", folder="/r", created=1.0, max_train_steps=60, position=1.0,
            status=Failed(finished=2.0, reason="died") if failed else running,
            progress=Progress(saved_step=self._saved),
        )  # fmt: skip

    def wait(self, ask: Callable[[], Any], what: str) -> Any:
        while not (answer := ask()):
            assert what == "a checkpoint", what
            self._save()
        return answer

    def _save(self) -> None:
        self._saved, self._deaths = self._saved + 4, 0

    def kill_run(self, job: Job) -> bool:
        if self._late and self._late.pop(0):
            self._save()
        self._deaths += 1
        self._pid += 1
        if not self._late:  # the last of them
            self._deaths = MAX_DEATHS
        return True


def test_a_checkpoint_that_came_amid_a_kill_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lorad.daemon.tools.selftest.where_is", lambda own, job: "somewhere")
    late = [False, False, True, False, False, False]
    box = Late(tmp_path / "cache", late)
    chance = Chance(random.Random(1), Pace(start=0.0, steps=0.0), number=1, most=len(late))
    _, kills = disturbed(box, box.job(1), chance)  # type: ignore[arg-type]
    assert [kill.step for kill in kills] == [0] * 6


def test_what_differs_is_named() -> None:
    found = Outcome(tensors={"a": "2"}, state={}, losses=WANTED.losses, pictures={"p": "3"})
    told = compared(Left(found), Done(), WANTED)  # type: ignore[arg-type]
    assert told == [
        "tensors: a was 1 and is 2",
        "state: step was 6 and is never there",
        "pictures: p was never there and is 3",
    ]
    assert compared(Left(WANTED), Done(), WANTED) == []  # type: ignore[arg-type]
    test = SelfTest(
        seed=1, steps=6, runs=1, kills=[Kill(1, 2, "saving a checkpoint")], compared={},
        differences=told, seconds=1.0, folder="/there",
    )  # fmt: skip
    assert not test.passed
    text = readable(test)
    assert "It is not the same as a run that nobody killed:\n  tensors: a was 1 and is 2" in text
    assert text.endswith("All of it lies in /there.")
