"""Every named place is killed once: what comes of the job is as if nobody had."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from support import Daemon, eventually, small_recipe

from lorad.daemon.tools.outcome import Outcome, differences, outcome
from lorad.shared.errors import DaemonError
from lorad.shared.failpoints import DAEMON, RUN, VARIABLE
from lorad.shared.jobs import Job
from lorad.shared.messages import GetMetrics, GetSamples, GetStatus, ResumeJob, UpdateJob

pytestmark = pytest.mark.proof

STEPS = 4
PASSES = {"save.file": 9, "save.after_rename": 2, "save.before_rename": 2, "step.after_update": 3,
          "step.before_update": 3, "step.counted": 3, "journal.append": 4, "journal.appended": 4,
          "save.before_manifest": 2, "save.manifest": 2, "save.told": 2, "save.before_told": 2,
          "final.aside": 3, "final.placed": 4}  # fmt: skip
"""Which time a place is killed; the first one where nothing is said."""
COMMITS = (1, 2, 3, 4, 6, 9, 14)
"""Which changes of the queue are cut off: its being added, begun, ready, and its reports."""


@dataclass(frozen=True)
class Walk:
    """A daemon whose next run takes a fault from a file, and what a job comes to without one."""

    daemon: Daemon
    recipe: Path
    fault: Path
    wanted: Outcome


def came_to(daemon: Daemon, job: Job) -> Outcome:
    """All that a finished job left and told."""
    client = daemon.client()
    metrics = client.ask(GetMetrics(id=job.id))
    pictures = client.ask(GetSamples(id=job.id)).pictures
    return outcome(Path(job.folder), metrics.points, metrics.validations, pictures)


def walked(folder: Path) -> Path:
    """A recipe that passes every place: average, held-out pictures, prompts, older checkpoints."""
    recipe = small_recipe(folder, steps=STEPS, checkpointing_steps=1, prompts='["cat face"]')
    text = recipe.read_text().replace("[train]", "[train]\nema_decay = 0.9")
    recipe.write_text(text + "[validate]\nsplit = 0.2\nevery_n_steps = 2\n")
    return recipe


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    folder = tmp_path_factory.mktemp("walk")
    fault = folder / "fault"
    daemon = Daemon(folder / "home", **{VARIABLE: f"@{fault}"})
    daemon.start()
    recipe = walked(folder)
    job = daemon.wait_state(daemon.add(recipe).id, "done")
    yield Walk(daemon, recipe, fault, came_to(daemon, job))
    daemon.stop()


def deaths(daemon: Daemon, job_id: int) -> int:
    """How often the job's run died."""
    with sqlite3.connect(daemon.home.database) as db:
        asked = "SELECT count(*) FROM transitions WHERE job = ? AND event = 'died'"
        return int(db.execute(asked, (job_id,)).fetchone()[0])


def runs_of(daemon: Daemon) -> list[int]:
    """The processes of its runs."""
    found, mark = [], str(daemon.home.folder)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            own = process.environ().get("LORAD_RUN_FOLDER", "").startswith(mark)
            if own and "lorad.daemon.run" in process.cmdline():
                found.append(process.pid)
    return found


@pytest.mark.parametrize("name", RUN)
def test_a_run_that_is_killed_there_comes_to_the_same(walk: Walk, name: str) -> None:
    if name.startswith("encode"):
        shutil.rmtree(walk.daemon.home.cache)
    walk.fault.write_text(f"{name}:kill@{PASSES.get(name, 1)}")
    job = walk.daemon.wait_state(walk.daemon.add(walk.recipe).id, "done")
    assert not walk.fault.exists()
    # One that is killed after its last word may have been heard.
    assert deaths(walk.daemon, job.id) == 1 or name == "end.told"
    assert differences(walk.wanted, came_to(walk.daemon, job)) == []


def times(name: str) -> tuple[int, ...]:
    return COMMITS if name.startswith("store") else (1,)


