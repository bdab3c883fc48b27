"""Charts: what is drawn of which part of a run, as values in and text out."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tui.fakes import column

from lorad.shared.messages import Mark
from lorad.tui.format import figure
from lorad.tui.widgets.charts import shape
from lorad.tui.widgets.drawing import SIGNS, Line, Plot, draw, tick_label, visible
from lorad.tui.widgets.painting import width_of
from lorad.tui.widgets.view import Reach, View, following, panned, whole, zoomed

RUN = Reach(1000.0, 1000.0)


def text(plot: Plot, width: int = 40, height: int = 10) -> list[str]:
    rows = draw(plot, width, height)
    assert rows is not None
    assert len(rows) == height
    assert {width_of(row) for row in rows} == {width}
    return ["".join(span.text for span in row) for row in rows]


def tones(plot: Plot, sign: str) -> set[object]:
    rows = draw(plot, 40, 10)
    assert rows is not None
    return {span.tone for row in rows for span in row if sign in span.text}


# -- whole pictures ----------------------------------------------------------------------------


def test_a_small_plot_from_edge_to_edge() -> None:
    columns = [column(step, float(value)) for step, value in enumerate([0, 1, 2, 3, 4, 3, 2, 1, 0])]
    plot = Plot(
        [Line(columns, look="plain")], reach=Reach(8.0, 8.0), marks=[Mark(step=4, kind="saved")]
    )
    assert text(plot, 22, 7) == [
        "5 ┤                   ",
        "  │       ⡠⠒⠑⠢⡀       ",
        "  │    ⢀⠤⠊    ⠈⠢⢄     ",
        "  │  ⡠⠔⠁         ⠑⠤⡀  ",
        "0 ┤⡠⠊              ⠈⠒⢄",
        "  └─────────▪─────────",
        "   0                  ",
    ]  # fmt: skip


def test_what_is_no_number_is_a_gap_with_a_mark() -> None:
    columns = [column(0, 1.0), column(4, 1.0), column(5, None, nonfinite=3), column(6, 1.0)]
    shown = text(Plot([Line([*columns, column(10, 1.0)], look="plain")], reach=Reach(10.0, 10.0)))
    assert sum(row.count("✗") for row in shown) == 1
    spread = [Line(columns)]
    assert tones(Plot(spread, reach=Reach(6.0, 6.0)), "✗") == {"bad"}


def test_a_spike_is_drawn_in_the_shade_over_the_smoothed_line() -> None:
    columns = [column(step, 1.0) for step in range(1, 200)]
    columns[100] = column(101, 1.0, maximum=9.0)
    shown = text(Plot([Line(columns)], reach=Reach(200.0, 200.0)))
    assert shown[0].strip(" │┤8") != ""


def test_without_a_finite_value_there_is_no_plot() -> None:
    assert draw(Plot([Line([column(1, None, nonfinite=1)])]), 40, 10) is None
    assert draw(Plot(), 40, 10) is None


def test_several_runs_have_their_own_colours_and_the_first_is_in_front() -> None:
    one = Line([column(1, 1.0), column(9, 1.0)], "accent", name="a")
    other = Line([column(1, 1.0), column(9, 3.0)], "warn", name="b")
    plot = Plot([one, other], reach=Reach(9.0, 9.0))
    rows = draw(plot, 40, 10)
    assert rows is not None
    found = [span.tone for row in rows for span in row if any(c > "\u2800" for c in span.text)]
    assert {"accent", "warn"} <= set(found)


@given(
    st.lists(
        st.one_of(st.none(), st.floats(-1e12, 1e12), st.floats(-1e-9, 1e-9)),
        min_size=1,
        max_size=60,
    ),
    st.integers(20, 90),
    st.integers(6, 30),
    st.booleans(),
)
def test_any_values_fill_exactly_the_space(
    values: list[float | None], width: int, height: int, log: bool
) -> None:
    columns = [
        column(step, value, nonfinite=int(value is None)) for step, value in enumerate(values, 1)
    ]
    plot = Plot(
        [Line(columns)], reach=Reach(float(len(values)), 100.0), log=log, cursor=1, grid=True
    )
    rows = draw(plot, width, height)
    assert (rows is None) == all(value is None for value in values)
    if rows is not None:
        assert len(rows) == height
        assert {width_of(row) for row in rows} == {width}


# -- scales and axes ---------------------------------------------------------------------------


def test_a_log_scale_is_for_positive_values_alone() -> None:
    some = [column(1, 0.001), column(2, 10.0)]
    labels = [row.partition("┤")[0].strip() for row in text(Plot([Line(some)], log=True))[:-1]]
    assert [label for label in labels if label[:1].isdigit()] == ["10", "1", "0.1", "0.01", "0.001"]
    with_zero = [column(1, 0.0), column(2, 10.0)]
    assert text(Plot([Line(with_zero)], log=True)) == text(Plot([Line(with_zero)]))


def test_labels_are_in_the_unit_that_was_asked_for() -> None:
    columns = [column(1, 8.0 * 2**30), column(2, 16.0 * 2**30)]
    shown = text(Plot([Line(columns)], scale=1 / 2**30, floor=0.0))
    assert any("15 ┤" in row or "20 ┤" in row or "10 ┤" in row for row in shown)
    assert " 0 ┤" in shown[7]


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (1.25e-4, 4, "1.25e-4"), (1e-4, 4, "1e-4"), (1.5e-4 + 1e-19, 4, "1.5e-4"),
        (4.11372e-5, 4, "4.114e-5"), (4.11372e-5, 3, "4.11e-5"), (-1.21e6, 4, "-1.21e6"),
    ],
)  # fmt: skip
def test_a_small_figure_has_its_digits_but_no_empty_ones(
    value: float, digits: int, shown: str
) -> None:
    assert figure(value, digits, fine=True) == shown
    assert len(figure(value, digits)) <= 7, "as wide as the columns of tables"


@pytest.mark.parametrize(
    ("ticks", "labels"),
    [
        ([0.0, 5e-5, 1e-4], ["0", "5e-5", "1e-4"]),
        ([0.5, 1.0], ["0.5", "1.0"]),
        ([0.0, 20.0], ["0", "20"]),
        ([1e7, 2e7], ["1e7", "2e7"]),
    ],
)
def test_tick_labels(ticks: list[float], labels: list[str]) -> None:
    assert [tick_label(tick, ticks) for tick in ticks] == labels


def test_time_is_told_in_hours_and_minutes() -> None:
    columns = [column(step, 1.0, at=step * 60.0) for step in range(1, 121)]
    plot = Plot(
        [Line(columns)], View(axis="time"), Reach(7200.0), marks=[Mark(step=60, kind="paused")]
    )
    shown = text(plot, 60)
    assert "1h00m" in shown[-1]
    assert shown[-2].index("‖") == pytest.approx(shown[-1].index("1h00m") + 2, abs=2)


def test_the_cursor_stands_at_its_step_on_any_axis() -> None:
    columns = [column(step, 1.0, at=step * 60.0) for step in range(1, 121)]
    plot = Plot([Line(columns)], View(axis="time"), Reach(7200.0), cursor=60)
    assert "│" in text(plot, 60)[0][25:35]
    outside = Plot([Line(columns)], View(0.0, 1000.0, "time"), Reach(7200.0), cursor=60)
    assert "│" not in text(outside, 60)[0][20:]


# -- marks -------------------------------------------------------------------------------------


def test_every_kind_of_mark_has_a_sign() -> None:
    from typing import get_args

    from lorad.shared.messages import MarkKind

    kinds = {kind for part in get_args(MarkKind) for kind in get_args(part) or (part,)}
    assert set(SIGNS) == kinds


def test_of_several_marks_in_one_place_the_one_that_matters_is_shown() -> None:
    marks = tuple(Mark(step=step, kind="saved") for step in range(1, 1001))
    kept = visible((*marks, Mark(step=500, kind="nonfinite")), 0.0, 1000.0, cells=100)
    assert len(kept) <= 101
    assert [mark.kind for mark in kept if mark.kind != "saved"] == ["nonfinite"]
    assert visible(marks, 300.0, 310.0) == marks[299:310]


# -- the window --------------------------------------------------------------------------------


def test_zooming_halves_the_window_around_a_place() -> None:
    near = zoomed(View(), RUN, 2.0, at=250.0)
    assert (near.first, near.last) == (125.0, 625.0)
    assert zoomed(near, RUN, 0.5, at=250.0) == View()


def test_without_a_cursor_it_zooms_to_the_newest() -> None:
    view = zoomed(View(), Reach(600.0, 1000.0), 2.0)
    assert view.first is not None
    assert view.last is not None
    assert view.first < 600.0 <= view.last


def test_a_window_stays_within_the_run_and_keeps_a_few_steps() -> None:
    view = View()
    for _ in range(30):
        view = zoomed(view, RUN, 2.0, at=990.0)
    first, last = view.span(RUN)
    assert last - first == 8.0
    assert panned(view, RUN, 99.0).last == 1000.0
    assert panned(view, RUN, -999.0).first == 0.0
    assert panned(View(), RUN, 1.0) == View()
    assert whole(view) == View()


def test_a_window_with_the_newest_step_goes_on_with_it() -> None:
    at_end, earlier = View(900.0, 1000.0), View(100.0, 200.0)
    now = Reach(1010.0, 2000.0)
    moved = following(at_end, RUN, now)
    assert moved.first is not None
    assert moved.last is not None
    assert moved.first < 1010.0 < moved.last
    assert moved.last - moved.first == pytest.approx(100.0)
    assert following(moved, now, Reach(1011.0, 2000.0)) is moved, "it moves rarely"
    assert following(earlier, RUN, now) is earlier
    assert following(View(), RUN, now) == View()


@pytest.mark.parametrize(
    ("size", "count", "wanted"),
    [((78, 20), 9, (1, 2)), ((118, 28), 9, (2, 2)), ((198, 46), 9, (3, 3)), ((30, 4), 9, (1, 1)),
     ((198, 46), 2, (2, 1)), ((198, 46), 1, (1, 1))],
)  # fmt: skip
def test_as_many_charts_as_fit(size: tuple[int, int], count: int, wanted: tuple[int, int]) -> None:
    assert shape(*size, count) == wanted


def test_nan_has_no_place_in_a_view() -> None:
    assert not math.isnan(zoomed(View(), Reach(), 2.0).span(Reach())[1])
