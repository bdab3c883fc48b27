"""The progress bar of `add --follow` and `demo`; rich is imported with it and not before."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from lorad.shared.clean import clean_line
from lorad.shared.jobs import Job
from lorad.tui import render


class Bar:
    """One line on stderr that fills."""

    def __init__(self) -> None:
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[figures]}", markup=False),
            console=Console(stderr=True),
        )
        self.task = self.progress.add_task("queued", total=None, figures="")

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last line standing."""
        self.progress.stop()

    def show(self, job: Job) -> None:
        """Fill it."""
        self.progress.update(
            self.task,
            description=clean_line(job.progress.phase or job.state, 40),
            completed=job.progress.step,
            total=job.max_train_steps,
            figures=render.figures(job) if job.progress.step else "",
        )
