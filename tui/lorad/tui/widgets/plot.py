"""A curve as Braille: steps and values in, dots out. No Textual here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lorad.shared.messages import Column

BRAILLE = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bit of each dot in a cell, by column and row."""
FROM = [[sum(dots[row:]) for row in range(4)] for dots in BRAILLE]
"""The dots from a row down, and down to a row."""
UP_TO = [[sum(dots[: row + 1]) for row in range(4)] for dots in BRAILLE]


LEAST = 1e-15
"""Values closer to each other, or to zero, are the same for a chart."""


class Extent(NamedTuple):
    """The lowest and highest value over one column of dots."""

    low: float
    high: float


@dataclass(frozen=True)
class Frame:
    """The places and values that are in view, and the dots that show them."""

    first: float
    """Where the axis begins and ends, in its own unit."""
    last: float
    low: float
    high: float
    width: int
    """In dots."""
    height: int
    log: bool = False

    def x(self, at: float) -> int:
        """The column of dots of a place."""
        return self.to_x()(at)

    def y(self, value: float) -> int:
        """The row of dots of a value, 0 at the top."""
        return self.to_y()(value)

    def at(self, x: float) -> float:
        """The place of a column of dots."""
        return self.first + (self.last - self.first) * x / max(1, self.width - 1)

    def to_x(self) -> Callable[[float], int]:
        """`x` for many places: what they share is reckoned once."""
        first, end = self.first, self.width - 1
        scale = end / max(1e-9, self.last - first)

        def x(at: float) -> int:
            column = int((at - first) * scale + 1e-9)
            return 0 if column < 0 else end if column > end else column

        return x

    def to_y(self) -> Callable[[float], int]:
        """`y` for many values."""
        end = self.height - 1
        low, high = (_log(v) if self.log else v for v in (self.low, self.high))
        scale = end / (high - low) if high > low else 0.0
        log = self.log

        def y(value: float) -> int:
            row = round((high - (_log(value) if log else value)) * scale)
            return 0 if row < 0 else end if row > end else row

        return y if high > low else lambda value: round(end / 2)


def _log(value: float) -> float:
    return math.log10(max(value, 1e-300))


def place(column: Column) -> float:
    """Where a column is on its axis."""
    return column.step if column.at is None else column.at


def bounds(columns: Iterable[Column]) -> tuple[float, float] | None:
    """The extremes of all that is finite; none where nothing is."""
    finite = [c for c in columns if c.minimum is not None and c.maximum is not None]
    if not finite:
        return None
    return (
        min(c.minimum for c in finite if c.minimum is not None),
        max(c.maximum for c in finite if c.maximum is not None),
    )


def axis_end(last: float, total: float) -> float:
    """How far the axis of a whole run reaches: halves of the run, so that it changes rarely."""
    if last >= total:
        return max(1.0, last)
    reach = float(total)
    while reach / 2 >= max(last, 10):
        reach /= 2
    return float(math.ceil(reach))


