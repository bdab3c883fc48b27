"""A link that is slow, narrow, or cut: the dashboard stays usable and misses nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon.scripted import add, scripted
from relay import Weather
from support import Daemon

from lorad.shared.messages import (
    GetLog,
    GetMarks,
    GetMetrics,
    GetNotes,
    GetSamples,
    PauseJob,
    SetPriority,
    WhyJob,
)
from lorad.tui.filling import Filling
from lorad.tui.link import DaemonLink
from lorad.tui.messages import Answered
from lorad.tui.mirror import Mirror
from remote.places import Line, Viewer

BUSY = """
import itertools, zlib

def train(task, line, looking=None):
    line.report(ReadyReport(step=1, last_step=100000))
    thumb = zlib.compress(os.urandom(2000))
    for step in itertools.count(1):
        if line.wanted != "run":
            return "yielded"
        line.report(point(step))
        print(f"step {step}: all is well", flush=True)
        if step % 20 == 0:
            text = f"It noted something at step {step}."
            line.report(NoteReport(step=step, kind="changed", text=text))
            line.report(SampleReport(picture=SamplePicture(
                step=step, index=0, prompt="a cat", seed=1, sha256=str(step), path="/a.png",
                width=64, height=64, thumb_width=4, thumb_height=4, thumb=thumb)))
        time.sleep(0.05)
"""
"""About twenty steps a second, with all that a run can tell."""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = scripted(tmp_path, BUSY)
    add(daemon, tmp_path)
    daemon.wait_step(1, 25)
    yield daemon
    daemon.stop()


def whole(mirror: Mirror) -> bool:
    detail = mirror.detail
    return detail is not None and detail.loaded and bool(detail.log.lines and detail.samples)


def pause_and_compare(daemon: Daemon, viewer: Viewer) -> None:
    """Stop the stream; then what is shown must be what the store has, to the last of it."""
    viewer.link.ask(PauseJob(id=1))
    daemon.wait_state(1, "paused")
    client = daemon.client()
    points = []
    while more := client.ask(GetMetrics(id=1, after=len(points), limit=20000)).points:
        points += more
    log = client.ask(GetLog(id=1, offset=-16384))
    pictures = client.ask(GetSamples(id=1)).pictures
    notes = client.ask(GetNotes(id=1)).notes
    marks = client.ask(GetMarks(id=1)).marks

    def same(mirror: Mirror) -> bool:
        detail = mirror.detail
        return (
            mirror.jobs[1].state == "paused"
            and detail is not None
            and detail.curve("loss").last_step == points[-1].step
            and detail.log.next == log.next
            and set(detail.samples) == {(picture.step, 0) for picture in pictures}
            and detail.notes == tuple(notes)
            and set(detail.marks) == set(marks)
        )

    detail = viewer.until(same, 60).detail
    assert detail is not None
    steps = [column.step for column in detail.curve("loss").columns]
    assert steps == sorted(set(steps))
    seen = [int(line.split()[1][:-1]) for line in detail.log.lines if line.startswith("step ")]
    assert seen == list(range(seen[0], seen[-1] + 1)), "no line is missing"
    assert seen[-1] == points[-1].step
    assert [point.step for point in points] == list(range(1, points[-1].step + 1))


@pytest.mark.parametrize("how", ["silent", "dropped"])
def test_cut_off_under_load_and_nothing_is_missing_afterwards(
    daemon: Daemon, tmp_path: Path, how: str
) -> None:
    line = Line(daemon.home, tmp_path / "near", Weather(), patience=2.0)
    viewer = Viewer(DaemonLink(line.place, 1))
    before = viewer.until(whole).detail
    assert before is not None
    line.weather.cut.set()
    if how == "dropped":
        line.drop()
    viewer.until(lambda mirror: mirror.stale_since is not None)
    daemon.wait_step(1, before.curve("loss").last_step + 120)
    line.weather.cut.clear()
    viewer.until(lambda mirror: mirror.stale_since is None)
    pause_and_compare(daemon, viewer)
    viewer.link.stop()
    line.close()


def test_a_slow_link_is_usable(daemon: Daemon, tmp_path: Path) -> None:
    """300 ms and 200 kbit/s one way. A key is answered while all that was missing still comes."""
    line = Line(daemon.home, tmp_path / "near", Weather(delay=0.3, rate=25_000, buffer=16_384))
    viewer = Viewer(DaemonLink(line.place, 1))
    viewer.until(lambda mirror: 1 in mirror.jobs)
    for priority in range(5):
        viewer.link.ask(SetPriority(id=1, priority=priority))
        viewer.until(lambda mirror, n=priority: len(viewer.answers()) > n)
    assert all(isinstance(answer, Answered) for _, answer in viewer.answers())
    viewer.until(whole)
    pause_and_compare(daemon, viewer)
    viewer.link.stop()
    line.close()


def test_a_late_answer_makes_no_holes(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events that overtake an answer wait for it; else each answer would call for the next one."""
    holes: list[int] = []
    fill_points = Filling._fill_points

    def counted(filling: Filling, id: int, after: int) -> None:
        holes.append(after)
        fill_points(filling, id, after)

    monkeypatch.setattr(Filling, "_fill_points", counted)
    line = Line(daemon.home, tmp_path / "near", Weather(delay=0.3))
    viewer = Viewer(DaemonLink(line.place, 1))
    begun = viewer.until(whole).detail
    assert begun is not None
    daemon.wait_step(1, begun.curve("loss").last_step + 100)
    reached = daemon.job(1).progress.step
    viewer.until(lambda mirror: mirror.detail and mirror.detail.curve("loss").last_step >= reached)
    viewer.link.stop()
    line.close()
    assert len(holes) <= 1


