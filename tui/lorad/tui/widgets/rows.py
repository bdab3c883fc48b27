"""The lines of the queue: what of a job is in its line, and how wide."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from lorad.shared.clean import clean_line
from lorad.shared.jobs import DEFAULT_GROUP, Ended, Job, Queued
from lorad.tui.format import (
    LOOKS,
    bar,
    duration,
    figure,
    fit,
    loss,
    note,
    ordinal,
    share,
    sparkline,
    steps,
    waits_for,
)
from lorad.tui.mirror import Section
from lorad.tui.widgets.painting import Row, Span, on_ground

TREND = 16
"""Cells of a sparkline where there is room: one for each figure of a trend."""


class Columns(NamedTuple):
    """How wide each column is; 0: there is no room for it."""

    id: int
    name: int
    group: int
    bar: int
    share: int
    steps: int
    loss: int
    trend: int
    rate: int
    eta: int
    priority: int


NO_COLUMNS = Columns(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
LEAVE = (
    ("trend", TREND // 2), ("bar", 0), ("loss", 0), ("priority", 0), ("rate", 0), ("group", 0),
    ("share", 0), ("trend", 0), ("eta", 0),
)  # fmt: skip
"""What a narrow list goes without, first to last."""


class Look(NamedTuple):
    """How one job's line differs from the others'."""

    chosen: bool = False
    marked: bool = False
    place: int = 0
    """Of a waiting job; 0 for others."""


def columns(jobs: Sequence[Job], width: int, least: Columns = NO_COLUMNS) -> Columns:
    """What fits: the name and the bar share what the figures leave.

    `least` is what these were as the list stood before: scrolling should not make them jump.
    """
    id = max([2, least.id, *(len(str(job.id)) for job in jobs)])
    step = max([5, least.steps, *(len(steps(job)) for job in jobs)])
    name = min(32, max([8, least.name, *(len(job.name) for job in jobs)]))
    groups = [len(job.group) for job in jobs if job.group != DEFAULT_GROUP]
    group = min(12, max([least.group, len("default"), *groups])) if groups or least.group else 0
    priority = 4 if least.priority or any(job.priority for job in jobs) else 0
    found = Columns(id, name, group, 10, 4, step, 7, TREND, 6, 7, priority)
    for leave, to in LEAVE:
        if _width(found) <= width or _width(found) - width <= found.name - 14:
            break
        found = found._replace(**{leave: to})
    spare = width - _width(found)
    if spare < 0:
        return found._replace(name=max(4, found.name + spare))
    return found._replace(bar=min(40, found.bar + spare)) if found.bar else found


def _width(found: Columns) -> int:
    """The whole line: cursor and mark, gaps of two, and the state's eleven."""
    return 2 + 11 + 2 + sum(width + 2 for width in found if width) - 2


def note_width(found: Columns, width: int) -> int:
    """The room for a sentence in place of the figures."""
    return max(
        0, width - 2 - found.id - 2 - 13 - found.name - 2 - (found.group and found.group + 2)
    )


def job_row(job: Job, found: Columns, width: int, look: Look) -> Row:
    """A job's line."""
    sign, tone = LOOKS[job.state]
    faded = isinstance(job.status, Ended) and not look.chosen
    row = [
        Span("▌" if look.chosen else " ", "accent"),
        Span("▪" if look.marked else " ", "accent"),
        Span(fit(str(job.id), found.id, right=True) + "  ", "dim"),
        Span(f"{sign} {job.state:<9}  ", tone),
        Span(fit(clean_line(job.name), found.name) + "  ", "dim" if faded else "text"),
    ]
    if found.group:
        row.append(Span(fit(clean_line(job.group), found.group) + "  ", "dim"))
    if text := sentence(job, look.place, grouped=bool(found.group)):
        row.append(Span(fit(text, note_width(found, width)), "dim"))
    else:
        row += _figures(job, found, "dim" if faded else "text")
    return on_ground(row, "cursor", width) if look.chosen else row


def sentence(job: Job, place: int, grouped: bool = False) -> str:
    """What there is to say of it in place of figures; nothing of one that simply trains.

    `grouped`: its group stands beside it already.
    """
    parts = []
    text = note(job)
    if job.progress.step and job.state != "cancelled" and (text or isinstance(job.status, Queued)):
        parts.append(f"{'step ' if job.max_train_steps is None else ''}{steps(job)}")
    waits = isinstance(job.status, Queued)
    if waits and (turn := turn_words(job, place)):
        parts.append(turn)
    if text:
        parts.append(text)
    if waits and not text:
        named = grouped or (job.turn and job.turn.kind in ("group", "slots"))
        if job.group != DEFAULT_GROUP and not named:
            parts.append(f"group {clean_line(job.group, 32)}")
        if job.priority:
            parts.append(f"priority {job.priority:+d}")
    return " · ".join(parts)


def turn_words(job: Job, place: int) -> str:
    """A waiting job's place in its line; what keeps it out of line, where something does."""
    turn = job.turn
    if turn and not turn.in_line:
        return waits_for(job, time.time()) if turn.kind == "time" else clean_line(turn.words)
    if not place:
        return ""
    where = f"for {clean_line(turn.words)}" if turn and turn.words else "in line"
    return f"{'next' if place == 1 else ordinal(place)} {where}"


def _figures(job: Job, found: Columns, tone: str) -> Row:
    row: Row = []
    look = LOOKS[job.state][1]
    if found.bar:
        full, rest = bar(share(job), found.bar)
        row += [Span(full, look), Span(rest + "  ", "faint")]
    ended = isinstance(job.status, Ended)
    # Where there is no room for the loss, that it is no number must be seen all the same.
    trend = sparkline(job.progress.trend, found.trend)
    if job.progress.loss_nonfinite and not found.loss:
        trend = "NaN"
    percent = "" if job.max_train_steps is None else f"{share(job):.0%}"
    cells = (
        (percent, found.share, tone),
        (steps(job), found.steps, tone),
        (loss(job), found.loss, tone),
        (trend, found.trend, "dim" if ended else look),
        ("" if ended else figure(job.progress.images_per_second, 3), found.rate, tone),
        ("" if ended else duration(job.progress.eta_seconds), found.eta, tone),
        (f"{job.priority:+d}" if job.priority else "", found.priority, tone),
    )
    for text, width, own in cells:
        if width:
            alarm = text == "NaN"
            row.append(Span(fit(text, width, right=True) + "  ", "bad" if alarm else own))
    return row


def section_row(section: Section, width: int) -> Row:
    """The line over jobs that belong together."""
    return [
        Span(fit(f"  {section.title}", width - 8), "faint"),
        Span(f"{section.size:>7}", "faint"),
    ]


def names_row(found: Columns) -> Row:
    """The columns' names."""
    words = (
        ("id", found.id, True),
        ("  state", 11, False),
        ("name", found.name, False),
        ("group", found.group, False),
        ("progress", found.bar, False),
        ("%", found.share, True),
        ("step", found.steps, True),
        ("loss", found.loss, True),
        ("so far", found.trend, True),
        ("img/s", found.rate, True),
        ("left", found.eta, True),
        ("prio", found.priority, True),
    )
    cells = [fit(word, width, right) for word, width, right in words if width]
    return [Span("  " + "  ".join(cells), "faint")]
