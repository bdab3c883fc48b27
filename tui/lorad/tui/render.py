"""What verbs print for people: plain columns for a pipe, a table for eyes. JSON: commands/_json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lorad.shared.clean import clean_line
from lorad.shared.jobs import Ended, Gpu, Host, Job
from lorad.shared.messages import Status
from lorad.tui import format

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

EMPTY = "The queue is empty. `lorad add RECIPE.toml` queues a run, `lorad demo` shows one."

STYLES = {
    "dim": "bright_black",
    "text": "default",
    "accent": "cyan",
    "warn": "yellow",
    "good": "green",
    "bad": "red",
}
"""The terminal's own colours for the dashboard's: they fit every background."""

BAR_WIDTH = 16
BAR_FROM = 90
"""Columns of the terminal from which on there is room for it."""


# -- plain text ---------------------------------------------------------------------------------


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows in aligned columns, two blanks apart; no cell is empty, so that awk can count."""
    told = [[cell or "-" for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*told, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in told
    )


def plain_status(status: Status) -> str:
    """The status for a pipe: one line a job, no signs, no colours."""
    lines = [EMPTY]
    if status.jobs:
        head = ("ID", "STATE", "NAME", "STEP", "LOSS", "IMG/S", "ETA")
        lines = [columns([head, *(_cells(job) for job in status.jobs)])]
    return "\n".join([*lines, *_notes(status), "", *machine_lines(status)])


def _cells(job: Job) -> tuple[str, ...]:
    progress = job.progress
    rate = format.figure(progress.images_per_second, 3)
    eta = left(job)
    name = clean_line(job.name)
    return (str(job.id), job.state, name, format.steps(job), format.loss(job), rate, eta)


def _notes(status: Status) -> list[str]:
    """A sentence for each job that has something to say."""
    told = [(job, format.note(job)) for job in status.jobs]
    return [f"job {job.id}: {note}" for job, note in told if note]


def machine_lines(status: Status) -> list[str]:
    """The cards and the box."""
    lines = [*map(gpu_line, status.gpus), host_line(status.host)]
    return [clean_line(line) for line in lines]


def gpu_line(gpu: Gpu) -> str:
    """One card's figures; those that the driver does not give are left out."""
    parts = []
    if gpu.utilization_percent is not None:
        parts.append(f"{gpu.utilization_percent:.0f} %")
    parts.append(format.memory(gpu.memory_used_bytes, gpu.memory_total_bytes))
    if gpu.power_watts is not None:
        limit = f"/{gpu.power_limit_watts:.0f}" if gpu.power_limit_watts is not None else ""
        parts.append(f"{gpu.power_watts:.0f}{limit} W")
    if gpu.temperature_celsius is not None:
        parts.append(f"{gpu.temperature_celsius:.0f} °C")
    return f"GPU {gpu.index} {gpu.name}: {', '.join(parts)}"


def host_line(host: Host) -> str:
    """The box's figures, and why there are none of a card."""
    memory = format.memory(host.memory_used_bytes, host.memory_total_bytes)
    line = f"CPU: {host.cpu_percent:.0f} %, memory {memory}"
    return f"{line}; {host.gpu_note}" if host.gpu_note else line


def plain_job(job: Job, why: str) -> str:
    """All about one job."""
    process, progress = job.process, job.progress
    where = f" on {', '.join(process.gpus)}" if process and process.gpus else ""
    rate = format.figure(progress.images_per_second, 3)
    rows = [
        ("job", f"{job.id} {job.name}"),
        ("state", job.state),
        ("why", why),
        ("step", _step(job)),
        ("loss", format.loss(job)),
        ("held out", format.validation(job)),
        ("speed", rate and f"{rate} images/s"),
        ("left", left(job)),
        ("doing", progress.phase),
        ("note", progress.note),
        ("priority", str(job.priority)),
        ("process", f"pid {process.pid}{where}" if process else ""),
        ("folder", job.folder),
    ]
    return "\n".join(f"{name:<9} {clean_line(text, 4096)}" for name, text in rows if text)


def figures(job: Job) -> str:
    """How far it is and how fast, in half a line."""
    progress = job.progress
    parts = [_step(job)]
    if loss := format.loss(job):
        parts.append(f"loss {loss}")
    if looked := format.validation(job):
        parts.append(looked)
    if rate := format.figure(progress.images_per_second, 3):
        parts.append(f"{rate} img/s")
    if eta := left(job):
        parts.append(f"{eta} left")
    return "  ".join(parts)


def left(job: Job) -> str:
    """How long it will take; nothing where nothing is to come."""
    return "" if isinstance(job.status, Ended) else format.duration(job.progress.eta_seconds)


def _step(job: Job) -> str:
    share = "" if job.max_train_steps is None else f" ({format.share(job):.0%})"
    return f"{format.steps(job)}{share}"


# -- for eyes -----------------------------------------------------------------------------------


def status_table(status: Status, width: int) -> RenderableType:
    """The status for a terminal; the bars are what a narrow one goes without."""
    from rich.console import Group
    from rich.text import Text

    machine = Text("\n".join(machine_lines(status)), "dim")
    if not status.jobs:
        return Group(Text(EMPTY), Text(""), machine)
    notes = [Text(line, "dim") for line in _notes(status)]
    return Group(_table(status.jobs, width >= BAR_FROM), *notes, Text(""), machine)


def _table(jobs: Sequence[Job], bars: bool) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("id", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    # Alone in that it may shrink; its texts are cut and not wrapped all the same.
    table.add_column("name", overflow="ellipsis", min_width=4, max_width=32)
    if bars:
        table.add_column("", no_wrap=True)
    for name in ("step", "loss", "img/s", "ETA"):
        table.add_column(name, justify="right", no_wrap=True)
    for job in jobs:
        number, state, name, *figures = _cells(job)
        sign, look = format.LOOKS[job.state]
        dim = "dim" if isinstance(job.status, Ended) else ""
        state_text = Text(f"{sign} {state}", STYLES[look])
        cells = [Text(name, no_wrap=True), *([_bar(job)] if bars else [])]
        table.add_row(number, state_text, *cells, *(Text(figure, dim) for figure in figures))
    return table


def _bar(job: Job) -> Text:
    from rich.text import Text

    filled, empty = format.bar(format.share(job), BAR_WIDTH)
    return Text.assemble((filled, STYLES[format.LOOKS[job.state][1]]), (empty, "bright_black"))
