"""Figures by step, drawn together to columns of a window: no extreme is ever lost."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lorad.daemon.chart.pyramid import Pyramid
from lorad.shared.messages import Axis, Column, Metric

SMOOTHING_SHARE = 0.02
"""The smoothing's reach: about this share of the run, so that it looks alike at any length."""
FINE = 8
"""From so many columns on, their borders are rounded to this part of their span."""


@dataclass(frozen=True)
class Window:
    """What part of a run is asked for, and how finely."""

    width: int
    """Columns at most."""
    first: float | None = None
    last: float | None = None
    """In the axis' own unit, both included; none: to the end."""
    axis: Axis = "step"
    images_per_step: int = 1
    begin: float = 0.0
    """When the run began, where the axis is the time."""
    smoothing: float = SMOOTHING_SHARE


class Series:
    """Figures that are known at the same steps."""

    def __init__(self, names: Sequence[Metric]) -> None:
        self.steps = array("q")
        self.times = array("d")
        self.figures: dict[Metric, Pyramid] = {name: Pyramid() for name in names}

    def __len__(self) -> int:
        return len(self.steps)

    def extend(
        self,
        steps: Sequence[int],
        times: Sequence[float],
        figures: Mapping[Metric, Sequence[float]],
    ) -> None:
        """Later steps, in order; what a resumed run takes again replaces all from there on."""
        if not steps:
            return
        if self.steps and steps[0] <= self.steps[-1]:
            self.cut(steps[0])
        self.steps.extend(steps)
        self.times.extend(times)
        for name, pyramid in self.figures.items():
            pyramid.extend(figures[name])

    def cut(self, step: int) -> None:
        """Forget all from a step on."""
        length = bisect_left(self.steps, step)
        del self.steps[length:]
        del self.times[length:]
        for pyramid in self.figures.values():
            pyramid.cut(length)

    def place(self, step: int) -> int:
        """How many steps there are up to one."""
        return bisect_right(self.steps, step)

    def columns(self, name: Metric, window: Window) -> list[Column]:
        """One figure's columns in a window; none where there is no value."""
        start, end = self._range(window)
        pyramid = self.figures[name]
        return [self._column(pyramid, window, *part) for part in parts(start, end, window.width)]

    def _range(self, window: Window) -> tuple[int, int]:
        """The places that a window holds."""
        if window.axis == "time":
            known: Sequence[float] = self.times
            scale, origin = 1.0, window.begin
        else:
            known, origin = self.steps, 0.0
            scale = window.images_per_step if window.axis == "images" else 1.0
        start, end = 0, len(known)
        if window.first is not None:
            start = bisect_left(known, window.first / scale + origin)
        if window.last is not None:
            end = bisect_right(known, window.last / scale + origin)
        return start, end

    def _column(self, pyramid: Pyramid, window: Window, start: int, end: int) -> Column:
        step = self.steps[end - 1]
        at = None
        if window.axis == "time":
            at = self.times[end - 1] - window.begin
        elif window.axis == "images":
            at = float(step * window.images_per_step)
        last = pyramid.last(start, end)
        if last is None:
            return Column(step=step, nonfinite=end - start, at=at)
        low, high = pyramid.extremes(start, end) if end - start > 1 else (pyramid.values[last],) * 2
        return Column(
            step=step,
            minimum=low,
            maximum=high,
            last=pyramid.values[last],
            smoothed=pyramid.smoothed(last, window.smoothing) if window.smoothing else None,
            nonfinite=pyramid.nonfinite(start, end),
            at=at,
        )


def parts(start: int, end: int, width: int) -> list[tuple[int, int]]:
    """A range of places in at most `width` parts.

    Where there are many, their borders are multiples of one span, itself a round number: they
    stay where they are when the range grows or moves, and the picture of it too.
    """
    length = end - start
    if length <= width:
        return [(at, at + 1) for at in range(start, end)]
    if width < FINE:
        borders = [start + length * part // width for part in range(width + 1)]
        return list(pairwise(borders))
    least = -(-length // (width - 2))
    grain = 1
    while grain * FINE <= least:
        grain *= 2
    span = -(-least // grain) * grain
    inner = range((start // span + 1) * span, end, span)
    borders = [start, *inner, end]
    return list(pairwise(borders))
