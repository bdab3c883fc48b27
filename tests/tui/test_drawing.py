"""Cells from pictures and curves: the arithmetic, without a terminal."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

import msgspec
import pytest
from rich.cells import cell_len
from tui.fakes import column, picture

from lorad.shared.jobs import Gpu, Host
from lorad.shared.messages import Column
from lorad.tui import format
from lorad.tui.widgets import looks
from lorad.tui.widgets.drawing import Line, Plot, draw
from lorad.tui.widgets.gauges import Gauges
from lorad.tui.widgets.looks import Box, Look
from lorad.tui.widgets.looks import thumb as thumb_of
from lorad.tui.widgets.painting import Row, Span, difference, width_of
from lorad.tui.widgets.pictures import Raster, fitting, half_blocks, raster, scaled
from lorad.tui.widgets.plot import (
    Frame,
    axis_end,
    bounds,
    dots_of_extents,
    dots_of_trace,
    envelope,
    gaps,
    log_ticks,
    nice_ticks,
    trace,
    value_axis,
)
from lorad.tui.widgets.samples import best_columns, tile
from lorad.tui.widgets.view import Reach

RED, BLUE, WHITE, BLACK = (255, 0, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


def frame(steps: int = 10, width: int = 20, height: int = 8, log: bool = False) -> Frame:
    return Frame(
        first=0, last=steps, low=0.1 if log else 0.0, high=10.0, width=width, height=height, log=log
    )


def chart_rows(
    columns: Sequence[Column], total: int, size: tuple[int, int], log: bool, *more: Line
) -> list[Row] | None:
    """A whole run of so many steps."""
    reach = Reach(columns[-1].step, total)
    return draw(Plot([Line(columns), *more], reach=reach, log=log), *size)


# -- pictures ---------------------------------------------------------------------------------


def test_a_cell_holds_the_upper_and_the_lower_pixel() -> None:
    image = Raster(1, 2, ((RED,), (BLUE,)))
    assert half_blocks(image) == [[("▀", (RED, BLUE))]]


def test_scaling_down_takes_the_mean() -> None:
    image = Raster(2, 2, ((BLACK, WHITE), (WHITE, BLACK)))
    (((grey, *_),),) = scaled(image, 1, 1).pixels
    assert grey in (127, 128)


def test_scaling_keeps_one_colour_and_gives_the_size() -> None:
    image = Raster(7, 5, ((RED,) * 7,) * 5)
    for width, height in ((3, 2), (7, 5), (20, 12)):
        small = scaled(image, width, height)
        assert (len(small.pixels), len(small.pixels[0])) == (height, width)
        assert {pixel for row in small.pixels for pixel in row} == {RED}


def test_a_picture_keeps_its_shape_and_is_not_blown_up_unasked() -> None:
    image = Raster(40, 20, ((RED,) * 40,) * 20)
    assert fitting(image, 20, 20) == (20, 10)
    assert fitting(image, 100, 100) == (40, 20)
    assert fitting(image, 100, 100, enlarge=4) == (100, 50)


def test_a_thumbnail_is_unpacked() -> None:
    image = raster(picture(1, side=3))
    assert image == Raster(3, 3, (((250, 10, 20),) * 3,) * 3)


@pytest.mark.parametrize(
    "thumb", [b"", b"junk", zlib.compress(b"short"), zlib.compress(bytes(range(48)))[:-20]]
)
def test_a_broken_thumbnail_is_no_picture_and_no_crash(thumb: bytes) -> None:
    broken = msgspec.structs.replace(picture(1), thumb=thumb)
    assert raster(broken) is None
    rows = looks.draw(thumb_of(broken), Box(30, 4), Look()).rows
    assert "unreadable" in "".join(span.text for row in rows for span in row)


def test_a_thumbnail_that_would_inflate_without_end_is_refused() -> None:
    bomb = msgspec.structs.replace(picture(1), thumb_width=60_000, thumb_height=60_000)
    assert raster(bomb) is None


def test_every_line_of_a_tile_is_equally_wide() -> None:
    rows = looks.draw(thumb_of(picture(1)), Box(12, 5), Look()).rows
    rows = tile(rows, Box(12, 5), "a very long prompt, 猫, that does not fit")
    assert len({width_of(row) for row in rows}) == 1


def test_the_grid_makes_pictures_largest() -> None:
    assert best_columns(4, 100, 12) == 4
    assert best_columns(4, 30, 40) <= 2


# -- the curve --------------------------------------------------------------------------------


def test_every_spike_is_drawn() -> None:
    columns = [column(step) for step in range(1, 5001)]
    columns[2600] = column(2601, 9.0)
    extents = envelope(columns, frame(steps=5000))
    assert max(extent.high for extent in extents if extent) == 9.0


def test_fewer_steps_than_dots_are_joined() -> None:
    extents = envelope([column(0, 0.0), column(10, 10.0)], frame(width=21))
    assert all(extent is not None for extent in extents)
    middle = extents[10]
    assert middle is not None
    assert middle == pytest.approx((4.5, 5.0))
    end = extents[20]
    assert end is not None
    assert end.low > 9.0


def test_what_is_not_finite_is_a_hole_with_a_mark() -> None:
    bad = column(5, None, nonfinite=1)
    columns = [column(0), column(1), bad, column(9), column(10)]
    view = frame(width=20)
    extents = envelope(columns, view)
    assert all(extent is None for extent in extents[view.x(5) : view.x(9)])
    assert gaps(columns, view) == {view.x(5) // 2}
    rows = chart_rows(tuple(columns), 10, (40, 10), False)
    assert rows is not None
    assert any(span.tone == "bad" for row in rows for span in row)


def test_without_one_finite_value_there_is_no_chart() -> None:
    assert bounds([column(1, None, nonfinite=1)]) is None
    assert chart_rows((column(1, None, nonfinite=1),), 10, (40, 10), False) is None


def test_the_smoothed_line_has_no_holes() -> None:
    values = trace([column(0, 1.0), column(10, 9.0)], frame(), lambda c: c.smoothed)
    assert all(value is not None for value in values)
    cells = dots_of_trace(values, frame())
    assert all(any(row[x] for row in cells) for x in range(10))


def test_a_bar_fills_the_dots_from_low_to_high() -> None:
    view = Frame(first=0, last=1, low=0.0, high=7.0, width=2, height=8)
    cells = dots_of_extents(envelope([column(0, 3.0, minimum=0.0, maximum=7.0)], view), view)
    assert [row[0] for row in cells] == [0x47, 0x47]


def test_values_outside_are_at_the_edge() -> None:
    view = frame()
    assert (view.y(99.0), view.y(-99.0)) == (0, view.height - 1)
    assert (view.x(-5), view.x(99)) == (0, view.width - 1)


def test_a_log_scale_spaces_powers_evenly() -> None:
    view = frame(height=201, log=True)
    assert view.y(1.0) == 100


@pytest.mark.parametrize(("low", "high"), [(0.013, 0.81), (0.5, 0.5), (-3.0, 1e6), (0.0, 0.0)])
def test_ticks_are_round_and_enclose(low: float, high: float) -> None:
    ticks = nice_ticks(low, high, 5)
    assert ticks[0] <= low
    assert ticks[-1] >= high
    assert 2 <= len(ticks) <= 9


@pytest.mark.parametrize("low", [0.0, 1e-9, 0.11566894501447678, 0.25, 3.0, 1e7, -2.0])
@pytest.mark.parametrize("spread", [0.0, 1e-12, 1e-3, 0.4, 1e5])
def test_a_value_axis_always_has_ticks_and_holds_the_values(low: float, spread: float) -> None:
    high = low + spread
    slack = 1e-6 * max(1e-9, abs(low), abs(high))
    for count in (2, 4, 9):
        bottom, top, ticks = value_axis(low, high, count)
        assert len(set(ticks)) >= 2
        assert bottom <= low + slack
        assert top >= high - slack
    assert chart_rows((column(1, low), column(2, low + spread)), 9, (40, 10), False) is not None


def test_the_first_step_alone_is_a_chart() -> None:
    for log in (False, True):
        assert chart_rows((column(1, 0.11566894501447678),), 9, (58, 17), log) is not None


def test_log_ticks_enclose() -> None:
    ticks = log_ticks(0.013, 0.81)
    assert ticks[0] <= 0.013
    assert ticks[-1] >= 0.81


def test_the_step_axis_changes_by_halves_of_the_run() -> None:
    assert axis_end(9, 1000) == 16
    assert [axis_end(last, 1000) for last in (100, 240, 260, 600, 1000, 1200)] == [
        125,
        250,
        500,
        1000,
        1000,
        1200,
    ]


@pytest.mark.parametrize("size", [(20, 6), (40, 10), (97, 30)])
@pytest.mark.parametrize("log", [False, True])
def test_a_chart_has_exactly_the_size(size: tuple[int, int], log: bool) -> None:
    columns = tuple(column(step, 1 / step) for step in range(1, 300))
    rows = chart_rows(columns, 1000, size, log)
    assert rows is not None
    assert len(rows) == size[1]
    assert {width_of(row) for row in rows} == {size[0]}


def test_a_million_steps_take_the_same_columns() -> None:
    columns = [column(step * 2000, 0.5) for step in range(1, 501)]
    assert len(envelope(columns, frame(steps=1_000_000, width=160))) == 160


# -- words ------------------------------------------------------------------------------------


def test_only_cells_that_differ_are_drawn_again() -> None:
    old, new = [Span("step 10  ok")], [Span("step 12  ok")]
    assert difference(old, new, 11) == [(6, 7)]
    assert difference(old, list(old), 11) == []
    assert difference(old, [Span("step 10  ok", "bad")], 11) == [(0, 11)]
    assert difference([Span("猫a")], [Span("猫b")], 3) == [(2, 3)]


def test_wide_characters_are_cut_to_cells() -> None:
    assert cell_len(format.fit("猫猫猫猫", 5)) == 5
    assert format.fit("abc", 5, right=True) == "  abc"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (math.inf, ""), (5, "5s"), (312, "5m12s"), (7500, "2h05m"), (1e5, "1d03h")],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert format.duration(seconds) == words


def test_bars_are_full_at_one_and_never_longer() -> None:
    for share in (-1.0, 0.0, 0.51, 1.0, 7.0, math.nan):
        assert len("".join(format.bar(share, 10))) == 10
    assert format.bar(1.0, 4) == ("━━━━", "")


def words_of(gauges: Gauges, width: int, height: int) -> str:
    rows = gauges.paint(width, height)
    assert len(rows) <= height
    assert all(width_of(row) <= width for row in rows)
    return "\n".join("".join(span.text for span in row) for row in rows)


def test_gauges_show_each_card_or_why_there_is_none() -> None:
    gauges = Gauges()
    host = Host(cpu_percent=5, memory_total_bytes=1, memory_used_bytes=0, gpu_note="no driver")
    gauges._gpus, gauges._host = (), host
    assert "no driver" in words_of(gauges, 60, 6)
    assert "no driver" in words_of(gauges, 60, 1)
    card = Gpu(
        uuid="u", index=1, name="H200", memory_total_bytes=141 << 30, memory_used_bytes=61 << 30,
        utilization_percent=97, power_watts=500, power_limit_watts=700, temperature_celsius=60,
    )  # fmt: skip
    gauges._gpus = (card, msgspec.structs.replace(card, index=2, utilization_percent=None))
    for text in ("97 %", "61/141 GiB", "500/700 W", "60 °C", "GPU 2"):
        assert text in words_of(gauges, 60, 12)
    assert "GPU 2" in words_of(gauges, 60, 4)
    assert "61/141 GiB" in words_of(gauges, 100, 1)


def test_looks_at_what_is_held_out_stand_in_the_chart() -> None:
    columns = (column(1, 0.5), column(10, 0.4))
    looks = Line([column(5, 2.0), column(7, None, nonfinite=1), column(10, 0.1)], "good", "dots")
    for log in (False, True):
        rows = chart_rows(columns, 10, (40, 10), log, looks)
        assert rows is not None
        lines = ["".join(span.text for span in row) for row in rows]
        found = [
            (y, x) for y, line in enumerate(lines) for x, one in enumerate(line) if one in "●★"
        ]
        (first, left), (last, right) = found
        assert first < 3
        assert last > 5
        assert left < right == max(map(len, lines[:-2])) - 1
        assert lines[last][right] == "★", "the lowest is told apart"
