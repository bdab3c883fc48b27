"""Who did what: every command leaves a line with its change, and a refused one says why."""

from __future__ import annotations

import getpass
import os
import socket
import sqlite3
from pathlib import Path

import pytest
from support import Daemon, eventually

from lorad.daemon.store import Store, news
from lorad.shared.errors import RequestRefused
from lorad.shared.messages import (
    AddGroup,
    Batch,
    CancelJob,
    CopyJob,
    Drain,
    EnqueueJob,
    GetNews,
    Happening,
    HoldJob,
    MoveJob,
    PauseGroup,
    PauseJob,
    RemoveGroup,
    RemoveJob,
    Request,
    RestartJob,
    ResumeGroup,
    ResumeJob,
    SaveJob,
    SetGroup,
    SetJob,
    SetPriority,
    ShutDown,
    StashJob,
    Undo,
    UpdateJob,
)

from .scripted import WAIT, Make, add

ME = f"test {getpass.getuser()}@{socket.gethostname()}:{os.getpid()}"


def lines(daemon: Daemon) -> list[Happening]:
    return daemon.client().ask(GetNews()).happenings


def test_every_command_that_changes_something_leaves_a_line(make: Make, tmp_path: Path) -> None:
    daemon = make(WAIT)
    job = add(daemon, tmp_path)
    daemon.wait_state(job.id, "running")
    other = add(daemon, tmp_path)
    commands: list[tuple[Request, str]] = [
        (SetPriority(id=other.id, priority=2), "priority"),
        (add_second(daemon, tmp_path, other.id), "move"),
        (SetJob(id=other.id, changes={"train.learning_rate": "0.1"}), "set"),
        (UpdateJob(id=other.id, after=(job.id,)), "update"),
        (StashJob(id=other.id), "stash"),
        (EnqueueJob(id=other.id), "enqueue"),
        (Undo(), "undo"),
        (CopyJob(id=other.id), "add"),
        (SaveJob(id=job.id), "save"),
        (HoldJob(id=job.id), "hold"),
        (ResumeJob(id=job.id), "resume"),
        (AddGroup(name="fine", slots=2), "add_group"),
        (SetGroup(name="fine", slots=3), "set_group"),
        (PauseGroup(name="fine"), "pause_group"),
        (ResumeGroup(name="fine"), "resume_group"),
        (RemoveGroup(name="fine"), "remove_group"),
        (Drain(), "drain"),
        (PauseJob(id=job.id), "pause"),
    ]
    for command, event in commands:
        head = lines(daemon)[-1].number
        daemon.client().ask(command)
        told = [line for line in lines(daemon) if line.number > head and line.actor == ME]
        assert [line.event for line in told] == [event], command
    daemon.wait_state(job.id, "paused")
    for command, event in (
        (RestartJob(id=job.id), "restart"),
        (CancelJob(id=job.id), "cancel"),
        (RemoveJob(id=job.id), "rm"),
    ):
        if event == "rm":
            daemon.client().ask(UpdateJob(id=other.id, after=()))
        daemon.client().ask(command)
        assert (lines(daemon)[-1].event, lines(daemon)[-1].actor) == (event, ME)
    groups = [line for line in lines(daemon) if line.event == "set_group"]
    assert groups[0].text == ("name = fine, slots = 3, gpus = unchanged, on_failure = unchanged")
    assert groups[0].id == 0


def add_second(daemon: Daemon, folder: Path, other: int) -> MoveJob:
    add(daemon, folder)
    return MoveJob(id=other, to=2)


def test_a_refused_command_is_told_with_its_sentence(make: Make, tmp_path: Path) -> None:
    daemon = make(WAIT)
    client = daemon.client()
    job = add(daemon, tmp_path)
    daemon.wait_state(job.id, "running")
    for command in (
        EnqueueJob(id=job.id),
        PauseJob(id=99),
        AddGroup(name="default"),
        Batch(requests=[StashJob(id=job.id)]),
    ):
        before = lines(daemon)
        with pytest.raises(RequestRefused) as refused:
            client.ask(command)
        last = lines(daemon)[-1]
        assert (last.event, last.actor) == ("refused", ME)
        assert last.text.endswith(f": {refused.value}")
        assert last.before == last.after
        assert lines(daemon)[:-1] == before
    told = [(line.id, line.text.split(":")[0]) for line in lines(daemon)[-4:]]
    assert told == [(job.id, "enqueue_job"), (0, "pause_job"), (0, "add_group"), (0, "batch")]


def test_who_ended_the_daemon_is_known_to_the_next(make: Make) -> None:
    daemon = make(WAIT)
    daemon.client().ask(ShutDown(leave_runs=True))
    eventually(lambda: daemon.home.daemon_pid() is None)
    with sqlite3.connect(daemon.home.database) as db:
        row = db.execute("SELECT event, cause, actor FROM transitions").fetchall()[-1]
    assert row == ("shut_down", "leave_runs = yes", ME)


def test_refusals_do_not_fill_the_disk(tmp_path: Path) -> None:
    store = Store(tmp_path / "q.db")
    store.happened(0, "drain", "", "a")
    for number in range(news.MAX_REFUSED + 3 * news.REFUSED_SLACK):
        store.refused(0, f"pause_job: {number}", "a")
    kept = store.news(GetNews(limit=10_000))
    assert len(kept) <= news.MAX_REFUSED + news.REFUSED_SLACK + 1
    assert kept[0].event == "drain"
    assert kept[-1].text == f"pause_job: {number}"
    store.close()
