"""The link's thread with a daemon that really runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lorad.shared.endpoints import Home
from lorad.shared.errors import NoDaemon
from lorad.shared.messages import Added, AddJob, PauseJob, SetPriority, WhyJob
from lorad.shared.recipe import template
from lorad.tui.link import DaemonLink
from lorad.tui.messages import Answered, Declined, News

SOON = 60.0


class Daemon:
    """A daemon process of this test's own."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lorad.daemon"],
            env={**os.environ, "LORAD_HOME": str(self.home.folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(SOON)


class Listener:
    """Keeps what a link posts."""

    def __init__(self, link: DaemonLink) -> None:
        self.link = link
        self.posted: list[object] = []

    def start(self) -> None:
        self.link.start(self.posted.append)

    def until(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SOON
        while not reached():
            assert time.monotonic() < deadline, self.link.take()
            time.sleep(0.01)

    def answers(self) -> list[Answered | Declined]:
        return [message for message in self.posted if isinstance(message, Answered | Declined)]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path, tmp_path, tmp_path / "cache")


@pytest.fixture
def daemon(home: Home) -> Iterator[Daemon]:
    daemon = Daemon(home)
    daemon.start()
    yield daemon
    daemon.end()


@pytest.fixture
def listener(home: Home) -> Iterator[Listener]:
    listener = Listener(DaemonLink(home))
    yield listener
    if listener.link._thread.is_alive():
        listener.link.stop()
    assert not listener.link._thread.is_alive()


def recipe(folder: Path) -> AddJob:
    return AddJob(recipe=template("cats", "cats.toml"), folder=str(folder), stash=True)


def test_attach_ask_and_be_refused(daemon: Daemon, listener: Listener, tmp_path: Path) -> None:
    link = listener.link
    listener.start()
    listener.until(lambda: link.take().daemon is not None)
    link.ask(recipe(tmp_path))
    listener.until(lambda: 1 in link.take().jobs)
    link.select(1)
    listener.until(lambda: (detail := link.take().detail) is not None and detail.loaded)
    link.ask(SetPriority(id=1, priority=3))
    link.ask(PauseJob(id=1))
    link.ask(WhyJob(id=99))
    listener.until(lambda: len(listener.answers()) == 4)
    added, changed, paused, unknown = listener.answers()
    assert isinstance(added, Answered)
    assert isinstance(added.reply, Added)
    assert isinstance(changed, Answered)
    assert isinstance(paused, Declined)
    assert "cannot be paused" in paused.sentence
    assert isinstance(unknown, Declined)
    listener.until(lambda: link.take().jobs[1].priority == 3)


def test_news_come_one_at_a_time(daemon: Daemon, listener: Listener, tmp_path: Path) -> None:
    link = listener.link
    listener.start()
    listener.until(lambda: link.take().daemon is not None)
    time.sleep(1.5)
    before = len(listener.posted)
    time.sleep(2.0)  # beats and gauges go on, and nobody takes the mirror
    assert len(listener.posted) == before
    assert isinstance(listener.posted[-1], News)
    link.take()
    listener.until(lambda: len(listener.posted) == before + 1)


def test_a_killed_daemon_is_noticed_and_the_next_one_found(
    daemon: Daemon, listener: Listener, tmp_path: Path
) -> None:
    link = listener.link
    listener.start()
    listener.until(lambda: link.take().daemon is not None)
    link.ask(recipe(tmp_path))
    listener.until(lambda: 1 in link.take().jobs)
    link.select(1)
    first = link.take().daemon
    daemon.end(signal.SIGKILL)
    listener.until(lambda: link.take().stale_since is not None)
    listener.until(lambda: link.take().none_runs)
    assert 1 in link.take().jobs  # what was known stays
    link.ask(WhyJob(id=1))
    listener.until(lambda: any(isinstance(m, Declined) for m in listener.answers()))
    assert listener.answers()[-1].sentence == str(NoDaemon())  # type: ignore[union-attr]
    daemon.start()
    listener.until(lambda: link.take().stale_since is None)
    listener.until(lambda: (detail := link.take().detail) is not None and detail.loaded)
    assert first is not None
    assert link.take().daemon != first
    (absence,) = link.take().absences
    assert (absence.trouble, absence.other) == (str(NoDaemon()), True)
    assert absence.until is not None
    assert 1 in link.take().jobs


def test_without_a_daemon_it_waits_and_ends_at_once(listener: Listener) -> None:
    listener.start()
    listener.until(lambda: listener.link.take().stale_since is not None)
    begun = time.monotonic()
    listener.link.stop()
    assert time.monotonic() - begun < 1.0


def test_an_app_that_is_gone_ends_the_thread(daemon: Daemon, home: Home) -> None:
    link = DaemonLink(home)

    def closed(message: object) -> None:
        raise RuntimeError("Event loop is closed")

    link._stopping.clear()
    link.start(lambda message: (link._stopping.set(), closed(message)))
    link._thread.join(SOON)
    assert not link._thread.is_alive()


def test_what_nobody_foresaw_is_told_and_tried_again(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[bool] = []

    def check(home: Home) -> None:
        tries.append(True)
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Home, "check", check)
    listener = Listener(DaemonLink(home))
    link = listener.link
    link.ask(WhyJob(id=1))
    listener.start()
    try:
        listener.until(lambda: len(tries) > 1)
        assert "FileNotFoundError" in link.take().trouble
        (declined,) = listener.answers()
        assert isinstance(declined, Declined)
        assert "Something unexpected" in declined.sentence
    finally:
        link.stop()
