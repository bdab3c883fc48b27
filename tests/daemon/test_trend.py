"""A run's loss in a handful of figures."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorad.daemon import trend


def whole(losses: list[float]) -> trend.Trend:
    return trend.extended((), 0, enumerate(losses, 1))


def means(losses: list[float]) -> list[float]:
    """As the definition says, from all of them at once."""
    width = trend.span(len(losses))
    cuts = [losses[at : at + width] for at in range(0, len(losses), width)]
    return [sum(cut) / len(cut) for cut in cuts]


@given(st.lists(st.floats(0.0, 10.0), max_size=300))
def test_it_is_the_means_of_equal_spans(losses: list[float]) -> None:
    found = whole(losses)
    assert len(found) <= trend.MOST
    assert found == pytest.approx(means(losses))
    assert trend.fits(found, len(losses))


@given(st.integers(1, 400), st.data())
def test_how_the_points_come_makes_no_difference(steps: int, data: st.DataObject) -> None:
    losses = [1.0 / step for step in range(1, steps + 1)]
    at = data.draw(st.integers(0, steps))
    begun = whole(losses[:at])
    rest = list(enumerate(losses, 1))[at:]
    assert trend.extended(begun, at, rest) == pytest.approx(whole(losses))


def test_a_million_steps_are_sixteen_figures() -> None:
    assert trend.span(16) == 1
    assert trend.span(17) == 2
    assert trend.span(1_000_000) * trend.MOST >= 1_000_000
    assert trend.span(1_000_000) * trend.MOST < 2_000_000


@given(st.integers(1, 300), st.data())
def test_back_at_a_checkpoint_it_goes_on_from_there(steps: int, data: st.DataObject) -> None:
    to = data.draw(st.integers(0, steps))
    back = trend.cut(whole([2.0] * steps), steps, to)
    assert trend.fits(back, to)
    again = trend.extended(back, to, [(step, 2.0) for step in range(to + 1, steps + 50)])
    assert again == pytest.approx(whole([2.0] * (steps + 49)))


def test_steps_taken_again_replace_the_old_ones() -> None:
    old = whole([1.0] * 8)
    assert trend.extended(old, 8, [(5, 9.0), (6, 9.0)]) == (1.0, 1.0, 1.0, 1.0, 9.0, 9.0)


def test_what_is_no_number_leaves_no_mark() -> None:
    assert whole([math.nan, 4.0, math.inf, 2.0]) == (4.0, 4.0, 4.0, 2.0)
    assert whole([math.nan, math.nan]) == ()


def test_steps_that_nobody_told_of_are_bridged() -> None:
    found = trend.extended((3.0,), 1, [(5, 1.0)])
    assert found == (3.0, 3.0, 3.0, 3.0, 1.0)


def test_a_run_of_an_older_lorad_has_none() -> None:
    assert not trend.fits((), 40)
    assert trend.fits((), 0)
