"""The loss of a run so far in a handful of figures: what a row of the queue draws of it.

Each figure is the mean loss of a span of steps. All spans are equally long, a power of two, and
the shortest of which `MOST` reach to the newest step; so the step alone says how long they are,
and a trend is a plain tuple that grows point by point without a look at the older points.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

MOST = 16
"""Spans; a power of two. When there would be one more, each two of them become one."""

Trend = tuple[float, ...]


def span(step: int) -> int:
    """How many steps a figure stands for when the run is at this step."""
    return 1 << max(0, (step - 1).bit_length() - (MOST.bit_length() - 1))


def fits(trend: Trend, step: int) -> bool:
    """Whether it can be the trend of a run at this step; none is kept of an older lorad's run."""
    return len(trend) == -(-step // span(step)) or (not trend and step == 0)


def extended(trend: Trend, step: int, losses: Iterable[tuple[int, float]]) -> Trend:
    """The trend of a run that was at `step`, after more (step, loss) pairs in order of step.

    A step that is taken again replaces all from it on. A loss that is no number counts as the
    mean before it.
    """
    for at, loss in losses:
        if at <= step:
            trend = cut(trend, step, at - 1)
            step = at - 1
        trend = _added(trend, step, at, loss)
        step = at
    return trend


def cut(trend: Trend, step: int, to: int) -> Trend:
    """The trend of a run that was at `step` and is at `to` again, from its checkpoint."""
    if to >= step:
        return trend
    wide, narrow = span(step), span(to)
    finer = [value for value in trend for _ in range(wide // narrow)]
    return tuple(finer[: -(-to // narrow)])


def _added(trend: Trend, step: int, at: int, loss: float) -> Trend:
    if not math.isfinite(loss):
        if not trend:
            return trend
        loss = trend[-1]
    figures = list(trend)
    width = span(at)
    for _ in range((width // span(step)).bit_length() - 1):
        figures = [sum(pair) / len(pair) for pair in _pairs(figures)]
    place = (at - 1) // width
    # Steps that nobody told of: a full disk did not take them.
    figures += [figures[-1] if figures else loss] * (place + 1 - len(figures))
    figures[place] += (loss - figures[place]) / (at - place * width)
    return tuple(figures)


def _pairs(figures: list[float]) -> list[list[float]]:
    """Each two; the last one alone where their number is odd."""
    return [figures[place : place + 2] for place in range(0, len(figures), 2)]
