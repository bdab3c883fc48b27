"""All values of one figure, and their extremes in ever wider buckets.

Level 1 has the extremes, sum and count of every 16 values, level 2 those of 16 buckets of level 1,
and so on: the extremes of any range are a few short slices away, whatever its length.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

BASE = 16
"""Values or buckets to a bucket."""
SMOOTHED_BUCKETS = 1024
"""A curve is smoothed over at most twice as many means: what a terminal shows is far coarser."""


class Level:
    """Complete buckets of one width."""

    def __init__(self) -> None:
        self.lows = array("d")
        self.highs = array("d")
        self.sums = array("d")
        self.counts = array("q")
        """How many values are finite; where none is, the extremes are infinite."""

    def append(self, low: float, high: float, total: float, count: int) -> None:
        self.lows.append(low)
        self.highs.append(high)
        self.sums.append(total)
        self.counts.append(count)

    def cut(self, length: int) -> None:
        for column in (self.lows, self.highs, self.sums, self.counts):
            del column[length:]

    def __len__(self) -> int:
        return len(self.lows)


class Pyramid:
    """Values by their place, 0 the first."""

    def __init__(self, values: Iterable[float] = ()) -> None:
        self.values = array("d")
        """As they came: what is not finite is among them."""
        self._holes = array("q")
        """The places of what is not finite, in order."""
        self._levels: list[Level] = []
        self._smooth: tuple[float, list[float], int] | None = None
        self.extend(values)

    def __len__(self) -> int:
        return len(self.values)

    def extend(self, values: Iterable[float]) -> None:
        """More values at the end."""
        before = len(self.values)
        self.values.extend(values)
        added = self.values[before:]
        if not math.isfinite(sum(added)):
            self._holes.extend(
                place for place, value in enumerate(added, before) if not math.isfinite(value)
            )
        self._smooth = None
        self._build()

    def cut(self, length: int) -> None:
        """Forget all values from a place on."""
        del self.values[length:]
        del self._holes[bisect_left(self._holes, length) :]
        width = 1
        for level in self._levels:
            width *= BASE
            level.cut(length // width)
        self._smooth = None

    def _build(self) -> None:
        """The buckets that are complete now and were not."""
        if not self._levels:
            self._levels.append(Level())
        first = self._levels[0]
        begin, end = len(first) * BASE, len(self.values) // BASE * BASE
        if self.nonfinite(begin, end):
            for start in range(begin, end, BASE):
                first.append(*self._raw(start, start + BASE))
        elif begin < end:
            # The same at once: the loading of a long run is mostly this.
            heads = [self.values[begin + place : end : BASE] for place in range(BASE)]
            first.lows.extend(map(min, *heads))
            first.highs.extend(map(max, *heads))
            first.sums.extend(map(sum, zip(*heads, strict=True)))
            first.counts.extend([BASE] * len(heads[0]))
        below = first
        for number in range(1, 12):
            if len(below) < BASE:
                return
            if number == len(self._levels):
                self._levels.append(Level())
            level = self._levels[number]
            for start in range(len(level) * BASE, len(below) - BASE + 1, BASE):
                level.append(*_joined(below, start, start + BASE))
            below = level

    def _raw(self, start: int, end: int) -> tuple[float, float, float, int]:
        """Extremes, sum and count of what is finite among the values themselves."""
        found = self.values[start:end]
        total = sum(found)
        if total - total == 0.0:  # finite, so each of them is
            return min(found), max(found), total, end - start
        finite = [value for value in found if math.isfinite(value)]
        low, high = min(finite, default=math.inf), max(finite, default=-math.inf)
        return low, high, sum(finite), len(finite)

    # -- questions ----------------------------------------------------------------------------

    def nonfinite(self, start: int, end: int) -> int:
        """How many values of a range are not finite."""
        if not self._holes:
            return 0
        return bisect_left(self._holes, end) - bisect_left(self._holes, start)

    def extremes(self, start: int, end: int) -> tuple[float, float]:
        """The lowest and the highest finite value of a range; infinities where there is none."""
        low, high = math.inf, -math.inf
        for level, first, last in self._pieces(start, end):
            if level is not None:
                low = min(low, *level.lows[first:last])
                high = max(high, *level.highs[first:last])
            elif self.nonfinite(first, last):
                one_low, one_high, _, _ = self._raw(first, last)
                low, high = min(low, one_low), max(high, one_high)
            else:
                found = self.values[first:last]
                low, high = min(low, *found), max(high, *found)
        return low, high

    def total(self, start: int, end: int) -> tuple[float, int]:
        """The sum of the finite values of a range, and how many they are."""
        total, count = 0.0, 0
        for level, first, last in self._pieces(start, end):
            if level is None:
                _, _, one_total, one_count = self._raw(first, last)
            else:
                _, _, one_total, one_count = _joined(level, first, last)
            total, count = total + one_total, count + one_count
        return total, count

    def _pieces(self, start: int, end: int) -> list[tuple[Level | None, int, int]]:
        """A range, cut at the buckets' borders: what stands over is taken from the level below.

        None: of the values themselves.
        """
        below: Level | None = None
        pieces = []
        for level in self._levels:
            inner, outer = -(-start // BASE), end // BASE
            if inner >= outer:
                break
            if start < inner * BASE:
                pieces.append((below, start, inner * BASE))
            if outer * BASE < end:
                pieces.append((below, outer * BASE, end))
            below, start, end = level, inner, outer
        if start < end:
            pieces.append((below, start, end))
        return pieces

    def last(self, start: int, end: int) -> int | None:
        """The place of the last finite value of a range."""
        if not self.nonfinite(end - 1, end):
            return end - 1
        return next(
            (at for at in range(end - 1, start - 1, -1) if math.isfinite(self.values[at])), None
        )

    # -- smoothing ----------------------------------------------------------------------------

    def smoothed(self, place: int, share: float) -> float | None:
        """The zero-phase moving average at a place; its reach is a share of all values.

        Exponential, once forward and once backward, so that nothing shifts in time, over means of
        equal numbers of values: up to twice `SMOOTHED_BUCKETS` of them, and so over the values
        themselves while there are no more. Between two means it is a straight line. A curve looks
        the same at any length, and any part of it as it does in the whole.
        """
        if self._smooth is None or self._smooth[0] != share:
            span = 1
            while len(self.values) > 2 * SMOOTHED_BUCKETS * span:
                span *= 2
            means = zero_phase(self._means(span), len(self.values) * share)
            self._smooth = (share, means, span)
        _, means, span = self._smooth
        at = (place + 0.5) / span - 0.5
        left = min(max(0, math.floor(at)), len(means) - 1)
        right = min(left + 1, len(means) - 1)
        value = means[left] + (means[right] - means[left]) * min(1.0, max(0.0, at - left))
        return value if math.isfinite(value) else None

    def _means(self, span: int) -> list[tuple[float, int]]:
        """Sum and count of each so many values, the last ones perhaps of fewer."""
        length = len(self.values)
        if span == 1:
            return [(value, 1) if math.isfinite(value) else (0.0, 0) for value in self.values]
        number, width = -1, 1
        while width * BASE <= span and number + 1 < len(self._levels):
            number, width = number + 1, width * BASE
        if number < 0:
            return [self.total(at, min(at + span, length)) for at in range(0, length, span)]
        level, step = self._levels[number], span // width
        whole = length // span
        sums = _by(level.sums, step, whole)
        counts = _by(level.counts, step, whole) if self._holes else [span] * whole
        found = list(zip(sums, counts, strict=True))
        return found if whole * span == length else [*found, self.total(whole * span, length)]


def _by(values: array[float] | array[int], step: int, whole: int) -> list[Any]:
    """The sums of each so many values; so many sums."""
    if step == 1:
        return list(values[:whole])
    return list(
        map(sum, zip(*(values[at : whole * step : step] for at in range(step)), strict=True))
    )


def _joined(level: Level, start: int, end: int) -> tuple[float, float, float, int]:
    """Several buckets as one."""
    return (
        min(level.lows[start:end]),
        max(level.highs[start:end]),
        sum(level.sums[start:end]),
        sum(level.counts[start:end]),
    )


def zero_phase(buckets: list[tuple[float, int]], reach: float) -> list[float]:
    """Sums and counts, averaged exponentially forward and then backward; `reach` in values.

    NaN where nothing finite came yet.
    """
    keep = 1 - 1 / max(1.0, reach)
    shares = {count: 1 - keep**count for count in {count for _, count in buckets}}
    weights = [shares[count] for _, count in buckets]
    means = [total / count if count else 0.0 for total, count in buckets]
    forward = _averaged(means, weights)
    return _averaged(forward[::-1], weights[::-1])[::-1]


def _averaged(values: list[float], weights: list[float]) -> list[float]:
    """Corrected for its start, which knows nothing yet; what weighs nothing is passed over."""
    out = []
    mean = known = 0.0
    for value, weight in zip(values, weights, strict=True):
        if weight:
            mean += weight * (value - mean)
            known += weight * (1 - known)
        out.append(mean / known if known else math.nan)
    return out