def nice_ticks(low: float, high: float, count: int) -> list[float]:
    """Round values around both bounds, 1, 2 or 5 times a power of ten apart."""
    if high - low <= max(LEAST, 1e-6 * max(abs(low), abs(high))):
        pad = abs(high) * 0.1 if abs(high) > LEAST else 1.0
        low, high = low - pad, high + pad
    raw = (high - low) / max(1, count - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    digits = max(0, 2 - math.floor(math.log10(step)))  # against 0.30000000000000004
    return [round(n * step, digits) for n in range(first, last + 1)]


def value_axis(low: float, high: float, count: int) -> tuple[float, float, list[float]]:
    """Both ends and the ticks between; the ends are rounded too, so that they change rarely."""
    ticks = nice_ticks(low, high, count)
    grain = (ticks[1] - ticks[0]) / 4
    bottom = max(ticks[0], math.floor(low / grain + 1e-9) * grain)
    top = min(ticks[-1], math.ceil(high / grain - 1e-9) * grain)
    inside = [tick for tick in ticks if bottom - grain / 9 <= tick <= top + grain / 9]
    if len(inside) < 2:  # too narrow a view of too round numbers
        return ticks[0], ticks[-1], ticks
    return bottom, top, inside


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten around both bounds, with 2 and 5 between where there are few."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    last = max(last, first + 1)
    parts = (1, 2, 5) if last - first <= 2 else (1,)
    ticks = [m * 10.0**n for n in range(first, last) for m in parts] + [10.0**last]
    inside = [t for t in ticks if low <= t <= high]
    below = max((t for t in ticks if t <= low), default=ticks[0])
    above = min((t for t in ticks if t >= high), default=ticks[-1])
    return sorted({below, *inside, above})


def envelope(columns: Sequence[Column], frame: Frame) -> list[Extent | None]:
    """Lowest and highest value over each column of dots; none where a gap is."""
    extents: list[Extent | None] = [None] * frame.width
    end, last, to_x = -1, None, frame.to_x()
    for column in columns:
        x = to_x(column.step if column.at is None else column.at)
        if column.minimum is None or column.maximum is None or column.last is None:
            end, last = x, None
            continue
        low, high = column.minimum, column.maximum
        if last is not None and x > end:
            # A bar reaches to its neighbour's end, or single steps fall into dots.
            last = _bridge(extents, end, x, last, column.last)
            low, high = min(low, last), max(high, last)
        extents[x] = _joined(extents[x], low, high)
        end, last = x, column.last
    return extents


def _joined(extent: Extent | None, low: float, high: float) -> Extent:
    return (
        Extent(low, high) if extent is None else Extent(min(extent[0], low), max(extent[1], high))
    )


def _bridge(extents: list[Extent | None], start: int, end: int, one: float, other: float) -> float:
    """Where there are fewer steps than dots, a line from one to the next; where it got to."""
    before = one
    for x in range(start + 1, end):
        value = one + (other - one) * (x - start) / (end - start)
        extents[x] = Extent(min(before, value), max(before, value))
        before = value
    return before


def trace(
    columns: Sequence[Column], frame: Frame, value_of: Callable[[Column], float | None]
) -> list[float | None]:
    """A line's value at each column of dots; none before it begins and after it ends."""
    values: list[float | None] = [None] * frame.width
    end, last, to_x = -1, None, frame.to_x()
    for column in columns:
        value = value_of(column)
        if value is None:
            continue
        x = to_x(column.step if column.at is None else column.at)
        if last is not None and x > end + 1:
            for at in range(end + 1, x):
                values[at] = last + (value - last) * (at - end) / (x - end)
        values[x] = last = value
        end = x
    return values


def dots_of_extents(extents: Sequence[Extent | None], frame: Frame) -> list[list[int]]:
    """Braille patterns of vertical bars, by row and column of cells."""
    cells, to_y = _blank(frame), frame.to_y()
    for x, extent in enumerate(extents):
        if extent is not None:
            _bar(cells, x, to_y(extent.high), to_y(extent.low))
    return cells


def dots_of_trace(
    values: Sequence[float | None], frame: Frame, dash: Sequence[int] = (), thick: int = 1
) -> list[list[int]]:
    """Braille patterns of a line without holes, by row and column of cells.

    `dash` are columns of dots that are drawn and left out in turn, `thick` is in dots.
    """
    cells, to_y = _blank(frame), frame.to_y()
    drawn = dashes(dash)
    before: int | None = None
    for x, value in enumerate(values):
        if value is None:
            before = None
            continue
        y = to_y(value)
        # Each column reaches half-way to its neighbour, or a steep line falls into dots.
        start = y if before is None else before + (1 if y > before else -1 if y < before else 0)
        if drawn[x % len(drawn)]:
            top, bottom = min(start, y), max(start, y)
            _bar(cells, x, min(top, frame.height - thick), min(frame.height, bottom + thick) - 1)
        before = y
    return cells


def dashes(dash: Sequence[int]) -> list[bool]:
    """Whether each column of dots of one period is drawn; without a pattern all are."""
    return [not place % 2 for place, length in enumerate(dash) for _ in range(length)] or [True]


def gaps(columns: Sequence[Column], frame: Frame) -> set[int]:
    """The columns of cells with a value that is not finite."""
    return {frame.x(place(column)) // 2 for column in columns if column.nonfinite}


def _blank(frame: Frame) -> list[list[int]]:
    return [[0] * ((frame.width + 1) // 2) for _ in range((frame.height + 3) // 4)]


def _bar(cells: list[list[int]], x: int, top: int, bottom: int) -> None:
    """From cell to cell, since a tall bar crosses many dots."""
    cell, side = x // 2, x % 2
    first, last = top // 4, bottom // 4
    if first == last:
        cells[first][cell] |= FROM[side][top % 4] & UP_TO[side][bottom % 4]
        return
    cells[first][cell] |= FROM[side][top % 4]
    for row in range(first + 1, last):
        cells[row][cell] |= FROM[side][0]
    cells[last][cell] |= UP_TO[side][bottom % 4]
