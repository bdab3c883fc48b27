"""What verbs print for people: plain columns for a pipe, a table for eyes. JSON: commands/_json."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lorad.shared.clean import clean_line
from lorad.shared.jobs import DEFAULT_GROUP, Ended, Gpu, Group, Host, Job, Queued
from lorad.shared.messages import Health, Status
from lorad.tui import format, machine, totals
from lorad.tui.mirror import in_order

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
HEADS = ("id", "state", "name", "step", "loss", "img/s", "ETA", "group")
LEAVE = ("", "img/s", "loss", "group", "ETA")
"""What a narrow terminal goes without, first to last; the bar has no name."""
NAME_WIDTH, NAME_LEAST, GROUP_WIDTH = 32, 12, 16


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
    jobs = in_order(status.jobs, status.gpus)
    if jobs:
        head = ("ID", "STATE", "NAME", "STEP", "LOSS", "IMG/S", "ETA", "GROUP")
        lines = [columns([head, *((*_cells(job), clean_line(job.group)) for job in jobs)])]
    return "\n".join(
        [
            *lines,
            *_notes(status),
            *group_lines(status),
            "",
            *total_lines(status),
            *machine_lines(status),
        ]
    )


def _cells(job: Job) -> tuple[str, ...]:
    progress = job.progress
    rate = format.figure(progress.images_per_second, 3)
    eta = left(job)
    name = clean_line(job.name)
    return (str(job.id), job.state, name, format.steps(job), format.loss(job), rate, eta)


def _notes(status: Status) -> list[str]:
    """A sentence for each job that has something to say."""
    now = time.time()
    told = [
        (job, (format.note(job), format.terms(job, now)))
        for job in in_order(status.jobs, status.gpus)
    ]
    return [f"job {job.id}: {note}" for job, notes in told for note in notes if note]


def group_lines(status: Status) -> list[str]:
    """What there is to say of groups; nothing of a queue with the one that is always there."""
    alone = status.groups in ([], [Group(name=DEFAULT_GROUP)])
    lines = [] if alone else [group_line(group, status) for group in status.groups]
    if status.draining:
        lines.append("drained: nothing starts until `lorad drain --end`")
    return lines


def group_line(group: Group, status: Status) -> str:
    """One group: how many of its slots are taken, and what holds of it."""
    cards = {gpu.uuid: str(gpu.index) for gpu in status.gpus}
    words = totals.group_words(group, totals.count_groups(status.jobs), cards)
    return clean_line(f"group {group.name}: {words}", 600)


def _cards(group: Group, status: Status) -> str:
    """By their indices; one that is not there by its UUID."""
    indices = {gpu.uuid: str(gpu.index) for gpu in status.gpus}
    return ",".join(indices.get(uuid, uuid) for uuid in group.gpus)


def plain_groups(status: Status) -> str:
    """All groups, one line each, and what stops them."""
    rows = [("NAME", "SLOTS", "RUNNING", "QUEUED", "GPUS", "ON_FAILURE", "STATE")]
    for group in status.groups:
        its = [job for job in status.jobs if job.group == group.name]
        rows.append(
            (
                clean_line(group.name),
                str(group.slots or "-"),
                str(sum(job.process is not None for job in its)),
                str(sum(isinstance(job.status, Queued) for job in its)),
                clean_line(_cards(group, status)) or "all",
                group.on_failure,
                "paused" if group.paused else "drained" if status.draining else "open",
            )
        )
    causes = [f"group {one.name}: {one.cause}" for one in status.groups if one.cause]
    return "\n".join([columns(rows), *(clean_line(cause, 600) for cause in causes)])


def total_lines(status: Status) -> list[str]:
    """The queue as a whole: how many, and how long all of it takes."""
    found = totals.totals(status.jobs, len(status.gpus))
    left = totals.eta_words(found)
    words = ", ".join(totals.count_words(found))
    return [f"queue: {words}{f'; time left: {left}' if left else ''}"] if words else []


def machine_lines(status: Status) -> list[str]:
    """The cards and the box."""
    lines = [*map(gpu_line, status.gpus), host_line(status.host)]
    return [clean_line(line) for line in lines]


def gpu_line(gpu: Gpu) -> str:
    """One card's figures; those that the driver does not give are left out."""
    if gpu.unusable:
        return f"GPU {gpu.index} {gpu.name}: cannot be used: {clean_line(gpu.unusable)}"
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
        ("group", job.group),
        ("terms", format.terms(job, time.time())),
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


