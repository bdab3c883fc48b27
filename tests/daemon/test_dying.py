"""The daemon may die, and the machine with it: nothing is lost, nothing runs twice or stays behind.

Real daemons and real run processes, whose training is a few lines that write each step down.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from pathlib import Path

import psutil
import pytest
from support import SOAK, Daemon, eventually

from lorad.daemon.store import Store
from lorad.daemon.store.replay import check_log
from lorad.shared.client import Client
from lorad.shared.errors import DaemonError
from lorad.shared.jobs import Done, Job
from lorad.shared.messages import (
    AddJob,
    GetMetrics,
    GetStatus,
    HoldJob,
    PauseJob,
    ResumeJob,
    ShutDown,
)

from .scripted import RECIPE, Make, add

SEED = 20261123
KILLS = (5, 50 * SOAK)
STARTS = (10, 200 * SOAK)
"""Daemons that want a home that has one, or that another one wants in the same moment."""
AT_ONCE = 5
STEPS = 60

TRAIN = (
    f"""
STEPS = {STEPS}
"""
    + """
def train(task, line, looking=None):
    steps = pathlib.Path(task.folder) / "steps"
    if task.fresh:
        steps.unlink(missing_ok=True)
    step = len(steps.read_text().splitlines()) if steps.exists() else 0
    line.report(ReadyReport(step=step + 1, last_step=STEPS))
    while step < STEPS:
        if line.wanted == "hold":
            time.sleep(0.01)
            continue
        if line.wanted != "run":
            return EndReport(outcome="yielded")
        step += 1
        line.report(point(step))
        line.settle()  # as before a real checkpoint: nobody would tell of this step again
        with open(steps, "a") as file:
            file.write(f"{os.getpid()} {step}\\n")
        line.report(SavedReport(step=step))
        time.sleep(PAUSE)
    line.report(FinishReport())
    return EndReport(outcome="done")
"""
)
"""Takes its steps, each of which is a checkpoint; who took it stands beside it."""
QUICKLY = "PAUSE = 0.01\n" + TRAIN
SLOWLY = "PAUSE = 0.25\n" + TRAIN


def steps(job: Job) -> list[tuple[int, int]]:
    """(pid, step), as they were taken."""
    path = Path(job.folder) / "steps"
    if not path.exists():
        return []
    return [(int(pid), int(step)) for pid, step in map(str.split, path.read_text().splitlines())]


def ours(daemon: Daemon) -> list[psutil.Process]:
    """Every living process that was started for a job of this daemon's home."""
    mark = f"{daemon.home.folder}/runs/"
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(
                "LORAD_RUN_FOLDER", ""
            ).startswith(mark):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


# -- kill -9 of the daemon -------------------------------------------------------------------------


class Adding(threading.Thread):
    """A client that adds jobs, and repeats what was not answered under the same id."""

    def __init__(self, daemon: Daemon, folder: Path) -> None:
        super().__init__()
        (folder / "a.toml").write_text(RECIPE.format(train=""))
        self.request = AddJob(recipe=RECIPE.format(train=""), folder=str(folder))
        self.home = daemon.home
        self.wanted = 0
        """How many are to be there in the end."""
        self.added: list[int] = []
        self.repeated = 0
        self.over = threading.Event()

    def run(self) -> None:
        while not (self.over.is_set() and len(self.added) >= self.wanted):
            if len(self.added) >= self.wanted:
                time.sleep(0.005)
                continue
            command, reply = uuid.uuid4().hex, None
            while reply is None:
                try:
                    with Client(self.home, name="adding") as client:
                        client.greet()
                        reply = client.ask(self.request, timeout=5, command_id=command)
                except DaemonError:
                    self.repeated += 1
                    time.sleep(0.02)
            self.added.append(reply.job.id)


