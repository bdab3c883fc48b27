"""Curves: how long the daemon draws, the dashboard draws, and what a live one sends."""

from __future__ import annotations

import math
import random
import statistics
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from daemon.scripted import add, scripted
from support import Daemon, small_recipe
from terminal import Terminal

from lorad.daemon.chart import Charts
from lorad.daemon.store import Store
from lorad.shared.messages import METRICS, Column, GetChart, Mark, Point
from lorad.tui.widgets.drawing import Line, Plot, draw
from lorad.tui.widgets.view import Reach

LORAD = str(Path(sysconfig.get_path("scripts")) / "lorad")
STEPS = 1_000_000
ATTACHED = 100_000
LIVE_SECONDS = 30
LIVE = """
def train(task, line, looking=None):
    line.report(ReadyReport(step=1, last_step=4000))
    for step in range(1, 4000):
        now = time.time()
        line.report(PointReport(point=Point(
            step=step, time=now, loss=0.1 + (step * 37 % 100) / 300, learning_rate=1e-4 / step,
            grad_norm=1 + (step * 53 % 100) / 90, images_per_second=8 + (step * 29 % 10) / 10)))
        say(task, now)
        if step > 400:
            time.sleep(0.5)
        if line.wanted != "run":
            break
    return EndReport(outcome="yielded")
"""


def chart(folder: Path) -> str:
    """All of them, a line each."""
    lines = [_daemon(folder / "million"), _redraw(), _attach(folder / "attach"), _live(folder)]
    return "\n  ".join(["", *lines])


def busy(do: Callable[[], object], count: int = 41) -> float:
    """Median milliseconds of the processor: other work on the machine counts less."""
    used = []
    for _ in range(count):
        began = time.process_time()
        do()
        used.append(time.process_time() - began)
    return statistics.median(used) * 1e3


def soon(ask: Callable[[], bool]) -> None:
    """As `eventually`, but looking so often that it can be timed."""
    deadline = time.monotonic() + 20
    while not ask():
        if time.monotonic() > deadline:
            raise AssertionError("not within 20 s")
        time.sleep(0.005)


def _point(step: int) -> Point:
    return Point(
        step=step, time=float(step), loss=1 / math.sqrt(step) + random.random() / 10,
        learning_rate=1e-4, grad_norm=1 + random.random(), images_per_second=8 + random.random(),
    )  # fmt: skip


def _fill(store: Store, job_id: int, steps: int) -> None:
    for first in range(1, steps + 1, 50_000):
        store.add_points(job_id, [_point(s) for s in range(first, min(first + 50_000, steps + 1))])


def _daemon(folder: Path) -> str:
    """One figure of a million steps, from the pyramid."""
    daemon = Daemon(folder)
    daemon.start()
    job = daemon.add(small_recipe(folder), stash=True)
    daemon.stop()
    store = Store(daemon.home.database)
    _fill(store, job.id, STEPS)
    charts = Charts(store)
    began = time.process_time()
    curves = charts.of(job.id)
    read = time.process_time() - began
    whole = GetChart(id=job.id, width=480)
    near = GetChart(id=job.id, width=480, first=STEPS * 0.4, last=STEPS * 0.45)

    def anew() -> None:
        curves.points.figures["loss"]._smooth = None
        charts.draw(whole, 1)

    grown = busy(anew)
    again, zoomed = busy(lambda: charts.draw(whole, 1)), busy(lambda: charts.draw(near, 1))
    store.close()
    return (
        f"{STEPS} steps: read once in {read:.2f} s, whole {grown:.1f} ms when it has grown"
        f" and {again:.1f} ms when not, zoomed {zoomed:.1f} ms"
    )


def _redraw() -> str:
    """What a million points are on the dashboard."""
    values = [random.random() for _ in range(480)]
    columns = [
        Column(step=n * 2083, minimum=v, maximum=v + 0.3, last=v + 0.1, smoothed=v + 0.2)
        for n, v in enumerate(values, 1)
    ]
    plot = Plot(
        [Line(columns)],
        reach=Reach(1e6, 1e6),
        marks=tuple(Mark(step=n * 4000, kind="saved") for n in range(250)),
        cursor=500_000,
    )
    return f"redrawn in 120x30 cells: {busy(lambda: draw(plot, 120, 30)):.1f} ms"


def _attach(folder: Path) -> str:
    """From the start of the process until nine charts with all steps are on the terminal."""
    daemon = Daemon(folder)
    daemon.start()
    job = daemon.add(small_recipe(folder), stash=True)
    daemon.stop()
    store = Store(daemon.home.database)
    _fill(store, job.id, ATTACHED)
    with store.transaction():
        for step in range(1, ATTACHED, 10):
            figures = {"gpu_utilization": 97.0, "gpu_memory": 2e10, "gpu_power": 300.0 + step % 7,
                       "gpu_temperature": 60.5}  # fmt: skip
            store.add_gauges(job.id, step, float(step), figures)
        for step in range(500, ATTACHED + 1, 500):
            store._db.execute("INSERT INTO validations VALUES (?, ?, 0.5, 0)", (job.id, step))
    store.close()
    seconds = []
    for _ in range(5):
        again = Daemon(folder)
        again.env.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has its byte code
        again.start()
        began = time.perf_counter()
        with Terminal([LORAD, "dashboard", str(job.id)], again.env, 200, 60) as terminal:
            soon(lambda: "stashed" in terminal.text)
            terminal.send("\r")
            soon(lambda: "60.50 °C" in terminal.text)
            seconds.append(time.perf_counter() - began)
        again.stop()
    return (
        f"attached to {ATTACHED} steps x {len(METRICS)} figures: {statistics.median(seconds):.2f} s"
    )


def _live(folder: Path) -> str:
    """Two steps a second on the run screen: bytes, processor, and from the step to the terminal."""
    home = folder / "live"
    home.mkdir()
    daemon = scripted(home, LIVE)
    job = add(daemon, home, "max_train_steps = 4000")
    daemon.wait_step(job.id, 405)
    with Terminal([LORAD, "dashboard", str(job.id)], daemon.env, 160, 50) as terminal:
        soon(lambda: "1 training" in terminal.text)
        terminal.send("\r")
        soon(lambda: "Gradient norm" in terminal.text)
        time.sleep(3)
        process = psutil.Process(terminal.process.pid)
        before, began = process.cpu_times(), time.time()
        time.sleep(LIVE_SECONDS)
        after, ended = process.cpu_times(), time.time()
        heard = [(at, size) for at, size in terminal.heard if began <= at <= ended]
    told = [float(line) for line in (Path(job.folder) / "said").read_text().split()]
    steps = [at for at in told if began <= at <= ended - 1]
    lags = sorted(min((a for a, _ in heard if a > at), default=ended) - at for at in steps)
    daemon.stop()
    seconds = ended - began
    used = (after.user + after.system - before.user - before.system) / seconds
    sent = sum(size for _, size in heard) / 1024 / seconds
    return (
        f"live, {len(steps) / seconds:.1f} steps/s on 160x50: {sent:.1f} KiB/s, {used:.1%} of a"
        f" core, step to terminal {statistics.median(lags) * 1e3:.0f} ms,"
        f" p95 {lags[int(len(lags) * 0.95)] * 1e3:.0f} ms"
    )