def test_a_stall_breaks_nothing(daemon: Daemon, tmp_path: Path) -> None:
    """Shorter than the patience: the connection stays, what is shown is called stale meanwhile."""
    line = Line(daemon.home, tmp_path / "near", Weather(delay=0.05))
    viewer = Viewer(DaemonLink(line.place, 1))
    viewer.until(whole)
    epoch_of_connection = viewer.link.pace.trip
    line.weather.cut.set()
    viewer.link.ask(WhyJob(id=1))
    viewer.until(lambda mirror: mirror.stale_since is not None)
    assert viewer.answers() == [], "nobody is told no: it may still arrive"
    line.weather.cut.clear()
    viewer.until(lambda mirror: mirror.stale_since is None and viewer.answers())
    assert isinstance(viewer.answers()[0][1], Answered)
    assert viewer.link.pace.trip == epoch_of_connection
    pause_and_compare(daemon, viewer)
    viewer.link.stop()
    line.close()


def test_an_order_that_was_under_way_is_done_once(daemon: Daemon, tmp_path: Path) -> None:
    line = Line(daemon.home, tmp_path / "near", Weather(), patience=2.0)
    viewer = Viewer(DaemonLink(line.place, 1))
    viewer.until(whole)
    line.weather.cut.set()
    viewer.link.ask(SetPriority(id=1, priority=7))
    time.sleep(0.2)
    line.drop()
    viewer.until(lambda mirror: mirror.stale_since is not None)
    line.weather.cut.clear()
    viewer.until(lambda mirror: viewer.answers())
    assert isinstance(viewer.answers()[0][1], Answered)
    viewer.until(lambda mirror: mirror.jobs[1].priority == 7)
    events = [event for _, event, _ in _transitions(daemon) if event == "priority"]
    assert len(events) == 1
    viewer.link.stop()
    line.close()


def _transitions(daemon: Daemon) -> list[tuple[str, str, str]]:
    from lorad.shared.messages import GetNews

    news = daemon.client().ask(GetNews(id=1, limit=2000))
    return [(one.before, one.event, one.after) for one in news.happenings]
