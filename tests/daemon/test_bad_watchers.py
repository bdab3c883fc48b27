"""Listeners that are stopped, slow, or come and go, while pictures are told: nobody pays."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from bench.watchers import crowd
from support import Daemon

from daemon.scripted import add
from lorad.daemon.server import EVENTS_WAITING
from lorad.shared.jobs import Ended
from lorad.shared.messages import GetStatus, SampleDrawn, job_topic

GROWTH = 32 << 20
DRAW = """
def train(task, line, looking=None):
    line.report(ReadyReport(step=1, last_step={count}))
    while not (pathlib.Path(task.folder) / "go").exists():
        time.sleep(0.05)
    for step in range(1, {count} + 1):
        picture = SamplePicture(step=step, index=0, prompt="a dot", seed=1, sha256="0" * 64,
                                path="/nowhere", width=512, height=512, thumb_width=64,
                                thumb_height=64, thumb=os.urandom(8192))
        line.report(SampleReport(picture=picture), point(step))
        time.sleep(0.012)  # faster than it may be told would be one burst at the end
    line.report(FinishReport())
    return "done"
"""

Make = Callable[..., Daemon]


def beset(make: Make, folder: Path, pictures: int, bad: tuple[int, int, int]) -> None:
    """Every picture reaches an honest listener, and the daemon stays as small as it was."""
    assert pictures > 3 * EVENTS_WAITING, "more than what may wait for anybody"
    daemon = make(DRAW.replace("{count}", str(pictures)))
    assert daemon.process is not None
    process = psutil.Process(daemon.process.pid)
    job = add(daemon, folder)
    daemon.wait_state(job.id, "running")
    client = daemon.client()
    watch = client.watch(job_topic(job.id, "samples"), "queue/")
    try:
        watch.wait_attached(20)
        before = process.memory_info().rss
        with crowd(daemon, *bad):
            (Path(job.folder) / "go").touch()
            heard: list[int] = []
            longest, last = 0.0, time.monotonic()
            while len(heard) < pictures:
                event = watch.receive(30)
                assert event is not None, f"silence after {len(heard)} pictures"
                if isinstance(event.event, SampleDrawn):
                    heard.append(event.header.seq)
                    longest, last = max(longest, time.monotonic() - last), time.monotonic()
            assert heard == list(range(1, pictures + 1)), "each once, in order"
            assert client.ask(GetStatus(), timeout=20).jobs[0].progress.step > 0
            grown = process.memory_info().rss - before
            print(f"{sum(bad)} bad listeners: {grown / (1 << 20):+.1f} MiB,"
                  f" {longest:.2f} s between two pictures at most")  # fmt: skip
            assert grown <= GROWTH
        job = daemon.wait_state(job.id, "done", "failed")
        assert isinstance(job.status, Ended)
    finally:
        watch.close()


@pytest.mark.proof
def test_ten_bad_listeners(make: Make, tmp_path: Path) -> None:
    beset(make, tmp_path, 4 * EVENTS_WAITING, (5, 4, 1))


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_two_hundred_bad_listeners(make: Make, tmp_path: Path) -> None:
    beset(make, tmp_path, 3000, (100, 100, 10))
