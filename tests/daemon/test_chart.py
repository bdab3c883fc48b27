"""The curves that the daemon draws together: nothing is lost, whatever the window."""

from __future__ import annotations

import math
import os
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import eventually

from lorad.daemon import chart
from lorad.daemon.chart import PIECE, Charts, Curves, load, pyramid
from lorad.daemon.chart.pyramid import Pyramid, zero_phase
from lorad.daemon.chart.series import Series, Window, parts
from lorad.daemon.store import Store
from lorad.shared.messages import Column, GetChart, GetStatus, Point, Validation

from .scripted import Make, add


def drawn_losses(seed: int, length: int, odd: float) -> list[float]:
    """Long enough for several levels, with extremes anywhere and a share that is no number."""
    dice = random.Random(seed)
    return [
        dice.choice((math.nan, math.inf, -math.inf)) if dice.random() < odd else dice.gauss(0, 1e3)
        for _ in range(length)
    ]


LOSSES = st.builds(
    drawn_losses, st.integers(0, 1 << 30), st.integers(1, 5000), st.sampled_from([0.0, 0.002, 0.6])
)


def series(losses: Sequence[float], first: int = 1) -> Series:
    made = Series(("loss",))
    steps = range(first, first + len(losses))
    made.extend(steps, [float(step) for step in steps], {"loss": losses})
    return made


def drawn(losses: Sequence[float], width: int, **window: object) -> list[Column]:
    return series(losses).columns("loss", Window(width, **window))  # type: ignore[arg-type]


