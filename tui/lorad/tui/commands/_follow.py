"""Following one job to its end: a bar in a terminal, a line every tenth elsewhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Protocol, Self

from lorad.shared.clean import clean_line
from lorad.shared.client import Client
from lorad.shared.jobs import LORA_FILE, Done, Ended, Job
from lorad.tui import format, places, render
from lorad.tui.cli import complain
from lorad.tui.commands._arguments import ending, say, title

FILES = (LORA_FILE, "{name}.safetensors", "before_after.png")
"""What a run leaves in its folder, as far as it got."""


def follow(daemon: Client, job: Job, quiet: bool = False) -> int:
    """Show it on stderr until it ends, then, unless quiet, where its files are; its exit code."""
    try:
        with shower() as shown:
            for heard in daemon.follow(job.id):
                if isinstance(heard, Job):
                    job = heard
                    shown.show(job)
    except KeyboardInterrupt:
        say(f"{title(job)} goes on. `lorad` shows it, `lorad cancel {job.id}` ends it.")
        raise
    return conclude(job, quiet)


def conclude(job: Job, quiet: bool = False) -> int:
    """Where its files are, unless quiet, or why there are none; its exit code."""
    if isinstance(job.status, Done):
        if places.host():
            verb = f"lorad --host {places.host()} get {job.id}"
            say(f"{title(job)} is done. `{verb}` brings its files.")
            return 0
        for name in () if quiet else FILES:
            path = Path(job.folder) / name.format(name=job.name)
            if path.exists():
                print(clean_line(str(path), 4096))
        return 0
    complain(ending(job))
    return 1


class Shower(Protocol):
    """Shows a job as it changes."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was."""

    def show(self, job: Job) -> None:
        """It is like this now."""


def shower() -> Shower:
    """The one that fits stderr."""
    if not sys.stderr.isatty():
        return Lines()
    from lorad.tui.commands._bar import Bar

    return Bar()


class Lines:
    """A line for each state, each phase and each tenth of the way."""

    def __init__(self) -> None:
        self.told: tuple[str, str, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left open."""

    def show(self, job: Job) -> None:
        """A line, if there is news; the end is told by `conclude`."""
        if isinstance(job.status, Ended):
            return
        # Phases count (`encoding pictures 12/48`): that is no news.
        phase = re.sub(r"\d+", "", job.progress.phase)
        news = (job.state, phase, _tenth(job))
        if news != self.told:
            self.told = news
            say(line(job))


def _tenth(job: Job) -> int:
    """How many tenths of the way, or hundreds of steps where nobody knows how long it is."""
    if job.max_train_steps is None:
        return job.progress.step // 100
    return int(format.share(job) * 10 + 1e-9)


def line(job: Job) -> str:
    """Where a job is, in one line."""
    if job.state != "running" or job.progress.phase:
        what = job.progress.phase or job.reason
        return clean_line(f"{job.state}: {what}" if what else job.state)
    return f"step {render.figures(job)}"