def kill_and_start(make: Make, folder: Path, kills: int) -> None:
    chance = random.Random(SEED)
    daemon = make(QUICKLY, LORAD_FAKE_GPUS="2")
    adding = Adding(daemon, folder)
    adding.wanted = 2
    adding.start()
    back = []
    for _ in range(kills):
        time.sleep(chance.uniform(0.0, 0.4))
        adding.wanted += 1  # so that a command is often under way
        time.sleep(chance.uniform(0.0, 0.03))
        daemon.kill()
        began = time.monotonic()
        daemon.start()
        back.append(time.monotonic() - began)
    adding.over.set()
    adding.join()
    for id in adding.added:
        daemon.wait_state(id, "done", timeout=300)
    jobs = daemon.client().ask(GetStatus()).jobs
    assert sorted(job.id for job in jobs) == sorted(adding.added), "a job was lost, or added twice"
    for job in jobs:
        taken = steps(job)
        assert [step for _, step in taken] == list(range(1, STEPS + 1)), job.id
        assert len({pid for pid, _ in taken}) == 1, "a job was run twice"
        points = daemon.client().ask(GetMetrics(id=job.id)).points
        assert [point.step for point in points] == list(range(1, STEPS + 1))
    eventually(lambda: not ours(daemon), 20)
    daemon.kill()
    store = Store(daemon.home.database)
    assert check_log(store) == []
    for job in jobs:
        events = Counter(event for _, event, _ in store.transitions(job.id))
        assert (events["start"], events["died"]) == (1, 0)
    store.close()
    print(
        f"\nseed {SEED}: {kills} kills, {len(jobs)} jobs, asked in vain {adding.repeated} times;"
        f" back in {statistics.median(back):.2f} s (median), {max(back):.2f} s at most"
    )


def test_the_daemon_is_killed_and_nothing_is_lost(make: Make, tmp_path: Path) -> None:
    kill_and_start(make, tmp_path, KILLS[0])


@pytest.mark.proof
@pytest.mark.timeout(0)
def test_the_daemon_is_killed_fifty_times_and_nothing_is_lost(make: Make, tmp_path: Path) -> None:
    kill_and_start(make, tmp_path, KILLS[1])


def test_a_run_trains_on_though_no_daemon_comes_back(make: Make, tmp_path: Path) -> None:
    daemon = make(QUICKLY)
    job = daemon.wait_step(add(daemon, tmp_path).id, 1)
    daemon.kill()
    eventually(lambda: not ours(daemon), 30)
    assert [step for _, step in steps(job)] == list(range(1, STEPS + 1))
    daemon.start()
    assert isinstance(daemon.wait_state(job.id, "done").status, Done)


# -- two daemons -----------------------------------------------------------------------------------