def finite(values: Sequence[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


# -- nothing is lost ---------------------------------------------------------------------------


@given(LOSSES, st.data())
def test_the_envelope_is_that_of_all_points_in_every_window(
    losses: list[float], data: st.DataObject
) -> None:
    first = data.draw(st.integers(1, len(losses)))
    last = data.draw(st.integers(first, len(losses)))
    width = data.draw(st.integers(1, 40))
    columns = drawn(losses, width, first=float(first), last=float(last))
    assert 1 <= len(columns) <= width
    assert columns[-1].step == last
    begin = first
    for column in columns:
        inside = losses[begin - 1 : column.step]
        assert column.minimum == min(finite(inside), default=None)
        assert column.maximum == max(finite(inside), default=None)
        assert column.last == (finite(inside) or [None])[-1]
        assert column.nonfinite == len(inside) - len(finite(inside))
        begin = column.step + 1


@given(st.lists(st.tuples(st.integers(1, 400), st.integers(1, 200)), min_size=1, max_size=12))
def test_steps_taken_again_replace_all_that_came_after(spans: list[tuple[int, int]]) -> None:
    grown, truth = Series(("loss",)), list[float]()
    for turn, (begin, count) in enumerate(spans):
        begin = min(begin, len(truth) + 1)
        values = drawn_losses(turn * 1000 + begin, count, 0.1)
        grown.extend(range(begin, begin + count), [0.0] * count, {"loss": values})
        truth = [*truth[: begin - 1], *values]
    assert list(grown.steps) == list(range(1, len(truth) + 1))
    at_once = series(truth)
    for width in (1, 7, 30, 1000):
        ours, theirs = (one.columns("loss", Window(width)) for one in (grown, at_once))
        assert ours == theirs


@given(LOSSES, st.integers(0, 5000), st.integers(0, 5000))
def test_sums_of_any_range_are_those_of_its_values(
    losses: list[float], one: int, other: int
) -> None:
    start, end = sorted((one % (len(losses) + 1), other % (len(losses) + 1)))
    total, count = Pyramid(losses).total(start, end)
    inside = finite(losses[start:end])
    assert count == len(inside)
    assert total == pytest.approx(sum(inside), abs=1e-3)


def test_the_first_and_the_last_value_of_a_range_count() -> None:
    rising = Pyramid(float(place) for place in range(600))
    for start in range(0, 600, 7):
        for end in range(start + 1, 601):
            assert rising.extremes(start, end) == (start, end - 1)


def test_values_one_by_one_make_the_same_pyramid() -> None:
    values = [math.sin(place) for place in range(5000)]
    values[4000] = math.nan
    slow = Pyramid()
    for value in values:
        slow.extend([value])
    fast = Pyramid(values)
    assert [len(level) for level in slow._levels] == [len(level) for level in fast._levels]
    for span in ((0, 5000), (17, 4801), (3990, 4010)):
        assert slow.extremes(*span) == fast.extremes(*span)


def test_a_spike_in_a_long_run_stays() -> None:
    losses = [0.1] * 100_000
    losses[77_776] = 9.0
    columns = drawn(losses, 120)
    assert 60 < len(columns) <= 120
    assert max(column.maximum or 0 for column in columns) == 9.0
    assert columns[-1].step == 100_000


# -- columns -----------------------------------------------------------------------------------


def test_each_point_is_a_column_while_there_is_room() -> None:
    assert [(c.step, c.minimum, c.maximum, c.last) for c in drawn([3.0, 2.0, 1.0], 80)] == [
        (1, 3.0, 3.0, 3.0),
        (2, 2.0, 2.0, 2.0),
        (3, 1.0, 1.0, 1.0),
    ]


def test_a_window_without_steps_has_no_columns() -> None:
    assert drawn([1.0], 10, first=5.0) == []
    assert Series(("loss",)).columns("loss", Window(10)) == []


def test_borders_stay_where_they_are_when_the_run_grows() -> None:
    before, after = parts(0, 100_000, 240), parts(0, 101_000, 240)
    assert set(before[:-1]) <= set(after)


def test_the_axis_may_be_time_or_pictures() -> None:
    made = Series(("loss",))
    made.extend([1, 2, 3], [50.0, 60.0, 90.0], {"loss": [1.0, 2.0, 3.0]})
    time = Window(9, axis="time", begin=50.0, first=5.0, last=40.0)
    assert [(c.step, c.at) for c in made.columns("loss", time)] == [(2, 10.0), (3, 40.0)]
    images = Window(9, axis="images", images_per_step=4, first=8.0)
    assert [(c.step, c.at) for c in made.columns("loss", images)] == [(2, 8.0), (3, 12.0)]


# -- smoothing ---------------------------------------------------------------------------------


def test_smoothing_keeps_the_level_and_does_not_shift() -> None:
    level = zero_phase([(2.0, 1)] * 200, 4.0)
    assert all(abs(value - 2.0) < 1e-12 for value in level)
    bump = zero_phase([(0.0, 1)] * 500 + [(1.0, 1)] + [(0.0, 1)] * 500, 20.0)
    assert bump.index(max(bump)) == 500
    assert bump[490] == pytest.approx(bump[510], rel=0.02)


def test_a_long_run_is_smoothed_as_a_short_one() -> None:
    wave = [math.sin(place / 100) for place in range(1000)]
    long = [value for value in wave for _ in range(50)]
    assert len(long) > 2 * pyramid.SMOOTHED_BUCKETS
    short_line, long_line = Pyramid(wave), Pyramid(long)
    for place in range(0, 1000, 13):
        assert long_line.smoothed(place * 50 + 25, 0.02) == pytest.approx(
            short_line.smoothed(place, 0.02), abs=0.03
        )


def test_smoothing_passes_over_what_is_not_finite() -> None:
    columns = drawn([1.0, math.nan, math.inf, 1.0], 9)
    assert [c.smoothed for c in columns] == [1.0, None, None, 1.0]
    (only,) = drawn([math.nan], 9)
    assert (only.minimum, only.last, only.smoothed, only.nonfinite) == (None, None, None, 1)


def test_a_part_is_smoothed_as_it_is_in_the_whole() -> None:
    losses = [1 / (1 + step) + (step % 7) / 10 for step in range(1000)]
    whole = {column.step: column.smoothed for column in drawn(losses, 2000)}
    for column in drawn(losses, 2000, first=200.0, last=300.0):
        assert column.smoothed == whole[column.step]
    assert drawn(losses, 9, smoothing=0.0)[0].smoothed is None


# -- the jobs that are looked at ---------------------------------------------------------------


def point(step: int, time: float, loss: float = 0.5) -> Point:
    return Point(
        step=step, time=time, loss=loss, learning_rate=1e-3, grad_norm=1.0, images_per_second=2.0
    )


class Disk:
    """What a store has of each job."""

    def __init__(
        self, *points: Point, looks: Sequence[Validation] = (), reached: int = 1 << 40
    ) -> None:
        self.points, self.looks, self.reached, self.reads = points, looks, reached, 0

    def step_reached(self, job_id: int) -> int:
        return self.reached

    def point_rows(self, job_id: int) -> Iterator[list[tuple[object, ...]]]:
        self.reads += 1
        for first in range(0, len(self.points), PIECE):
            yield [
                (p.step, p.time, None if math.isnan(p.loss) else p.loss, 1e-3, 1.0, 2.0)
                for p in self.points[first : first + PIECE]
            ]

    def gauge_rows(self, job_id: int) -> Iterator[list[tuple[object, ...]]]:
        yield [(p.step, p.time, 90.0, 2.0, None, 60.0) for p in self.points]

    def gauge_times(self, job_id: int) -> tuple[float, float] | None:
        times = [p.time for p in self.points]
        return (min(times), max(times)) if times else None

    def after_commit(self, effect: Callable[[], object]) -> None:
        effect()

    def validations(self, job_id: int, after: int, limit: int) -> list[Validation]:
        return list(self.looks)


@pytest.mark.parametrize("then", [3.0, 1e6])
def test_what_a_resumed_run_has_not_taken_again_is_not_drawn(then: float) -> None:
    looks = [Validation(step=step, loss=0.5, best=False) for step in (2, 4)]
    old = [point(step, then) for step in (3, 4)]  # and the clock may have gone back since
    disk = Disk(point(1, 1.0), point(2, 9.0, math.nan), *old, looks=looks, reached=2)
    curves = load(disk, 1)
    assert list(curves.points.steps) == list(curves.gauges.steps) == [1, 2]
    assert list(curves.looks.steps) == [2]
    assert curves.points.columns("loss", Window(9))[-1].nonfinite == 1


def test_what_is_read_once_is_kept_and_grows() -> None:
    disk = Disk(point(1, 1.0), point(2, 2.0))
    charts = Charts(disk)
    assert charts.known(1) is None
    first = charts.draw(GetChart(id=1, width=9, metrics=["loss", "gpu_power"]), 1)
    assert [column.step for column in first.lines["loss"]] == [1, 2]
    assert first.lines["gpu_power"][0].nonfinite == 1
    curves = charts.known(1)
    assert curves is not None
    curves.add_points([point(3, 3.0), point(2, 4.0, 0.9), point(3, 5.0)])
    again = charts.draw(GetChart(id=1, width=9), 1).lines["loss"]
    assert [(column.step, column.last) for column in again] == [(1, 0.5), (2, 0.9), (3, 0.5)]
    assert disk.reads == 1
    charts.forget(1)
    assert len(charts.draw(GetChart(id=1, width=9), 1).lines["loss"]) == 2
    assert disk.reads == 2


def test_a_job_that_was_looked_at_before_its_first_step_has_its_curve() -> None:
    charts = Charts(Disk())
    assert charts.draw(GetChart(id=1, width=9), 1).lines == {}
    charts.note_look(1, Validation(step=1, loss=0.3, best=True))
    charts._grow(1, lambda curves: curves.add_points([point(1, 1.0)]))
    drawn = charts.draw(GetChart(id=1, width=9, metrics=["loss", "validation_loss"]), 1)
    assert drawn.lines.keys() == {"loss", "validation_loss"}


def test_a_figure_that_is_asked_for_many_times_is_drawn_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    charts, drawn = Charts(Disk(point(1, 1.0))), []
    columns = Series.columns
    monkeypatch.setattr(
        Series, "columns", lambda self, *asked: drawn.append(1) or columns(self, *asked)
    )
    charts.draw(GetChart(id=1, width=9, metrics=["loss"] * 1000), 1)
    assert len(drawn) == 1


def test_going_back_takes_the_looks_and_gauges_along() -> None:
    curves = Curves()
    curves.add_points([point(1, 1.0), point(2, 2.0)])
    curves.add_look(Validation(step=2, loss=0.5, best=True))
    gauges = {"gpu_utilization": 1.0, "gpu_memory": 1.0, "gpu_power": 1.0, "gpu_temperature": 1.0}
    curves.add_gauges(2, 2.0, gauges)  # type: ignore[arg-type]
    curves.add_points([point(2, 3.0)])
    assert not curves.looks
    assert not curves.gauges


def test_too_many_points_make_it_forget_the_job_asked_for_longest_ago(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chart, "KEPT_POINTS", 9)
    charts = Charts(Disk(point(1, 1.0), point(2, 2.0)))
    for job_id in (1, 2, 1, 3):
        charts.of(job_id)
    assert [charts.known(job_id) is not None for job_id in (1, 2, 3)] == [True, False, True]


def test_gauges_are_kept_once_a_second_and_less_often_in_a_long_run() -> None:
    charts = Charts(Disk())
    assert [charts.gauges_due(1, 100 + at / 4) for at in range(9)] == [True, *[False] * 3] * 2 + [
        True
    ]
    charts = Charts(Disk(point(1, 0.0), point(2, 50_000.0)))
    assert not charts.gauges_due(1, 50_004.0)
    assert charts.gauges_due(1, 50_006.0)


def test_absurd_windows_are_answered() -> None:
    charts = Charts(Disk(point(1, 1.0), point(2, 2.0)))
    request = GetChart(id=1, width=-5, first=math.nan, last=-math.inf, smoothing=math.nan)
    assert len(charts.draw(request, 0).lines["loss"]) == 1


# -- a long run is read in pieces --------------------------------------------------------------


def test_what_is_reported_while_it_is_read_is_in_it() -> None:
    long = [point(step, float(step), 0.5) for step in range(1, 2 * PIECE + 10)]
    charts = Charts(Disk(*long))
    assert not charts.read(1)
    assert charts.known(1) is None
    again = [point(step, 1e6 + step, 0.9) for step in (7, 8)]  # it went back to a checkpoint
    charts._grow(1, lambda curves: curves.add_points(again))
    charts.note_look(1, Validation(step=8, loss=0.3, best=True))
    while not charts.read(1):
        pass
    curves = charts.known(1)
    assert curves is not None
    assert list(curves.points.steps) == list(range(1, 9))
    assert curves.points.columns("loss", Window(9))[-1].last == 0.9
    assert list(curves.looks.steps) == [8]


def test_a_job_that_begins_again_while_it_is_read_is_read_anew() -> None:
    disk = Disk(*[point(step, float(step)) for step in range(1, 2 * PIECE + 10)])
    charts = Charts(disk)
    assert not charts.read(1)
    charts.forget(1)
    disk.points = (point(1, 1.0),)
    assert [column.step for column in charts.draw(GetChart(id=1, width=9), 1).lines["loss"]] == [1]


def test_others_are_answered_while_a_long_run_is_read(make: Make, tmp_path: Path) -> None:
    daemon = make()
    job = add(daemon, tmp_path, stash=True)
    store = Store(daemon.home.database)
    store.add_points(job.id, [point(step, float(step)) for step in range(1, 12 * PIECE)])
    store.close()
    client = daemon.client()
    client.greet()
    assert daemon.process is not None
    os.kill(daemon.process.pid, signal.SIGSTOP)  # so that it finds both questions at once
    client.send(GetChart(id=job.id, width=100), "chart", "")
    client.send(GetStatus(), "status", "")
    os.kill(daemon.process.pid, signal.SIGCONT)
    order: list[str] = []
    eventually(lambda: order.extend(one.id for one in client.answers()) or len(order) == 2)
    assert order == ["status", "chart"]
