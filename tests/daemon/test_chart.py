from __future__ import annotations

import math

from lorad.daemon.chart import columns, smoothed


def test_a_spike_never_vanishes() -> None:
    losses = [(step, 0.1) for step in range(1, 100_001)]
    losses[77_776] = (77_777, 9.0)
    drawn = columns(losses, 120)
    assert len(drawn) == 120
    assert max(column.maximum or 0 for column in drawn) == 9.0
    assert drawn[-1].step == 100_000


def test_each_point_is_a_column_while_there_is_room() -> None:
    drawn = columns([(1, 3.0), (2, 2.0), (3, 1.0)], 80)
    assert [(c.step, c.minimum, c.maximum, c.last) for c in drawn] == [
        (1, 3.0, 3.0, 3.0),
        (2, 2.0, 2.0, 2.0),
        (3, 1.0, 1.0, 1.0),
    ]


def test_what_is_not_finite_is_counted_and_left_out() -> None:
    drawn = columns([(1, 1.0), (2, math.nan), (3, math.inf), (4, 2.0)], 1)
    assert (drawn[0].minimum, drawn[0].maximum, drawn[0].nonfinite) == (1.0, 2.0, 2)
    (only,) = columns([(1, math.nan)], 1)
    assert (only.minimum, only.last, only.smoothed, only.nonfinite) == (None, None, None, 1)


def test_nothing_is_nothing() -> None:
    assert columns([], 10) == []


def test_smoothing_keeps_the_level_and_does_not_shift() -> None:
    assert smoothed([2.0] * 200) == [2.0] * 200 or all(
        abs(value - 2.0) < 1e-12 for value in smoothed([2.0] * 200)
    )
    bump = [0.0] * 500 + [1.0] + [0.0] * 500
    smooth = smoothed(bump)
    assert abs(smooth.index(max(smooth)) - 500) <= 1
