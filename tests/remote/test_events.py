"""`lorad events`: every line once, in order, over restarts and lost events."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.conftest import SCRIPT
from support import Daemon, eventually

from lorad.shared.client import Client
from lorad.shared.messages import (
    AddJob,
    GetNews,
    Happened,
    RemoveJob,
    SetPriority,
)
from lorad.shared.watch import Heard, Watch
from lorad.tui.commands import events

RECIPE = 'name = "mono"\n[data]\npath = "pictures"\n[train]\nmax_train_steps = 5\n'


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path / "home")
    daemon.start()
    yield daemon
    daemon.stop()


def add(daemon: Daemon, folder: Path) -> int:
    request = AddJob(recipe=RECIPE, folder=str(folder), stash=True)
    return daemon.client().ask(request).job.id


def lines(daemon: Daemon, *words: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [str(SCRIPT), "events", *words],
        env=daemon.env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_happened_a_line_each(daemon: Daemon, tmp_path: Path) -> None:
    client = daemon.client()
    first, second = add(daemon, tmp_path), add(daemon, tmp_path)
    client.ask(SetPriority(id=first, priority=3))
    client.ask(RemoveJob(id=second))
    told = lines(daemon)
    assert [(one["seq"], one["event"], one["id"]) for one in told] == [
        (1, "add", 1), (2, "add", 2), (3, "priority", 1), (4, "rm", 2),
    ]  # fmt: skip
    assert told[0].pop("actor").startswith("test ")
    assert told[0] | {"time": 0} == {
        "schema": 1, "seq": 1, "time": 0, "id": 1, "name": "mono", "event": "add",
        "before": None, "after": "stashed", "text": None,
    }  # fmt: skip
    assert [one["seq"] for one in lines(daemon, "--since", "2")] == [3, 4]
    assert [one["seq"] for one in lines(daemon, "1")] == [1, 3]
    assert [one["seq"] for one in lines(daemon, "--since", "1h", "2")] == [2, 4]
    assert lines(daemon, "--since", "2099-01-01") == []


def test_it_follows_over_a_restart_and_ends_with_its_reader(daemon: Daemon, tmp_path: Path) -> None:
    add(daemon, tmp_path)
    with subprocess.Popen(
        [str(SCRIPT), "events", "-f", "--since", "0"],
        env=daemon.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["seq"] == 1
        daemon.kill()
        daemon.start()
        client = daemon.client()
        client.ask(SetPriority(id=1, priority=1))
        client.ask(SetPriority(id=1, priority=2))
        assert [json.loads(process.stdout.readline())["seq"] for _ in range(2)] == [2, 3]
        process.stdout.close()
        assert process.wait(60) == 0, "nothing more happens, and still it ends"


def test_what_was_lost_on_the_way_is_asked_for(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every second event is thrown away, as a full socket does."""
    id = add(daemon, tmp_path)
    receive, count = Watch.receive, [0]

    def lossy(watch: Watch, timeout: float) -> Heard | None:
        heard = receive(watch, timeout)
        if heard is not None and isinstance(heard.event, Happened):
            count[0] += 1
            if count[0] % 2:
                return receive(watch, timeout)
        return heard

    monkeypatch.setattr(Watch, "receive", lossy)
    monkeypatch.setattr(events, "_end_unread", lambda: None)
    seen: list[int] = []

    def read() -> None:
        with Client(daemon.home) as follower:
            for line in events.follow(follower, 0, 0.0):
                seen.append(line.number)
                if line.event == "rm":
                    return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    client = daemon.client()
    eventually(lambda: seen == [1], 10)
    for number in range(1, 20):
        client.ask(SetPriority(id=id, priority=number))
        # Every other one is lost: the next one shows it, or a beat where none follows.
        eventually(lambda wanted=number: len(seen) > wanted or wanted % 3, 10)
    client.ask(RemoveJob(id=id))
    reader.join(20)
    assert not reader.is_alive()
    assert count[0] >= 5, "events were thrown away"
    assert seen == list(range(1, client.ask(GetNews()).head + 1))


def test_a_wrong_place_to_begin_is_told(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(SCRIPT), "events", "--since", "yesterday"],
        env={**os.environ, "LORAD_HOME": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "is no place to begin" in done.stderr


def test_news_are_told_only_when_they_are_stored(daemon: Daemon, tmp_path: Path) -> None:
    client = daemon.client()
    watch = client.watch("news/")
    watch.wait_attached(60)
    id = add(daemon, tmp_path)
    heard = eventually(lambda: watch.receive(1), 10)
    assert isinstance(heard.event, Happened)
    assert (heard.event.happening.id, heard.event.happening.event) == (id, "add")
    watch.close()
