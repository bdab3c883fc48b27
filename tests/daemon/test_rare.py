"""What comes rarely: last words without a daemon, a box without processes, requests of scripts."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
from support import eventually

from lorad.daemon import runs
from lorad.daemon.run import Redacting
from lorad.daemon.telemetry.owners import Owners
from lorad.shared.jobs import GpuProcess, Job
from lorad.shared.messages import (
    AddJob,
    Batch,
    Batched,
    CancelJob,
    EndReport,
    EnqueueJob,
    FinishReport,
    GetStatus,
    HoldJob,
    ListFiles,
    ReadyReport,
    RemoveJob,
    RestartJob,
    ResumeJob,
    SavedReport,
    SetJob,
    Status,
    Undo,
    Undone,
    UpdateJob,
    Why,
    WhyJob,
)

from .simulated import RECIPE, Machine, Processes, Run


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path, 1)
    made.start()
    yield made
    made.close()


def begun(machine: Machine) -> Run:
    """The one run, when it has said that it trains."""
    (run,) = machine.working()
    run.say(ReadyReport(step=1, last_step=100))
    machine.turn()
    return run


def stands(machine: Machine, job: Job) -> Job:
    reply = machine.ask(GetStatus())
    assert isinstance(reply, Status)
    return next(one for one in reply.jobs if one.id == job.id)


def refused(machine: Machine, request: object) -> str:
    reply = machine.ask(request)  # type: ignore[arg-type]
    assert getattr(reply, "kind", "") not in ("", "DaemonError"), reply
    return str(getattr(reply, "message", ""))


# -- runs --------------------------------------------------------------------------------------


def test_last_words_that_no_daemon_heard_do_not_end_the_next_run(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = machine.add()
    run = begun(machine)
    machine.kill()
    run.say(EndReport(outcome="left", reason="The disk was full."))
    run.die()
    machine.start()
    assert stands(machine, job).state == "paused"
    machine.ask(ResumeJob(id=job.id))
    again = begun(machine)
    monkeypatch.setattr(runs, "EXIT_SECONDS", -1.0)  # the time is over
    assert machine.service is not None
    machine.service.runs.end_the_overdue()
    assert again.alive
    again.say(FinishReport(), EndReport(outcome="done"))
    machine.turn()
    machine.service.runs.end_the_overdue()
    assert not again.alive, "one that does not go after its own is ended"


def test_a_run_that_dies_again_and_again_behind_its_last_save_fails(machine: Machine) -> None:
    job = machine.add()
    for step in (1, 101, 101):
        (run,) = machine.working()
        run.say(ReadyReport(step=step, last_step=100), SavedReport(step=100))
        machine.turn()
        assert stands(machine, job).state == "running"
        run.die()
        machine.turn()
    assert stands(machine, job).state == "failed"


def test_a_step_that_is_saved_again_behind_a_damaged_checkpoint_counts(machine: Machine) -> None:
    job = machine.add()
    for step in (1, 101, 91, 101, 91):
        (run,) = machine.working()
        run.say(ReadyReport(step=step, last_step=100))
        machine.turn()
        if step == 91:
            assert stands(machine, job).progress.saved_step == 90
        run.say(SavedReport(step=100))
        machine.turn()
        run.die()
        machine.turn()
    assert stands(machine, job).state == "starting"


def test_a_held_run_that_fails_is_not_tried_again(machine: Machine) -> None:
    job = machine.add(retries=2)
    run = begun(machine)
    machine.ask(HoldJob(id=job.id))
    run.say(EndReport(outcome="failed", reason="It broke.", retryable=True))
    machine.turn()
    run.die()
    machine.turn()
    assert stands(machine, job).state == "failed"


@pytest.mark.parametrize("first", ["left", "cancel"])
def test_a_run_that_had_to_leave_while_it_was_cancelled_is_cancelled(
    machine: Machine, first: str
) -> None:
    job = machine.add()
    run = begun(machine)
    steps = [
        lambda: machine.ask(CancelJob(id=job.id)),
        lambda: run.say(EndReport(outcome="left", reason="The disk was full.")),
    ]
    for step in steps if first == "cancel" else reversed(steps):
        step()
        machine.turn()
    run.die()
    machine.turn()
    assert stands(machine, job).state == "cancelled"


@pytest.mark.parametrize(
    "lack", [errno.EAGAIN, errno.EMFILE, errno.ENOSPC, errno.ENOENT, errno.EACCES]
)
def test_a_box_that_can_start_nothing_now_fails_nobody(machine: Machine, lack: int) -> None:
    def spawn(*_: object) -> None:
        raise OSError(lack, os.strerror(lack))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Processes, "spawn", spawn)
        jobs = [machine.add(), machine.add()]
        assert [stands(machine, job).state for job in jobs] == ["queued", "queued"]
        why = machine.ask(WhyJob(id=jobs[0].id))
        assert isinstance(why, Why)
        assert f"can start no process now ({os.strerror(lack)})" in why.sentence
    machine.turn()
    assert stands(machine, jobs[0]).state == "starting"
    why = machine.ask(WhyJob(id=jobs[1].id))
    assert isinstance(why, Why)
    assert "no process" not in why.sentence


def test_a_job_that_could_not_be_started_was_not(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    def spawn(*_: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    job = machine.add(stash=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Processes, "spawn", spawn)
        machine.ask(EnqueueJob(id=job.id))
        for _ in range(5):
            machine.turn()
        said = [one.getMessage() for one in caplog.records if "no process" in one.getMessage()]
        assert len(said) == 1
        undone = machine.ask(Undo())
        assert isinstance(undone, Undone), undone
    assert stands(machine, job).state == "stashed"
    machine.ask(EnqueueJob(id=job.id))
    begun(machine)
    assert stands(machine, job).state == "running"


def test_a_full_disk_under_its_log_ends_no_run() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        out = Redacting(full)
        print("paused: the disk is full", file=out, flush=True)
        print("and more", file=out, flush=True)
        with contextlib.suppress(OSError):
            full.close()


def test_a_job_begun_again_has_another_life_though_the_clock_went_back(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine.service is not None
    store, job = machine.service.queue.store, machine.add(stash=True)
    machine.ask(CancelJob(id=job.id))
    before, then = store.life(job.id), time.time()
    monkeypatch.setattr(time, "time", lambda: then - 8 * 3600)
    machine.ask(RestartJob(id=job.id))
    assert stands(machine, job).state in ("queued", "starting")
    assert store.life(job.id) == then - 8 * 3600 != before


# -- requests ----------------------------------------------------------------------------------


def test_a_job_may_be_changed_and_removed_at_once(machine: Machine) -> None:
    job = machine.add(stash=True)
    both = (SetJob(id=job.id, changes={"train.max_train_steps": "50"}), RemoveJob(id=job.id))
    reply = machine.ask(Batch(requests=list(both)))
    assert isinstance(reply, Batched), reply
    assert len(reply.replies) == 2


@pytest.mark.parametrize("when", [1e20, -1.0, float("inf"), float("nan")])
def test_no_such_time(machine: Machine, when: float) -> None:
    job = machine.add(stash=True)
    add = AddJob(recipe=RECIPE, folder=str(machine.recipes), start_after=when)
    for request in (add, UpdateJob(id=job.id, start_after=when)):
        assert "no such time" in refused(machine, request)
    assert stands(machine, job).start_after is None


@pytest.mark.parametrize(
    ("recipe", "folder"),
    [
        (RECIPE, "/" + "a" * 5000),
        (RECIPE + '[output]\nfolder = "a\\u0000b"\n', ""),
        (RECIPE + f"[train]\nseed = {'9' * 5000}\n", ""),
    ],
    ids=["a long folder", "no character of a path", "a number without end"],
)
def test_what_no_box_can_hold_is_refused_with_a_sentence(
    machine: Machine, recipe: str, folder: str
) -> None:
    refused(machine, AddJob(recipe=recipe, folder=folder or str(machine.recipes)))


def test_a_number_without_end_is_no_value(machine: Machine) -> None:
    job = machine.add(stash=True)
    refused(machine, SetJob(id=job.id, changes={"train.max_train_steps": "9" * 5000}))


def test_a_file_whose_name_is_no_text_is_left_out(machine: Machine) -> None:
    job = machine.add()
    Path(job.folder, "whole.txt").touch()
    Path(os.fsdecode(os.fsencode(job.folder) + b"/caf\xe9.png")).touch()
    reply = machine.ask(ListFiles(id=job.id))
    assert [file.name for file in getattr(reply, "files", ())] == ["whole.txt"]


def test_a_process_whose_name_is_no_text_is_told() -> None:
    process = subprocess.Popen([b"\xff\xfebad", b"100"], executable="/bin/sleep")
    try:
        eventually(psutil.Process(process.pid).cmdline)
        (told,) = Owners("").named([GpuProcess(pid=process.pid, memory_bytes=1)])
    finally:
        process.kill()
        process.wait()
    assert told.name.endswith("bad")
    msgspec.msgpack.encode(told)
