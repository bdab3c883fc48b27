"""A figure over the steps in bounded memory: old steps are drawn together, no extreme is lost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from lorad.shared.messages import Column

CURVE_COLUMNS = 480
"""A curve is drawn together to this many; until it holds twice as many, new steps are kept."""
SMOOTHING_SHARE = 0.02
"""As the daemon smooths, so that a live point does not bend the curve it gave."""


@dataclass(frozen=True)
class Curve:
    """A figure over the steps, in bounded memory."""

    columns: tuple[Column, ...] = ()
    grown: int = 0
    """Steps since the daemon drew it together."""

    @property
    def last_step(self) -> int:
        """The newest step that it knows; 0 before the first."""
        return self.columns[-1].step if self.columns else 0


EMPTY_CURVE = Curve()


def add_value(curve: Curve, step: int, value: float, *, sparse: bool = False) -> Curve:
    """One more step; one that was there already replaces all from it on.

    A run that died goes on from its checkpoint and takes some steps again. `sparse`: not every
    step has a value, so a column that ends behind the step need not reach before it.
    """
    columns = curve.columns
    if columns and step <= columns[-1].step:
        columns = _cut(columns, step)
        if sparse and columns and columns[-1] not in curve.columns:
            columns = columns[:-1]
    columns = (*columns, _column(step, value, columns[-1] if columns else None))
    if len(columns) > 2 * CURVE_COLUMNS:
        columns = condense(columns, CURVE_COLUMNS)
    return Curve(columns, curve.grown + 1)


def _cut(columns: tuple[Column, ...], step: int) -> tuple[Column, ...]:
    """What was before a step. A column that reaches over it keeps its extremes."""
    kept = [column for column in columns if column.step < step]
    if len(kept) < len(columns):
        over, begin = columns[len(kept)], kept[-1].step if kept else 0
        if begin < step - 1:
            kept.append(_ending_at(over, step - 1))
    return tuple(kept)


def _ending_at(column: Column, step: int) -> Column:
    return msgspec.structs.replace(column, step=step)


def _column(step: int, value: float, before: Column | None) -> Column:
    smoothed = before.smoothed if before else None
    if not math.isfinite(value):
        return Column(step=step, smoothed=smoothed, nonfinite=1)
    share = 1 / max(1.0, step * SMOOTHING_SHARE)
    smoothed = value if smoothed is None else smoothed + share * (value - smoothed)
    return Column(step=step, minimum=value, maximum=value, last=value, smoothed=smoothed)


def condense(columns: Sequence[Column], width: int) -> tuple[Column, ...]:
    """At most `width` columns of equal span; no extreme is lost."""
    first = columns[0].step
    span = -(-(columns[-1].step - first + 1) // width)
    groups: dict[int, list[Column]] = {}
    for column in columns:
        groups.setdefault((column.step - first) // span, []).append(column)
    return tuple(_merged(group) for group in groups.values())


def _merged(group: list[Column]) -> Column:
    return Column(
        step=group[-1].step,
        minimum=min((c.minimum for c in group if c.minimum is not None), default=None),
        maximum=max((c.maximum for c in group if c.maximum is not None), default=None),
        last=next((c.last for c in reversed(group) if c.last is not None), None),
        smoothed=next((c.smoothed for c in reversed(group) if c.smoothed is not None), None),
        nonfinite=sum(c.nonfinite for c in group),
    )
