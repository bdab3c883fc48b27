"""The curves of the jobs that somebody looks at, kept in memory and grown as their runs report."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from lorad.daemon.chart.series import SMOOTHING_SHARE, Series, Window
from lorad.shared.jobs import Gpu, Job
from lorad.shared.lifecycle import Event
from lorad.shared.messages import (
    OF_CARDS,
    OF_STEPS,
    Chart,
    Column,
    GetChart,
    MarkKind,
    Metric,
    Point,
    Validation,
)
from lorad.shared.metrics import of_cards

KEPT_POINTS = 2_000_000
"""Of all jobs together, about 60 bytes each; the newest job that was asked for is kept anyway."""
MAX_WIDTH = 2000
PERIOD_SECONDS = 1.0
SPARSE = 10_000
"""A run that lasts longer than so many periods has its gauges kept less often, the more so the
longer it lasts: some 80,000 rows in a hundred days."""

PIECE = 5000
"""Rows that are read in one go, some 15 ms: then others are answered."""

Row = tuple[Any, ...]
"""A step, its time, and figures; none for what is no number."""


class Records(Protocol):
    """What is on the disk of a job."""

    def step_reached(self, job_id: int) -> int:
        """The step that its run took last."""

    def point_rows(self, job_id: int) -> Iterable[Sequence[Row]]:
        """Step, time and `OF_STEPS` of all points in order, in batches."""

    def gauge_rows(self, job_id: int) -> Iterable[Sequence[Row]]:
        """Step, time and `OF_CARDS`, in order, in batches."""

    def gauge_times(self, job_id: int) -> tuple[float, float] | None:
        """When its gauges were kept for the first and the last time; none where they never were."""

    def validations(self, job_id: int, after: int, limit: int) -> list[Validation]:
        """Looks after a step, in order."""

    def add_gauges(self, job_id: int, step: int, time: float, figures: dict[Metric, float]) -> None:
        """The run's cards at a step."""

    def after_commit(self, effect: Callable[[], object]) -> None:
        """Do this when what is being stored is on the disk."""


class Curves:
    """All series of one job."""

    def __init__(self) -> None:
        self.points = Series(OF_STEPS)
        self.gauges = Series(OF_CARDS)
        self.looks = Series(("validation_loss",))

    def __len__(self) -> int:
        return len(self.points) + len(self.gauges) + len(self.looks)

    def of(self, metric: Metric) -> Series:
        """The series that has it."""
        return next(one for one in (self.points, self.gauges, self.looks) if metric in one.figures)

    def add_points(self, points: Sequence[Point]) -> None:
        """Steps taken; what a resumed run takes again replaces all that came after it."""
        again = bool(self.points) and points[0].step <= self.points.steps[-1]
        for rising in _rising(points):
            figures = {name: [getattr(p, name) for p in rising] for name in OF_STEPS}
            self.points.extend([p.step for p in rising], [p.time for p in rising], figures)
        if again:
            self.gauges.cut(points[0].step)
            self.looks.cut(points[0].step)

    def add_look(self, look: Validation) -> None:
        """A look at what is held out; it has its step's time."""
        time = self.points.times[-1] if self.points else 0.0
        self.looks.extend([look.step], [time], {"validation_loss": [look.loss]})

    def add_gauges(self, step: int, time: float, figures: dict[Metric, float]) -> None:
        """The cards at a step."""
        self.gauges.extend([step], [time], {name: [figures[name]] for name in OF_CARDS})


def load(records: Records, job_id: int) -> Curves:
    """What is on the disk."""
    curves = Curves()
    for _ in _pieces(records, job_id, curves):
        pass
    return curves


def _pieces(records: Records, job_id: int, curves: Curves) -> Iterator[None]:
    """Put what is on the disk into the curves; yields after each batch.

    A resumed run has old steps beyond its own, which it has not taken again yet: they are left out.
    """
    for rows in records.point_rows(job_id):
        _extend(curves.points, OF_STEPS, rows)
        yield
    curves.points.cut(records.step_reached(job_id) + 1)
    times = curves.points.times
    end = curves.points.steps[-1] if curves.points else 0
    for rows in records.gauge_rows(job_id):
        _extend(curves.gauges, OF_CARDS, [row for row in rows if row[0] <= end])
        yield
    looks = [look for look in records.validations(job_id, -1, 1 << 40) if look.step <= end]
    places = [min(len(times) - 1, max(0, curves.points.place(look.step) - 1)) for look in looks]
    curves.looks.extend(
        [look.step for look in looks],
        [times[place] if times else 0.0 for place in places],
        {"validation_loss": [look.loss for look in looks]},
    )


class Reading:
    """A job's curves while they are read, a piece at a time."""

    def __init__(self, records: Records, job_id: int) -> None:
        """Nothing is read yet."""
        self.curves = Curves()
        self.missed: list[Callable[[Curves], object]] = []
        """What was reported meanwhile; some of it is read, too, and is replaced by itself."""
        self._pieces = _pieces(records, job_id, self.curves)

    def go_on(self) -> bool:
        """Read a piece; whether that was all."""
        before = len(self.curves)
        for _ in self._pieces:
            if len(self.curves) - before >= PIECE:
                return False
        for grow in self.missed:
            grow(self.curves)
        return True


