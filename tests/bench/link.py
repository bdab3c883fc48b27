"""A dashboard's link in bad weather: how long a key takes, and what is missing afterwards.

python tests/bench/link.py: one run of about twenty steps a second that also prints, notes and
draws; first over 300 ms, 200 kbit/s and stalls of 5 s, then cut off for 60 s.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from daemon.scripted import add, scripted
from relay import Weather
from remote.places import Line, Viewer
from remote.test_bad_link import BUSY, pause_and_compare, whole
from support import Daemon

from lorad.shared.messages import WhyJob
from lorad.tui.link import DaemonLink
from lorad.tui.messages import Answered

DELAY, RATE = 0.3, 25_000
STALL, BETWEEN = 5.0, 20.0
KEYS = 40
CUT = 60.0


def stalls(weather: Weather, over: threading.Event) -> None:
    while not over.wait(BETWEEN):
        weather.cut.set()
        time.sleep(STALL)
        weather.cut.clear()


def keys(daemon: Daemon, folder: Path) -> str:
    """Seconds from a key to its answer, while the job's panes fill and the stream goes on."""
    weather = Weather(delay=DELAY, rate=RATE, buffer=16_384)
    line = Line(daemon.home, folder / "slow", weather)
    viewer = Viewer(DaemonLink(line.place, 1))
    begun = time.monotonic()
    viewer.until(lambda mirror: 1 in mirror.jobs)
    attached = time.monotonic() - begun
    over = threading.Event()
    threading.Thread(target=stalls, args=(weather, over), daemon=True).start()
    took, stalled, after = [], [], []
    ended = -STALL
    for number in range(KEYS):
        asked, was_cut = time.monotonic(), weather.cut.is_set()
        viewer.link.ask(WhyJob(id=1))
        viewer.until(lambda mirror, n=number: len(viewer.answers()) > n)
        seconds = viewer.answers()[number][0] - asked
        if was_cut or seconds > STALL - 1 or weather.cut.is_set():
            stalled.append(seconds)
            ended = time.monotonic()
        elif time.monotonic() - ended < STALL:
            after.append(seconds)  # what was said in the stall is still coming
        else:
            took.append(seconds)
        time.sleep(0.5)
    refused = sum(not isinstance(answer, Answered) for _, answer in viewer.answers())
    over.set()
    viewer.until(whole)
    pause_and_compare(daemon, viewer)
    viewer.link.stop()
    line.close()
    return (
        f"attached in {attached:.1f} s; key to answer, of {len(took)} outside stalls:"
        f" median {statistics.median(took):.2f} s, worst {max(took):.2f} s"
        f" (two round trips: {4 * DELAY:.1f} s); in the {STALL:g} s after a stall"
        f" worst {max(after, default=0):.2f} s; across {len(stalled)} stalls worst"
        f" {max(stalled, default=0):.1f} s; refused {refused}; afterwards nothing is missing;"
        f" {weather.carried / (time.monotonic() - begun) / 1024:.1f} KiB/s carried"
    )


def cut(daemon: Daemon, folder: Path) -> str:
    """Cut off for a minute under load, then compared with the store to the last line."""
    line = Line(daemon.home, folder / "cut", Weather())
    viewer = Viewer(DaemonLink(line.place, 1))
    before = viewer.until(whole).detail
    line.weather.cut.set()
    time.sleep(CUT)
    line.weather.cut.clear()
    back = time.monotonic()
    missed = daemon.job(1).progress.step
    viewer.until(lambda m: m.detail is not None and m.detail.curve("loss").last_step >= missed)
    seconds = time.monotonic() - back
    pause_and_compare(daemon, viewer)
    viewer.link.stop()
    line.close()
    assert before is not None
    return (
        f"cut off for {CUT:g} s: {missed - before.curve('loss').last_step} steps missed, on screen"
        f" {seconds:.1f} s after; gaps in points, log, pictures, notes: 0"
    )


def main() -> None:
    for measure in (keys, cut):
        with tempfile.TemporaryDirectory() as name:
            daemon = scripted(Path(name), BUSY)
            try:
                add(daemon, Path(name))
                daemon.wait_step(1, 200)
                print(measure(daemon, Path(name)), flush=True)
            finally:
                daemon.stop()


if __name__ == "__main__":
    main()
