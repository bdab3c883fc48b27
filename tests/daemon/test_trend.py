"""A run's loss in a handful of figures."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorad.daemon.chart import trend
from lorad.daemon.events import Events
from lorad.daemon.queue import Queue
from lorad.daemon.store import Store
from lorad.daemon.store.rows import NewJob
from lorad.shared.jobs import Job
from lorad.shared.messages import Point
from lorad.shared.recipe import parse_recipe


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


def point(step: int, loss: float) -> Point:
    return Point(
        step=step, time=1.0, loss=loss, learning_rate=1e-3, grad_norm=1.0, images_per_second=4.0
    )


RECIPE = 'name = "a"\n[data]\npath = "p"\n[train]\ntrain_batch_size = 2\nmax_train_steps = 100\n'


@pytest.fixture
def queue() -> Queue:
    """On a store in memory; nothing is started and nobody listens."""
    store = Store(":memory:")
    events = Events(SimpleNamespace(send_multipart=lambda *frames: None), "e")
    gauges = SimpleNamespace(newest=SimpleNamespace(gpus=[]))
    return Queue(None, store, events, None, gauges)  # type: ignore[arg-type]


def added(queue: Queue) -> Job:
    new = NewJob(parse_recipe(RECIPE), RECIPE, Path("/"), stash=False, priority=0)
    return queue.store.add(new, "test", lambda id: Path(f"/out/{id}"))


def test_each_batch_of_points_goes_on_with_it(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = added(queue)
    losses = [1.0 / step for step in range(1, 41)]
    # No look at the older points for it.
    monkeypatch.setattr(queue.store, "point_rows", None)
    for first in range(0, 40, 5):
        pairs = enumerate(losses[first : first + 5], first + 1)
        job = queue.note_points(job, [point(step, loss) for step, loss in pairs])
    assert job.progress.trend == pytest.approx(means(losses))
    assert job.progress.seconds_per_step == 2 / 4
    assert job.progress.eta_seconds == 60 * 2 / 4
    assert queue.store.job(job.id).progress == job.progress


def test_a_run_that_goes_on_from_its_checkpoint_keeps_its_beginning(queue: Queue) -> None:
    job = queue.note_points(added(queue), [point(step, 1.0) for step in range(1, 41)])
    job = queue.rewound(job, 20)
    assert (job.progress.step, job.progress.trend) == (20, (1.0,) * 10)
    job = queue.note_points(job, [point(21, 5.0), point(22, 7.0)])
    assert job.progress.trend == (*(1.0,) * 10, 6.0)


def test_a_run_that_an_older_lorad_began_is_looked_over_once(queue: Queue) -> None:
    job = added(queue)
    losses = [1.0 / step for step in range(1, 51)]
    queue.store.add_points(job.id, [point(step, loss) for step, loss in enumerate(losses, 1)])
    job = queue.note(job, step=40)  # it goes on from there, and has older points beyond
    job = queue.note_points(job, [point(41, losses[40])])
    assert job.progress.trend == pytest.approx(means(losses[:41]))