def _extend(series: Series, names: Sequence[Metric], rows: Sequence[Row]) -> None:
    if rows:
        steps, times, *figures = zip(*rows, strict=True)
        series.extend(steps, times, dict(zip(names, map(_numbers, figures), strict=True)))


def _numbers(figures: Sequence[float | None]) -> Sequence[float]:
    if None in figures:
        return [math.nan if figure is None else figure for figure in figures]
    return figures  # type: ignore[return-value]  # it was looked for


def _rising(points: Sequence[Point]) -> Iterable[Sequence[Point]]:
    """Points in pieces whose steps rise: a run goes back to a checkpoint when its loss is NaN."""
    start = 0
    for at in range(1, len(points)):
        if points[at].step <= points[at - 1].step:
            yield points[start:at]
            start = at
    yield points[start:]


class Charts:
    """The curves of a few jobs: read at the first question, then kept up to date."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._kept: dict[int, Curves] = {}
        """The one asked for last is the last."""
        self._reading: dict[int, Reading] = {}
        self._gauged: dict[int, tuple[float, float]] = {}
        """When a job's gauges were kept for the first and the last time."""

    def of(self, job_id: int) -> Curves:
        """The job's curves; others are forgotten where there are too many points."""
        while not self.read(job_id):
            pass
        curves = self._kept[job_id] = self._kept.pop(job_id)
        return curves

    def read(self, job_id: int) -> bool:
        """Read a piece of what is on the disk; whether all of it is known now."""
        if job_id in self._kept:
            return True
        reading = self._reading.setdefault(job_id, Reading(self._records, job_id))
        if not reading.go_on():
            return False
        del self._reading[job_id]
        self._kept[job_id] = reading.curves
        while len(self._kept) > 1 and sum(map(len, self._kept.values())) > KEPT_POINTS:
            self._kept.pop(next(iter(self._kept)))
        return True

    def known(self, job_id: int) -> Curves | None:
        """The job's curves, if somebody looked at them: what is not kept needs no news."""
        return self._kept.get(job_id)

    def note_points(self, job: Job, points: Sequence[Point], gpus: Sequence[Gpu]) -> None:
        """Let the curves that somebody looks at grow, and keep what the cards do meanwhile."""
        step, now = points[-1].step, time.time()
        figures = of_cards(gpus, job.process.gpus) if job.process else None
        if figures and not self.gauges_due(job.id, now):
            figures = None
        if figures:
            self._records.add_gauges(job.id, step, now, figures)

        def grow(curves: Curves) -> None:
            curves.add_points(points)
            if figures:
                curves.add_gauges(step, now, figures)

        self._records.after_commit(lambda: self._grow(job.id, grow))

    def note_look(self, job_id: int, look: Validation) -> None:
        """A look at what is held out, which is being stored."""
        self._records.after_commit(lambda: self._grow(job_id, lambda curves: curves.add_look(look)))

    def _grow(self, job_id: int, grow: Callable[[Curves], object]) -> None:
        """Now, or when all that is on the disk is read."""
        if (curves := self.known(job_id)) is not None:  # an empty one is kept, too
            grow(curves)
        elif (reading := self._reading.get(job_id)) is not None:
            reading.missed.append(grow)

    def forget(self, job_id: int) -> None:
        """The job begins again, or is gone."""
        self._kept.pop(job_id, None)
        self._reading.pop(job_id, None)
        self._gauged.pop(job_id, None)

    def gauges_due(self, job_id: int, now: float) -> bool:
        """Whether to keep the gauges again: once a second, less often in a long run."""
        if job_id not in self._gauged:
            self._gauged[job_id] = self._records.gauge_times(job_id) or (now, -math.inf)
        first, last = self._gauged[job_id]
        period = max(PERIOD_SECONDS, (now - first) / SPARSE)
        if 0 <= now - last < period:
            return False
        self._gauged[job_id] = (first, now)
        return True

    def draw(self, request: GetChart, images_per_step: int) -> Chart:
        """What was asked for, as columns."""
        curves = self.of(request.id)
        smoothing = SMOOTHING_SHARE if request.smoothing is None else request.smoothing
        window = Window(
            width=max(1, min(request.width, MAX_WIDTH)),
            first=_finite(request.first),
            last=_finite(request.last),
            axis=request.axis,
            images_per_step=max(1, images_per_step),
            begin=curves.points.times[0] if curves.points else 0.0,
            smoothing=min(1.0, max(0.0, smoothing)) if math.isfinite(smoothing) else 0.0,
        )
        lines: dict[Metric, list[Column]] = {}
        for metric in dict.fromkeys(request.metrics):
            series = curves.of(metric)
            if columns := series.columns(metric, window):
                lines[metric] = columns
        return Chart(lines=lines)


def _finite(value: float | None) -> float | None:
    return value if value is None or math.isfinite(value) else None


def mark_of(job: Job, event: Event) -> MarkKind | None:
    """What a change of state is on the job's curves; none where they know nothing of it."""
    if event == "died" or event == "failed":
        return event
    return "paused" if job.state == "paused" else None
