"""What many tests need: a daemon of their own, small recipes, and patience for conditions."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from lorad.shared import shipped
from lorad.shared.client import Client
from lorad.shared.endpoints import Home, find_home
from lorad.shared.errors import DaemonError
from lorad.shared.jobs import Job
from lorad.shared.messages import AddJob
from lorad.shared.recipe import Recipe

if TYPE_CHECKING:
    from lorad.daemon.training.data.item import Item

T = TypeVar("T")

RECIPE = """
name = "small"
[data]
path = "pictures"
[lora]
rank = 4
[train]
max_train_steps = {steps}
train_batch_size = 2
resolution = 64
learning_rate = 1e-3
seed = 7
checkpointing_steps = {checkpointing_steps}
[sample]
prompts = {prompts}
every_n_steps = 0
num_inference_steps = 2
guidance_scale = 4.0
"""


SOAK = int(os.environ.get("LORAD_SOAK", "1"))
"""How often the counts of `make proof` are taken; `make soak` says more."""
PATIENCE = 60.0
"""Seconds; a shorter limit would only fail where the machine is busy."""


def eventually(ask: Callable[[], T], timeout: float = PATIENCE) -> T:
    """What `ask` answers once that is truthy."""
    deadline = time.monotonic() + (timeout := max(timeout, PATIENCE))
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {ask}, last answer {answer!r}")
        time.sleep(0.05)
    return answer


def small_data(folder: Path, count: int = 6) -> Path:
    """A few of the demo's pictures, with their captions."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    lines = (shipped.DEMO / "pictures" / "metadata.csv").read_text().splitlines()
    for line in lines[1 : count + 1]:
        shutil.copy(shipped.DEMO / "pictures" / line.split(",")[0], pictures)
    (pictures / "metadata.csv").write_text("\n".join(lines[: count + 1]) + "\n")
    return pictures


def small_recipe(
    folder: Path, *, steps: int = 6, checkpointing_steps: int = 3, prompts: str = "[]"
) -> Path:
    """A recipe that trains in seconds, with its data beside it."""
    if not (folder / "pictures").exists():
        small_data(folder)
    path = folder / "small.toml"
    path.write_text(
        RECIPE.format(steps=steps, checkpointing_steps=checkpointing_steps, prompts=prompts)
    )
    return path


def quick(count: int, cases: Iterable[object]) -> list[object]:
    """The first so many of them for `make test`, the others for `make proof`."""
    every = list(cases)
    return [*every[:count], *(pytest.param(one, marks=pytest.mark.proof) for one in every[count:])]


def find_items(recipe: Recipe, folder: Path) -> list[Item]:
    """The pictures of a recipe; notes are logged, the first problem is raised."""
    from lorad.daemon.training.data import collect
    from lorad.daemon.training.data.item import Findings

    items = collect(recipe, folder, findings := Findings())
    for note in findings.notes:
        logging.info("%s", note)
    if findings.problems:
        raise findings.problems[0]
    return items


class Daemon:
    """A real daemon in a folder of its own."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.env = {**os.environ, "LORAD_HOME": str(folder), **env}
        self.process: subprocess.Popen[bytes] | None = None
        self._clients: list[Client] = []

    @property
    def home(self) -> Home:
        before = os.environ.get("LORAD_HOME")
        os.environ["LORAD_HOME"] = self.env["LORAD_HOME"]
        try:
            return find_home()
        finally:
            if before is None:
                del os.environ["LORAD_HOME"]
            else:
                os.environ["LORAD_HOME"] = before

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lorad.daemon"], env=self.env, stdin=subprocess.DEVNULL
        )
        eventually(self._answers)

    def _answers(self) -> bool:
        try:
            with Client(self.home) as client:
                client.greet()
        except DaemonError:
            return False
        return True

    def client(self) -> Client:
        client = Client(self.home, name="test")
        self._clients.append(client)
        return client

    def add(self, recipe: Path, **more: object) -> Job:
        request = AddJob(recipe=recipe.read_text(), folder=str(recipe.parent), **more)
        return self.client().ask(request).job

    def job(self, job_id: int) -> Job:
        return self.client().job(job_id)

    def wait_state(self, job_id: int, *states: str, timeout: float = 120.0) -> Job:
        client = self.client()

        def reached() -> Job | None:
            job = client.job(job_id)
            if job.state in ("failed", "cancelled") and job.state not in states:
                raise AssertionError(f"{job.status}\n{self.home.log(job_id).read_text()}")
            return job if job.state in states else None

        return eventually(reached, timeout)

    def wait_step(self, job_id: int, step: int) -> Job:
        client = self.client()

        def reached() -> Job | None:
            job = client.job(job_id)
            assert job.state not in ("failed", "cancelled"), job.status
            return job if job.progress.step >= step else None

        return eventually(reached, 120)

    def wait_saved(self, job_id: int, step: int) -> Job:
        client = self.client()

        def saved() -> Job | None:
            job = client.job(job_id)
            return job if (job.progress.saved_step or 0) >= step else None

        return eventually(saved, 120)

    def kill(self) -> None:
        """As the kernel does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it and every run of its."""
        for client in self._clients:
            client.close()
        if self.process is None:
            return
        try:
            with Client(self.home) as client:
                pids = [job.process.pid for job in _jobs(client) if job.process]
        except DaemonError:
            pids = []
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _jobs(client: Client) -> list[Job]:
    from lorad.shared.messages import GetStatus

    return client.ask(GetStatus()).jobs
