"""Ten thousand jobs: what the list, a frame of scrolling, a step's news and the status take."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent))

from support import Daemon
from tui.fakes import FakeLink, job

from lorad.daemon.store import Store
from lorad.daemon.store.rows import NewJob
from lorad.shared.jobs import Done, Job, Paused, Process, Progress, Queued, Running, Stashed
from lorad.shared.messages import GetStatus, JobChanged
from lorad.shared.recipe import parse_recipe
from lorad.tui import mirror as reducer
from lorad.tui.app import LoradApp, calm_collector
from lorad.tui.screens.main import MainScreen

JOBS = 10_000
SIZES = ((80, 24), (120, 40), (200, 60))
ROUNDS = 50
RECIPE = 'name = "{name}"\n[data]\npath = "pictures"\n[train]\nmax_train_steps = 2000\n'
TREND = tuple(1 / n for n in range(1, 17))


def overview(folder: Path) -> str:
    """All of it."""
    calm_collector()  # as the program does
    lines = [asyncio.run(drawn(size)) for size in SIZES]
    return "\n  ".join(["", *lines, wire(folder)])


def progress(step: int) -> Progress:
    return Progress(
        step=step, loss=0.5, images_per_second=8.0, eta_seconds=60.0, trend=TREND,
        seconds_per_step=0.5,
    )  # fmt: skip


def queue() -> list[Job]:
    """Eight that train, half of the rest waiting, the others ended or put aside."""
    training = Running(process=Process(pid=1, birth="b"))
    statuses = (Queued(), Done(finished=1.0), Queued(), Paused())
    return [
        job(n, training if n <= 8 else statuses[n % 4], f"portraits-{n}", progress=progress(n % 99))
        for n in range(1, JOBS + 1)
    ]


async def drawn(size: tuple[int, int]) -> str:
    """The dashboard's side, without a terminal: all it does but writing the bytes."""
    link = FakeLink(*queue())
    app = LoradApp(link)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, MainScreen)

        def frame() -> None:
            screen._compositor.render_strips()

        def first() -> None:
            """As if the queue had never been seen: each job is another object."""
            jobs = {id: msgspec.structs.replace(one) for id, one in link.mirror.jobs.items()}
            screen._listing = reducer.Listing()
            screen.show(reducer.with_selected(link.mirror, None).__class__(jobs=jobs))
            frame()

        begun = timed(first, 10)
        screen.show(link.mirror)
        scrolled = timed(lambda: (screen.queue.move(1), frame()), ROUNDS)
        screen.queue.action_last()
        paged = timed(lambda: (screen.queue.action_page(-1), frame()), ROUNDS)

        def news() -> None:
            event = JobChanged(job=job(1, None, "portraits-1", progress=progress(50)))
            link.mirror, _ = reducer.apply(link.mirror, "queue/", 0, event)
            screen.show(link.mirror)
            frame()

        told = timed(news, ROUNDS)
        sought = timed(lambda: (screen.queue.sift("portraits 77"), frame()), 10)
    return (
        f"{JOBS} jobs at {size[0]}x{size[1]}: list {shown(begun)}, one line down {shown(scrolled)},"
        f" a page {shown(paged)}, a step's news {shown(told)}, a filter {shown(sought)}"
    )


def wire(folder: Path) -> str:
    """The daemon's side: the status of jobs that do not run, asked for over its socket."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    store = Store(home / "lorad.db")
    with store.transaction():
        for n in range(JOBS):
            text = RECIPE.format(name=f"portraits-{n}")
            new = NewJob(parse_recipe(text), text, folder, stash=True, priority=0)
            made = store.add(new, "bench", lambda id: folder / "output" / f"portraits-{id}")
            if n % 2:
                store.change(made, Done(finished=1.0), "done", cause="", actor="bench")
                store.set_progress(made.id, progress(2000))
            else:
                assert isinstance(made.status, Stashed)
    store.close()
    daemon = Daemon(home)
    daemon.start()
    client = daemon.client()
    asked = timed(lambda: client.ask(GetStatus()), 21, time.perf_counter)
    size = len(msgspec.msgpack.encode(client.ask(GetStatus())))
    daemon.stop()
    return f"{JOBS} jobs: GetStatus {shown(asked)}, {size / 1e6:.2f} MB, {size / JOBS:.0f} B a job"


def timed(
    act: Callable[[], object], times: int, clock: Callable[[], float] = time.thread_time
) -> list[float]:
    """Seconds of each round: of this thread alone, so that others on the machine do not count."""
    found = []
    for _ in range(times):
        began = clock()
        act()
        found.append(clock() - began)
    return found


def shown(seconds: Sequence[float]) -> str:
    """The median, the best and the worst."""
    median, best, worst = statistics.median(seconds), min(seconds), max(seconds)
    return f"{median * 1e3:.1f} ms ({best * 1e3:.1f} to {worst * 1e3:.1f})"


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory(prefix="lorad-") as place:
        print(overview(Path(place)))