def died(daemon: Daemon) -> bool:
    """Whether it did; where reports came together, more changes of the queue are asked for."""
    assert daemon.process is not None
    with contextlib.suppress(DaemonError):
        client = daemon.client()
        if any(job.state == "done" for job in client.ask(GetStatus()).jobs):
            client.ask(UpdateJob(id=1, retries=0))
    return daemon.process.poll() is not None


@pytest.mark.parametrize(
    ("name", "time"), [(name, time) for name in DAEMON for time in times(name)]
)
def test_a_daemon_that_is_killed_there_loses_nothing(
    walk: Walk, tmp_path: Path, name: str, time: int
) -> None:
    # The first transaction of a daemon is its start's own.
    passing = time + 1 if name.startswith("store") else time
    daemon = Daemon(tmp_path / "home", **{VARIABLE: f"{name}:kill@{passing}"})
    daemon.start()
    shutil.copytree(walk.daemon.home.cache, daemon.home.cache)
    with contextlib.suppress(DaemonError):  # killed while it was asked: it promised nothing
        daemon.add(walk.recipe)
    eventually(lambda: died(daemon), 120)
    del daemon.env[VARIABLE]
    daemon.start()
    known = daemon.client().ask(GetStatus()).jobs
    if not known:
        assert (name, time) == ("store.before_commit", 1)
    job = known[0] if known else daemon.add(walk.recipe)
    job = daemon.wait_state(job.id, "starting", "running", "finishing", "done")
    if job.process is not None:  # of one that began and was never stored, nothing is left
        assert set(runs_of(daemon)) <= {job.process.pid}
    job = daemon.wait_state(job.id, "done")
    assert differences(walk.wanted, came_to(daemon, job)) == []
    assert len(daemon.client().ask(GetStatus()).jobs) == 1
    assert not runs_of(daemon)
    daemon.stop()


@pytest.mark.parametrize("fault", ["enospc", "eio", "short"])
def test_a_journal_that_cannot_be_written_loses_no_report(walk: Walk, fault: str) -> None:
    walk.fault.write_text(f"journal.append:{fault}@3")
    job = walk.daemon.wait_state(walk.daemon.add(walk.recipe).id, "done")
    assert not walk.fault.exists()
    assert "the journal cannot be written" in walk.daemon.home.log(job.id).read_text()
    assert differences(walk.wanted, came_to(walk.daemon, job)) == []


@pytest.mark.parametrize("fault", ["enospc", "eio"])
def test_a_cache_that_cannot_be_written_costs_no_step(walk: Walk, fault: str) -> None:
    shutil.rmtree(walk.daemon.home.cache)
    walk.fault.write_text(f"encode.aside:{fault}")
    job = walk.daemon.wait_state(walk.daemon.add(walk.recipe).id, "paused", "done")
    assert (job.state, walk.fault.exists()) == ("done", False)
    assert "not cached" in walk.daemon.home.log(job.id).read_text()
    assert differences(walk.wanted, came_to(walk.daemon, job)) == []


def test_what_is_stored_needs_no_journal(walk: Walk) -> None:
    job = walk.daemon.wait_state(walk.daemon.add(walk.recipe).id, "done")
    folder = walk.daemon.home.run_folder(job.id)
    eventually(lambda: {path.name for path in folder.iterdir()} == {"log.txt", "stacks.txt"})


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("save.file:enospc@8", "is full: "),
        ("save.manifest:eio@2", "fails: Input/output error"),
        ("save.file:short@7", "not all of it has arrived"),
        ("preview.aside:eio", "fails: Input/output error"),
    ],
)
def test_a_disk_that_fails_pauses_the_job_and_a_resume_comes_to_the_same(
    walk: Walk, fault: str, words: str
) -> None:
    walk.fault.write_text(fault)
    job = walk.daemon.wait_state(walk.daemon.add(walk.recipe).id, "paused", "done")
    assert words in job.status.cause
    assert "lorad resume" in job.status.cause
    walk.daemon.client().ask(ResumeJob(id=job.id))
    job = walk.daemon.wait_state(job.id, "done")
    assert differences(walk.wanted, came_to(walk.daemon, job)) == []
