"""The loss curve drawn together to a width: envelopes, so that a spike never vanishes."""

from __future__ import annotations

import math

from lorad.shared.messages import Column

SMOOTHING_SHARE = 0.02
"""The smoothing's reach: about this share of the run, so that it looks alike at any length."""


def columns(losses: list[tuple[int, float]], width: int) -> list[Column]:
    """At most `width` columns over (step, loss) pairs in order of step."""
    if not losses:
        return []
    smooth = smoothed([loss for _, loss in losses])
    first, last = losses[0][0], losses[-1][0]
    width = max(1, min(width, last - first + 1))
    groups: list[list[int]] = [[] for _ in range(width)]
    for row, (step, _) in enumerate(losses):
        groups[(step - first) * width // (last - first + 1)].append(row)
    return [_column(losses, smooth, rows) for rows in groups if rows]


def _column(losses: list[tuple[int, float]], smooth: list[float], rows: list[int]) -> Column:
    finite = [row for row in rows if math.isfinite(losses[row][1])]
    return Column(
        step=losses[rows[-1]][0],
        minimum=min((losses[row][1] for row in finite), default=None),
        maximum=max((losses[row][1] for row in finite), default=None),
        last=losses[finite[-1]][1] if finite else None,
        smoothed=smooth[finite[-1]] if finite else None,
        nonfinite=len(rows) - len(finite),
    )


def smoothed(values: list[float]) -> list[float]:
    """A zero-phase moving average: once forward, once backward, so that nothing shifts in time."""
    alpha = 1 / max(1.0, len(values) * SMOOTHING_SHARE)
    forward = _averaged(values, alpha)
    return _averaged(forward[::-1], alpha)[::-1]


def _averaged(values: list[float], alpha: float) -> list[float]:
    """Exponential, corrected for its start; what is not finite is passed over."""
    out = []
    mean = weight = 0.0
    for value in values:
        if math.isfinite(value):
            mean += alpha * (value - mean)
            weight += alpha * (1 - weight)
        out.append(mean / weight if weight else math.nan)
    return out
