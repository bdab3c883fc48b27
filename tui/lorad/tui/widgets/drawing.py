"""A chart as rows of cells: lines, a view of them, marks and a cursor in, text out. No Textual."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from lorad.shared.messages import Column, Mark, MarkKind
from lorad.tui.format import duration, figure, fit
from lorad.tui.kinds import Look
from lorad.tui.widgets.painting import Row, Span, Tone, runs
from lorad.tui.widgets.plot import (
    Frame,
    bounds,
    dots_of_extents,
    dots_of_trace,
    envelope,
    gaps,
    log_ticks,
    nice_ticks,
    place,
    trace,
    value_axis,
)
from lorad.tui.widgets.view import Reach, View

ROWS_PER_TICK = 4
CELLS_PER_TICK = 14
SIGNS: dict[MarkKind, tuple[str, str]] = {
    "nonfinite": ("✗", "bad"),
    "failed": ("✗", "bad"),
    "died": ("†", "bad"),
    "rollback": ("↶", "warn"),
    "plan": ("▾", "warn"),
    "stopped_early": ("■", "warn"),
    "paused": ("‖", "warn"),
    "resumed": ("▸", "good"),
    "changed": ("Δ", "accent"),
    "inexact": ("≈", "dim"),
    "sample": ("◆", "dim"),
    "saved": ("▪", "dim"),
}
"""How a mark looks; where several share a cell, the first of these."""
RANK = {kind: number for number, kind in enumerate(SIGNS)}


@dataclass(frozen=True)
class Line:
    """One line of a chart."""

    columns: Sequence[Column] = ()
    tone: str = "accent"
    look: Look = "smooth"
    name: str = ""
    dash: tuple[int, ...] = ()
    """Columns of dots that are drawn and left out in turn; empty: all are drawn."""
    thick: int = 1
    """In dots."""
    end: str = ""
    """Written where it ends."""


@dataclass(frozen=True)
class Plot:
    """All that a chart shows."""

    lines: Sequence[Line] = ()
    """The first one is drawn over the others."""
    view: View = field(default_factory=View)
    reach: Reach = field(default_factory=Reach)
    marks: Sequence[Mark] = ()
    cursor: int | None = None
    """A step."""
    at: float | None = None
    """Where the cursor is on the axis, where no step says it: of runs that are compared."""
    log: bool = False
    """Where all values allow it."""
    grid: bool = False
    scale: float = 1.0
    """The values' unit in that of the labels."""
    floor: float | None = None
    """The axis holds this value, whatever the others are."""