def plain_machine(status: Status) -> str:
    """The cards with the processes on them, and the box."""
    jobs = {job.id: job for job in status.jobs}
    lines: list[str] = []
    for gpu in status.gpus:
        lines.append(f"{clean_line(gpu_line(gpu))}  {machine.short_uuid(gpu.uuid)}")
        cells = [machine.process_cells(process, jobs) for process in gpu.processes]
        table = columns([machine.PROCESS_HEAD, *cells]) if cells else "nobody computes on it"
        lines += [f"  {line}" for line in table.splitlines()]
    host = status.host
    lines += [clean_line(host_line(host)), f"load: {machine.load_words(host)}"]
    return "\n".join([*lines, *(f"disk: {machine.disk_words(disk)}" for disk in host.disks)])


def plain_health(health: Health) -> str:
    """The daemon's health, and what it logged last of warnings and errors."""
    rows = [f"{name:<9} {words}" for name, words, _ in machine.health_rows(health)]
    troubles = [f"{at} {level:<7} {text}" for at, level, text in machine.trouble_rows(health)]
    return "\n".join([*rows, *(troubles or ["It has logged no warning and no error."])])


# -- for eyes -----------------------------------------------------------------------------------


def status_table(status: Status, width: int) -> RenderableType:
    """The status for a terminal; a narrow one goes without bars, then without some figures."""
    from rich.console import Group as Stack
    from rich.text import Text

    def lines(*told: str) -> Text:
        return Text("\n".join(_hanging(line, width) for line in told), "dim")

    machine = lines("", *total_lines(status), *machine_lines(status))
    groups = group_lines(status)
    if not status.jobs:
        return Stack(Text(EMPTY), *([lines(*groups)] if groups else []), machine)
    notes = [*_notes(status), *groups]
    jobs = in_order(status.jobs, status.gpus)
    return Stack(_table(jobs, width), *([lines(*notes)] if notes else []), machine)


def _hanging(line: str, width: int) -> str:
    """The line on as many as it takes, those after the first one set in."""
    return textwrap.fill(line, max(20, width), subsequent_indent="  ", break_on_hyphens=False)


def _table(jobs: Sequence[Job], width: int) -> Table:
    from rich.table import Table
    from rich.text import Text

    rows = [(*_cells(job), clean_line(job.group)) for job in jobs]
    heads = _heads(rows, width)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for head in heads:
        if head == "name":
            # Alone in that it may shrink; its texts are cut and not wrapped all the same.
            table.add_column(head, overflow="ellipsis", min_width=4, max_width=NAME_WIDTH)
        elif head == "group":
            table.add_column(head, overflow="ellipsis", no_wrap=True, max_width=GROUP_WIDTH)
        else:
            right = head not in ("state", "")
            table.add_column(head, justify="right" if right else "left", no_wrap=True)
    for job, row in zip(jobs, rows, strict=True):
        told = dict(zip(HEADS, row, strict=True))
        sign, look = format.LOOKS[job.state]
        dim = "dim" if isinstance(job.status, Ended) else ""
        cells = {head: Text(text, dim, no_wrap=True) for head, text in told.items()}
        cells |= {"id": Text(told["id"]), "name": Text(told["name"], no_wrap=True)}
        cells |= {"state": Text(f"{sign} {job.state}", STYLES[look]), "": _bar(job)}
        table.add_row(*(cells[head] for head in heads))
    return table


def _heads(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The columns that there is room for."""
    widest = {
        head: max(len(head), *map(len, column))
        for head, column in zip(HEADS, zip(*rows, strict=True), strict=True)
    }
    widest |= {"state": widest["state"] + 2, "": BAR_WIDTH}
    widest["group"] = min(GROUP_WIDTH, widest["group"])
    least = min(NAME_LEAST, widest["name"])
    heads = ["id", "state", "name", "", "step", "loss", "img/s", "ETA", "group"]
    if all(row[-1] == DEFAULT_GROUP for row in rows):
        heads.remove("group")
    for leave in LEAVE:
        others = sum(widest[head] + 2 for head in heads if head != "name")
        narrow = leave == "" and width < BAR_FROM
        if others + least > width or narrow:
            heads = [head for head in heads if head != leave]
    return heads


def _bar(job: Job) -> Text:
    from rich.text import Text

    filled, empty = format.bar(format.share(job), BAR_WIDTH)
    return Text.assemble((filled, STYLES[format.LOOKS[job.state][1]]), (empty, "bright_black"))
