"""The loss of the selected job: every step's spread in the shade, the smoothed line before it.

The loss on what is held out stands over both, a dot for each look.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import ClassVar

from textual.binding import Binding, BindingType

from lorad.shared.jobs import Job
from lorad.shared.messages import Column, Validation
from lorad.tui.curve import Curve
from lorad.tui.format import figure, fit, validation
from lorad.tui.widgets.painting import (
    Painting,
    Row,
    Span,
    Tone,
    centred,
    heading,
    runs,
)
from lorad.tui.widgets.plot import (
    Frame,
    axis_steps,
    bounds,
    dots_of_extents,
    dots_of_trace,
    envelope,
    gaps,
    log_ticks,
    nice_ticks,
    trace,
    value_axis,
)

ROWS_PER_TICK = 4
CELLS_PER_TICK = 14


class LossChart(Painting, can_focus=True):
    """Shows a `Curve`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "toggle_log", "log scale", id="chart.log", tooltip="Log scale of the loss"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._curve = Curve()
        self._job: Job | None = None
        self._looks: tuple[Validation, ...] = ()
        self._log = False

    def show(self, job: Job | None, curve: Curve, looks: tuple[Validation, ...] = ()) -> None:
        """Draw this job's curve, and its looks at what is held out."""
        self._job, self._curve, self._looks = job, curve, looks
        self.repaint()

    def action_toggle_log(self) -> None:
        self._log = not self._log
        self.repaint()

    def paint(self, width: int, height: int) -> list[Row]:
        """Heading, plot and axes."""
        title = "Loss · log" if self._log else "Loss"
        head = heading(title, self._figures(width), width, self.has_focus)
        if height < 5 or width < 20:
            return [head]
        total = (self._job.max_train_steps if self._job else None) or 1
        size = (width, height - 1)
        plot = chart_rows(self._curve.columns, total, size, self._log, self._looks)
        if plot is None:
            return [head, *centred([[Span(self._silence(), "dim")]], width, height - 1)]
        return [head, *plot]

    def _silence(self) -> str:
        if self._job is None:
            return "no job is selected"
        if any(column.nonfinite for column in self._curve.columns):
            return "every loss so far is NaN"
        return "no step taken yet"

    def _figures(self, width: int) -> str:
        point = self._curve.newest
        if point is None:
            return ""
        parts = [figure(point.loss), f"step {point.step}", f"lr {figure(point.learning_rate, 3)}"]
        parts.append(f"grad {figure(point.grad_norm, 3)}")
        if self._job is not None and (looked := validation(self._job)):
            parts.insert(1, looked)
        while parts and len(" · ".join(parts)) > width - 14:
            parts.pop()
        return " · ".join(parts)


def chart_rows(
    columns: tuple[Column, ...],
    total: int,
    size: tuple[int, int],
    log: bool,
    looks: Iterable[Validation] = (),
) -> list[Row] | None:
    """The plot with its axes in this many cells; none where there is no finite value."""
    looks = [look for look in looks if math.isfinite(look.loss)]
    extremes = bounds(columns)
    if extremes is None:
        return None
    width, height = size
    low = min(extremes[0], *(look.loss for look in looks)) if looks else extremes[0]
    high = max(extremes[1], *(look.loss for look in looks)) if looks else extremes[1]
    log = log and low > 0
    plot_height = height - 2
    if log:
        ticks = log_ticks(low, high)
        bottom, top = ticks[0], ticks[-1]
    else:
        bottom, top, ticks = value_axis(low, high, max(2, plot_height // ROWS_PER_TICK + 1))
    labels = [_label(tick, ticks) for tick in ticks]
    margin = max(map(len, labels)) + 1
    frame = Frame(
        steps=axis_steps(columns[-1].step, total),
        low=bottom,
        high=top,
        width=(width - margin - 1) * 2,
        height=plot_height * 4,
        log=log,
    )
    at_row = {frame.y(tick) // 4: label for tick, label in zip(ticks, labels, strict=True)}
    plot = _cells(columns, frame)
    for look in looks:
        plot[frame.y(look.loss) // 4][frame.x(look.step) // 2] = ("●", "good")
    rows = [_axis(at_row.get(y), margin) + runs(cells) for y, cells in enumerate(plot)]
    return rows + _step_axis(frame, margin)


def _cells(columns: tuple[Column, ...], frame: Frame) -> list[list[tuple[str, Tone]]]:
    """The plot: a cell that the line crosses shows the line alone."""
    shade = dots_of_extents(envelope(columns, frame), frame)
    line = dots_of_trace(trace(columns, frame), frame)
    rows = [
        [_cell(front, back) for front, back in zip(fronts, backs, strict=True)]
        for fronts, backs in zip(line, shade, strict=True)
    ]
    for x in gaps(columns, frame):
        rows[-1][x] = ("✗", "bad")
    return rows


def _cell(front: int, back: int) -> tuple[str, Tone]:
    if front:
        return chr(0x2800 + front), "accent"
    return (chr(0x2800 + back), "faint") if back else (" ", "text")


def _axis(label: str | None, margin: int) -> Row:
    if label is None:
        return [Span(" " * margin + "│", "line")]
    return [Span(fit(label, margin - 1, right=True) + " ", "dim"), Span("┤", "line")]


def _step_axis(frame: Frame, margin: int) -> list[Row]:
    """The line below the plot and the steps below the line."""
    cells = frame.width // 2
    ticks = nice_ticks(0, frame.steps, max(2, cells // CELLS_PER_TICK + 1))
    ticks = [tick for tick in ticks if tick <= frame.steps and tick == int(tick)]
    rule, text = ["─"] * cells, [" "] * cells
    for tick in ticks:
        x, label = frame.x(tick) // 2, f"{int(tick)}"
        rule[x] = "┬" if x else "─"
        start = min(max(0, x - len(label) // 2), cells - len(label))
        text[start : start + len(label)] = label
    blank = " " * margin
    return [
        [Span(f"{blank}└{''.join(rule)}", "line")],
        [Span(f"{blank} {''.join(text)}", "dim")],
    ]


def _label(tick: float, ticks: list[float]) -> str:
    """As many decimals as the distance of the ticks asks for."""
    span = min((b - a for a, b in pairwise(ticks)), default=1.0)
    for decimals in range(5):
        if span >= 10.0**-decimals * 0.999:
            return f"{tick:.{decimals}f}"
    return f"{tick:.0e}"