def draw(plot: Plot, width: int, height: int) -> list[Row] | None:
    """The plot with its axes in exactly this many cells; none where there is no finite value.

    Its last two rows are the axis, with the marks on it, and the labels.
    """
    lines = [_in_view(line, plot) for line in plot.lines]
    frame, ticks, labels = _frame(plot, lines, width, height)
    if frame is None:
        return None
    margin = width - 1 - frame.width // 2
    at_row = {frame.y(tick) // 4: label for tick, label in zip(ticks, labels, strict=True)}
    cells = _cells(plot, lines, frame, at_row)
    rows = [_axis(at_row.get(y), margin) + runs(row) for y, row in enumerate(cells)]
    return rows + _axis_below(plot, frame, margin)


def frame_of(plot: Plot, width: int, height: int) -> Frame | None:
    """Where the values are in the picture that `draw` makes: for a pointer."""
    lines = [_in_view(line, plot) for line in plot.lines]
    return _frame(plot, lines, width, height)[0]


def _in_view(line: Line, plot: Plot) -> Line:
    """The columns that the window holds."""
    if plot.view.whole:
        return line
    first, last = plot.view.span(plot.reach)
    columns = [column for column in line.columns if first <= place(column) <= last]
    return replace(line, columns=columns)


def _frame(
    plot: Plot, lines: Sequence[Line], width: int, height: int
) -> tuple[Frame | None, list[float], list[str]]:
    """The frame, the ticks of the values and their labels."""
    extremes = bounds(column for line in lines for column in line.columns)
    if extremes is None:
        return None, [], []
    scale = plot.scale
    low, high = extremes[0] * scale, extremes[1] * scale
    log = plot.log and low > 0
    if plot.floor is not None and not log:
        low, high = min(low, plot.floor), max(high, plot.floor)
    if log:
        ticks = log_ticks(low, high)
        bottom, top = ticks[0], ticks[-1]
    else:
        bottom, top, ticks = value_axis(low, high, max(2, (height - 2) // ROWS_PER_TICK + 1))
    labels = [power_label(tick) if log else tick_label(tick, ticks) for tick in ticks]
    margin = max(map(len, labels)) + 1
    first, last = plot.view.span(plot.reach)
    frame = Frame(
        first=first,
        last=last,
        low=bottom / scale,
        high=top / scale,
        width=max(2, (width - margin - 1) * 2),
        height=max(4, (height - 2) * 4),
        log=log,
    )
    return frame, [tick / scale for tick in ticks], labels


Cells = list[list[tuple[str, Tone]]]


def _cells(plot: Plot, lines: Sequence[Line], frame: Frame, ticks: Iterable[int]) -> Cells:
    """The plot: a cell that a line crosses shows the line alone."""
    width, height = frame.width // 2, frame.height // 4
    cells: Cells = [[(" ", "text")] * width for _ in range(height)]
    if plot.grid:
        for y in ticks:
            cells[y] = [("┈", "line")] * width
    for line in reversed(lines):
        if line.look == "smooth":
            _put(cells, dots_of_extents(envelope(line.columns, frame), frame), "faint")
    for line in reversed(lines):
        value_of = _smoothed if line.look == "smooth" else _last
        values = trace(line.columns, frame, value_of)
        _put(cells, dots_of_trace(values, frame, line.dash, line.thick), line.tone)
        if line.look == "dots":
            _put_dots(cells, line, frame)
        for x in gaps(line.columns, frame):
            cells[-1][min(x, width - 1)] = ("✗", "bad")
    _put_ends(cells, lines, frame)
    if (at := cursor_place(plot, plot.lines)) is not None and frame.first <= at <= frame.last:
        x = frame.x(at) // 2
        for row in cells:
            char, tone = row[x]
            blank = char in " ┈"
            row[x] = ("│", "dim") if blank else (char, f"{tone}+cursor")
    return cells


def _smoothed(column: Column) -> float | None:
    return column.smoothed if column.smoothed is not None else column.last


def _last(column: Column) -> float | None:
    return column.last


def _put(cells: Cells, dots: list[list[int]], tone: str) -> None:
    made = {pattern: (chr(0x2800 + pattern), tone) for pattern in set().union(*dots)}
    for row, bits in zip(cells, dots, strict=True):
        if any(bits):
            for x, pattern in enumerate(bits):
                if pattern:
                    row[x] = made[pattern]


def _put_dots(cells: Cells, line: Line, frame: Frame) -> None:
    """A dot for each value, a star for the lowest."""
    told = [column for column in line.columns if column.minimum is not None]
    best = min(told, key=lambda column: column.minimum or 0.0, default=None)
    for column in sorted(told, key=lambda column: column is best):
        value = column.minimum if column is best else column.last
        if value is not None:
            sign = "★" if column is best else "●"
            cells[frame.y(value) // 4][frame.x(place(column)) // 2] = (sign, line.tone)


def _put_ends(cells: Cells, lines: Sequence[Line], frame: Frame) -> None:
    """Each line's own word where it ends, or as near to it as the others leave room."""
    taken: set[tuple[int, int]] = set()
    for line in lines:
        value_of = _smoothed if line.look == "smooth" else _last
        told = [(c, v) for c in line.columns if (v := value_of(c)) is not None]
        if not line.end or not told or len(line.end) > len(cells[0]):
            continue
        column, value = told[-1]
        start = min(frame.x(place(column)) // 2 + 1, len(cells[0]) - len(line.end))
        wanted = set(range(start, start + len(line.end)))
        at = frame.y(value) // 4
        free = [y for y in range(len(cells)) if not any((y, x) in taken for x in wanted)]
        row = min(free, key=lambda y, at=at: abs(y - at), default=at)  # type: ignore[misc]
        for x, char in zip(sorted(wanted), line.end, strict=True):
            cells[row][x] = (char, line.tone)
            taken.add((row, x))


def cursor_place(plot: Plot, lines: Sequence[Line]) -> float | None:
    """Where the cursor's step is on the axis; none where there is no cursor."""
    if plot.at is not None:
        return plot.at
    if plot.cursor is None:
        return None
    if plot.view.axis == "step":
        return float(plot.cursor)
    column = next((c for line in lines if (c := column_at(line.columns, plot.cursor))), None)
    return None if column is None else place(column)


def column_at(columns: Sequence[Column], step: int) -> Column | None:
    """The column that has a step; the last one where the step is beyond, none where none is."""
    if not columns:
        return None
    return columns[min(len(columns) - 1, bisect_left(columns, step, key=lambda c: c.step))]


# -- axes --------------------------------------------------------------------------------------


def _axis(label: str | None, margin: int) -> Row:
    if label is None:
        return [Span(" " * margin + "│", "line")]
    return [Span(fit(label, margin - 1, right=True) + " ", "dim"), Span("┤", "line")]


def _axis_below(plot: Plot, frame: Frame, margin: int) -> list[Row]:
    """The line below the plot with the marks on it, and the places below the line."""
    cells = frame.width // 2
    labels = _place_labels(plot, frame, cells)
    rule: list[tuple[str, Tone]] = [("─", "line")] * cells
    text = [" "] * cells
    for x, label in labels:
        rule[x] = ("┬", "line") if x else ("─", "line")
        start = min(max(0, x - len(label) // 2), max(0, cells - len(label)))
        text[start : start + len(label)] = label[:cells]
    for x, kind in marks_at(plot, frame).items():
        rule[x] = SIGNS[kind]
    blank = " " * margin
    return [
        [Span(f"{blank}└", "line"), *runs(rule)],
        [Span(f"{blank} {''.join(text)[:cells]}", "dim")],
    ]


def marks_at(plot: Plot, frame: Frame) -> dict[int, MarkKind]:
    """The mark that each cell of the axis shows: of several, the one that matters most."""
    at: dict[int, MarkKind] = {}
    to_x = frame.to_x()
    for mark in plot.marks:
        where = float(mark.step)
        if plot.view.axis != "step":
            column = next((c for li in plot.lines if (c := column_at(li.columns, mark.step))), None)
            if column is None:
                continue
            where = place(column)
        if frame.first <= where <= frame.last:
            x = to_x(where) // 2
            if x not in at or RANK[mark.kind] < RANK[at[x]]:
                at[x] = mark.kind
    return at


def visible(marks: Sequence[Mark], first: float, last: float, cells: int = 256) -> tuple[Mark, ...]:
    """The marks between two steps, at most one for each part of so many: what matters most."""
    kept: dict[int, Mark] = {}
    for mark in marks:
        if first <= mark.step <= last:
            part = int((mark.step - first) * cells / max(1.0, last - first))
            if part not in kept or RANK[mark.kind] < RANK[kept[part].kind]:
                kept[part] = mark
    return tuple(kept[part] for part in sorted(kept))


def _place_labels(plot: Plot, frame: Frame, cells: int) -> list[tuple[int, str]]:
    """Cells of the axis and what is written below them."""
    count = max(2, cells // CELLS_PER_TICK + 1)
    if plot.view.axis == "time":
        ticks = _time_ticks(frame.first, frame.last, count)
        return [(frame.x(tick) // 2, duration(tick) or "0") for tick in ticks]
    ticks = nice_ticks(frame.first, frame.last, count)
    ticks = [tick for tick in ticks if frame.first <= tick <= frame.last and tick == int(tick)]
    return [(frame.x(tick) // 2, f"{int(tick)}") for tick in ticks]


def _time_ticks(first: float, last: float, count: int) -> list[float]:
    """Round amounts of seconds, minutes, hours or days."""
    steps = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200)
    least = (last - first) / max(1, count)
    step = next((one for one in steps if one >= least), None)
    if step is None:
        step = 86400 * max(1, round(least / 86400 + 0.49))
    number, ticks = -(-first // step), list[float]()
    while number * step <= last:
        ticks.append(number * step)
        number += 1
    return ticks


def tick_label(tick: float, ticks: Sequence[float]) -> str:
    """As many decimals as the distance of the ticks asks for."""
    span = min((b - a for a, b in pairwise(ticks)), default=1.0)
    largest = max(map(abs, ticks))
    if largest < 0.01 or largest >= 1e6:
        return figure(tick, fine=True) if tick else "0"
    for decimals in range(5):
        if span >= 10.0**-decimals * 0.999:
            return f"{tick:.{decimals}f}"
    return figure(tick, fine=True) if tick else "0"


def power_label(tick: float) -> str:
    """As short as it can be: the ticks of a log scale have nothing in common."""
    return f"{tick:g}".replace("e-0", "e-").replace("e+0", "e")
