"""Many short jobs, killed at random, for minutes or hours: nothing is lost, nothing piles up."""

from __future__ import annotations

import contextlib
import random
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from support import SOAK, Daemon, eventually

from lorad.daemon.store import Store
from lorad.daemon.store.replay import check_log
from lorad.shared.client import Client
from lorad.shared.jobs import Done, Ended, Job
from lorad.shared.messages import AddJob, GetMetrics, GetStatus, RemoveJob

from .scripted import RECIPE, Make
from .test_dying import QUICKLY, STEPS, ours, steps

SEED = 20261124
SECONDS = 180 * SOAK
WAITING = 4
"""Jobs that are in the queue at any time."""
KILL_SECONDS = 1.5
GROWTH_MIB = 4.0
"""What the memory may be more in the last third than in the one before: the allocator's noise."""
GROWTH_FILES = 2


@dataclass
class Tally:
    """What was done and seen."""

    done: int = 0
    killed: int = 0
    memory: list[float] = field(default_factory=list)
    """MiB, once a second."""
    files: list[int] = field(default_factory=list)

    def see(self, process: psutil.Process) -> None:
        """Look at the daemon."""
        self.memory.append(process.memory_info().rss / 2**20)
        self.files.append(process.num_fds())

    def growth(self, values: list[float] | list[int]) -> float:
        """The last third over the one before it; the first one is the start."""
        third = len(values) // 3
        return statistics.median(values[-third:]) - statistics.median(values[third : 2 * third])


def take(client: Client, job: Job) -> None:
    """See that a job took all its steps in order, each of which is known; forget it."""
    assert isinstance(job.status, Done), job.status
    assert [step for _, step in steps(job)] == list(range(1, STEPS + 1))
    points = client.ask(GetMetrics(id=job.id)).points
    assert [point.step for point in points] == list(range(1, STEPS + 1))
    client.ask(RemoveJob(id=job.id))


def soak(daemon: Daemon, folder: Path, seconds: float) -> Tally:
    chance, tally, client = random.Random(SEED), Tally(), daemon.client()
    assert daemon.process is not None
    process = psutil.Process(daemon.process.pid)
    end = time.monotonic() + seconds
    look = kill = 0.0
    recipe = RECIPE.format(train="")
    while (now := time.monotonic()) < end:
        jobs = client.ask(GetStatus()).jobs
        for job in jobs:
            if isinstance(job.status, Ended):
                take(client, job)
                tally.done += 1
        if len(jobs) < WAITING:
            client.ask(AddJob(recipe=recipe, folder=str(folder)))
        # One that is killed three times before it could save anything fails, as it should.
        running = [job.process.pid for job in jobs if job.state == "running" and job.process]
        if running and now > kill:
            kill = now + chance.expovariate(1 / KILL_SECONDS)
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(chance.choice(running)).kill()
                tally.killed += 1
        if now > look:
            look = now + 1.0
            tally.see(process)
        time.sleep(0.05)
    return tally


@pytest.mark.proof
@pytest.mark.timeout(0)
def test_nothing_piles_up_and_nothing_is_lost(make: Make, tmp_path: Path) -> None:
    daemon = make(QUICKLY, LORAD_FAKE_GPUS="2")
    tally = soak(daemon, tmp_path, SECONDS)
    client = daemon.client()
    for job in client.ask(GetStatus()).jobs:
        take(client, daemon.wait_state(job.id, "done", timeout=300))
        tally.done += 1
    eventually(lambda: not ours(daemon), 20)
    memory, files = tally.growth(tally.memory), tally.growth(tally.files)
    print(
        f"\nseed {SEED}: {SECONDS} s, {tally.done} jobs done, {tally.killed} runs killed; memory"
        f" {tally.memory[-1]:.0f} MiB, {memory:+.1f} in the last third; open files"
        f" {tally.files[-1]}, {files:+.0f}"
    )
    assert tally.killed
    assert memory <= GROWTH_MIB
    assert files <= GROWTH_FILES
    daemon.kill()
    store = Store(daemon.home.database)
    assert check_log(store) == []
    store.close()