def start_many(daemon: Daemon, count: int) -> list[subprocess.Popen[str]]:
    return [
        subprocess.Popen(
            [sys.executable, "-m", "lorad.daemon"],
            env=daemon.env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(count)
    ]  # fmt: skip


def lost(process: subprocess.Popen[str], winner: int) -> None:
    """It ends, and says who is there."""
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"A daemon is running already (pid {winner})" in said
    assert "Traceback" not in said


class Honest(threading.Thread):
    """A client that asks all the time, and remembers who answered."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__()
        self.home = daemon.home
        self.answers: Counter[int] = Counter()
        self.failed: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            try:
                with Client(self.home, name="honest") as client:
                    self.answers[client.ask(GetStatus()).daemon.pid] += 1
            except DaemonError as error:
                self.failed.append(str(error))
            time.sleep(0.002)


def start_doubly(tmp_path: Path, count: int) -> None:
    """A home that has a daemon is wanted by others, some in the same moment; then it is free."""
    tries = 0
    while tries < count:
        daemon = Daemon(tmp_path / f"home-{tries}")
        many = start_many(daemon, AT_ONCE)
        eventually(daemon._answers, 60)
        winner = eventually(daemon.home.daemon_pid)
        honest = Honest(daemon)
        honest.start()
        (won,) = [process for process in many if process.pid == winner]
        for process in (*(one for one in many if one is not won), *start_many(daemon, AT_ONCE)):
            lost(process, winner)
            tries += 1
        honest.over.set()
        honest.join()
        assert won.poll() is None
        assert honest.failed == []
        assert set(honest.answers) == {winner}
        won.kill()
        won.communicate()
    print(f"\n{tries} daemons came too late, {count} were wanted")


def test_of_daemons_that_start_at_once_one_wins(tmp_path: Path) -> None:
    start_doubly(tmp_path, STARTS[0])


@pytest.mark.proof
@pytest.mark.timeout(0)
def test_of_two_hundred_daemons_that_start_at_once_one_wins(tmp_path: Path) -> None:
    start_doubly(tmp_path, STARTS[1])


# -- orphans ---------------------------------------------------------------------------------------

CHILDREN = """
def train(task, line, looking=None):
    line.report(ReadyReport(step=1, last_step=40), point(1))
    hidden = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    beside = subprocess.Popen(["sleep", "1000"])
    say(task, os.getpid(), hidden.pid, beside.pid)
    while line.wanted == "run":
        time.sleep(0.01)
    return EndReport(outcome="yielded")
"""
"""A run with two more processes, one of which left its group."""


@pytest.mark.parametrize("dies", ["run", "daemon and run", "run while no daemon is there"])
def test_nobody_is_left_behind(make: Make, tmp_path: Path, dies: str) -> None:
    daemon = make(CHILDREN)
    job = daemon.wait_state(add(daemon, tmp_path).id, "running")
    said = eventually(lambda: (Path(job.folder) / "said").read_text().split(), 20)
    old = [int(pid) for pid in said]
    assert job.process is not None
    if dies == "daemon and run":
        os.kill(job.process.pid, signal.SIGKILL)
        daemon.kill()
        daemon.start()
    elif dies == "run":
        os.kill(job.process.pid, signal.SIGKILL)
    else:
        daemon.kill()
        os.kill(job.process.pid, signal.SIGKILL)
        daemon.start()
    eventually(lambda: not {process.pid for process in ours(daemon)} & set(old), 20)
    again = daemon.wait_state(job.id, "running")
    assert again.process is not None
    assert again.process.pid not in old
    daemon.client().ask(PauseJob(id=job.id))
    daemon.wait_state(job.id, "paused")
    eventually(lambda: not ours(daemon), 20)


def test_a_process_that_a_killed_daemon_had_just_begun_is_ended(make: Make, tmp_path: Path) -> None:
    """Between the beginning of a process and the line that tells of it."""
    daemon = make(SLOWLY)
    job = add(daemon, tmp_path, stash=True)
    daemon.kill()
    folder = daemon.home.run_folder(job.id)
    folder.mkdir(parents=True, exist_ok=True)
    env = {**daemon.env, "LORAD_RUN_FOLDER": str(folder)}
    begun = subprocess.Popen(["sleep", "1000"], env=env, start_new_session=True)
    other = {**env, "LORAD_RUN_FOLDER": str(tmp_path / "another home" / "runs" / "1")}
    stranger = subprocess.Popen(["sleep", "1000"], env=other, start_new_session=True)
    try:
        daemon.start()
        assert begun.wait(20) == -signal.SIGKILL
        assert stranger.poll() is None
    finally:
        for process in (begun, stranger):
            process.kill()
            process.wait()


# -- the machine is started again ------------------------------------------------------------------


def reboot(daemon: Daemon, *, politely: bool = False) -> None:
    """All processes go, and the kernel has another name for its life."""
    if politely:  # as init does: everybody is told, and the daemon goes at once
        assert daemon.process is not None
        daemon.process.terminate()
        daemon.process.wait(20)
        for process in ours(daemon):
            process.terminate()
        eventually(lambda: not ours(daemon), 30)
    else:
        daemon.kill()
        for process in ours(daemon):
            process.kill()
    daemon.env["LORAD_FAKE_BOOT"] = uuid.uuid4().hex
    daemon.start()


@pytest.mark.parametrize("politely", [False, True])
def test_after_a_reboot_a_job_goes_on_by_itself(make: Make, tmp_path: Path, politely: bool) -> None:
    daemon = make(SLOWLY, LORAD_FAKE_GPUS="2")
    job, waits = add(daemon, tmp_path), add(daemon, tmp_path, after_reboot="pause")
    for one in (job, waits):
        daemon.wait_step(one.id, 3)
    reboot(daemon, politely=politely)
    before = len(steps(job))
    eventually(lambda: len(steps(job)) > before, 30)
    taken = steps(job)
    assert [step for _, step in taken] == list(range(1, len(taken) + 1)), "a step was taken twice"
    assert len({pid for pid, _ in taken}) == 2
    paused = daemon.wait_state(waits.id, "paused")
    assert paused.status.cause == "the machine was started again"
    # It stays so: that a daemon comes back is no reason to go on.
    daemon.kill()
    daemon.start()
    daemon.wait_state(job.id, "running")
    assert daemon.job(waits.id).state == "paused"
    history = history_of(daemon, job.id)
    went_on = ("paused", "resume", "queued") if politely else ("running", "died", "queued")
    assert went_on in history


def history_of(daemon: Daemon, job_id: int) -> list[tuple[str, str, str]]:
    with sqlite3.connect(f"file:{daemon.home.database}?mode=ro", uri=True) as db:
        found = db.execute(
            "SELECT before, event, after FROM transitions WHERE job = ? ORDER BY number", (job_id,)
        ).fetchall()
    db.close()
    return found


def test_a_held_job_waits_after_a_reboot_as_before(make: Make, tmp_path: Path) -> None:
    daemon = make(SLOWLY)
    job = daemon.wait_step(add(daemon, tmp_path).id, 2)
    daemon.client().ask(HoldJob(id=job.id))
    reboot(daemon)
    assert daemon.wait_state(job.id, "paused").status.cause
    assert daemon.job(job.id).state == "paused"


@pytest.mark.proof
def test_down_before_a_reboot_is_taken_up_as_each_job_wants(make: Make, tmp_path: Path) -> None:
    daemon = make(SLOWLY, LORAD_FAKE_GPUS="2")
    job, waits = add(daemon, tmp_path), add(daemon, tmp_path, after_reboot="pause")
    for one in (job, waits):
        daemon.wait_step(one.id, 2)
    daemon.client().ask(ShutDown())
    assert daemon.process is not None
    assert daemon.process.wait(60) == 0
    daemon.env["LORAD_FAKE_BOOT"] = "another boot"
    for _ in range(2):
        daemon.start()
        daemon.wait_state(job.id, "running")
        assert daemon.job(waits.id).status.cause == "the machine was started again"
        daemon.kill()
    daemon.start()
    # Without a reboot the same job is taken up like any other.
    daemon.client().ask(ResumeJob(id=waits.id))
    daemon.wait_state(waits.id, "running")
    daemon.client().ask(ShutDown())
    assert daemon.process.wait(60) == 0
    daemon.start()
    daemon.wait_state(waits.id, "running")


def test_a_daemon_that_is_killed_while_it_goes_down_is_finished_by_the_next(
    make: Make, tmp_path: Path
) -> None:
    leave = 'return EndReport(outcome="yielded")'
    daemon = make(SLOWLY.replace(leave, f"time.sleep(1); {leave}"))
    job = daemon.wait_step(add(daemon, tmp_path).id, 2)
    daemon.client().ask(ShutDown())
    eventually(lambda: daemon.job(job.id).state == "pausing")
    daemon.kill()
    daemon.start()
    first = job.process
    eventually(lambda: daemon.job(job.id).process not in (None, first), 30)
    assert history_of(daemon, job.id).count(("paused", "resume", "queued")) == 1
