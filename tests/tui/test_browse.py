"""Where somebody is among the pictures: a value, and what moving makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorad.tui.browse import Browse, scrolled

STEPS = (0, 100, 200, 300)
HERE = Browse(STEPS, (0, 1, 2))


def test_the_cursor_begins_at_the_newest_and_goes_on_with_it() -> None:
    assert HERE.step == 300
    assert HERE.over((*STEPS, 400), (0, 1, 2)).step == 400


def test_looking_back_keeps_the_place_when_new_pictures_come() -> None:
    back = HERE.moved(-2, 1)
    assert (back.step, back.prompt) == (100, 1)
    assert back.over((*STEPS, 400), (0, 1, 2)).step == 100
    assert back.moved(5).chosen is None  # at the end: it follows again


def test_a_restart_leaves_nothing_of_the_old_pictures() -> None:
    marked = HERE.moved(-2, 2).marked("a").flipped()
    assert marked.over((0,), (0,)) == Browse((0,), (0,))


def test_moving_ends_at_the_ends() -> None:
    assert HERE.moved(-9, -9).step == 0
    assert HERE.moved(9, 9).prompt == 2
    assert Browse().moved(1, 1) == Browse()
    assert Browse().flipped() == Browse().turned() == Browse().marked("a") == Browse()


@pytest.mark.parametrize(("step", "there"), [(0, 0), (99, 0), (100, 100), (250, 200), (9999, 300)])
def test_a_step_without_pictures_means_those_before_it(step: int, there: int) -> None:
    assert HERE.at(step).step == there


def test_flipping_shows_the_base_in_place_and_moving_ends_it() -> None:
    there = HERE.moved(-1).flipped()
    assert (there.step, there.shown) == (200, 0)
    assert (there.shown_at(200), there.shown_at(100)) == (0, 100)
    assert there.flipped().shown == 200
    assert there.moved(-1).shown == 100
    assert there.moved(0, 1).shown == 0  # the next prompt, still compared


def test_a_and_b_take_turns() -> None:
    assert (HERE.turned().shown, HERE.turned().turned().shown) == (0, 300)  # base and newest
    marked = HERE.at(100).marked("a").at(200).marked("b").at(300)
    shown = [marked.shown]
    for _ in range(3):
        marked = marked.turned()
        shown.append(marked.shown)
    assert shown == [300, 100, 200, 100]
    assert [marked.name(step) for step in STEPS] == ["base", "A", "B", ""]


@given(st.integers(0, 50), st.integers(1, 12), st.integers(1, 60), st.integers(0, 59))
def test_the_cursor_is_always_in_view(first: int, shown: int, count: int, cursor: int) -> None:
    cursor, shown = min(cursor, count - 1), min(shown, count)
    now = scrolled(first, shown, count, cursor)
    assert 0 <= now <= cursor < now + shown <= count
    if first <= cursor < first + shown <= count:
        assert now == first
