"""What runs tell of how far their jobs are: stored, drawn together, told."""

from __future__ import annotations

import logging
import math
from collections import deque
from typing import Any

import msgspec

from lorad.daemon.chart import Charts, trend
from lorad.daemon.events import Events
from lorad.daemon.pace import Pace
from lorad.daemon.store import Store
from lorad.daemon.telemetry import Gauges
from lorad.shared.errors import RecipeError
from lorad.shared.jobs import (
    Held,
    Job,
)
from lorad.shared.messages import Event as Message
from lorad.shared.messages import (
    Mark,
    MarkAdded,
    Point,
    job_topic,
)
from lorad.shared.recipe import Recipe, Train, parse_recipe
from lorad.shared.recipe.changes import apply_changes

log = logging.getLogger(__name__)

RECENT = 20
"""Steps that the shown loss and speed are means of."""


class Figures:
    """The part of the queue that the runs fill; what people and the scheduler do is in `Queue`."""

    def __init__(self, store: Store, events: Events, gauges: Gauges) -> None:
        """Nothing is known in memory yet."""
        self.store = store
        self.events = events
        self.gauges = gauges
        self.charts = Charts(store)
        self._recipes: dict[int, Recipe] = {}
        self._recent: dict[int, deque[Point]] = {}
        self._paces: dict[int, Pace] = {}

    def publish(self, topic: str, event: Message) -> None:
        """Tell everybody, once what it tells of is on the disk."""
        self.store.after_commit(lambda: self.events.publish(topic, event))

    def note_points(self, job: Job, points: list[Point]) -> Job:
        """Store steps, and the figures that the queue shows of them."""
        self.store.add_points(job.id, points)
        self.charts.note_points(job, points, self.gauges.newest.gpus)
        if job.id not in self._recent:
            known = self.store.points_up_to(job.id, points[-1].step, RECENT)
            self._recent[job.id] = deque(known, maxlen=RECENT)
        else:
            self._recent[job.id].extend(points)
        recent = self._recent[job.id]
        finite = [p.loss for p in recent if abs(p.loss) < float("inf")]
        speed = sum(p.images_per_second for p in recent) / len(recent)
        recipe = self.readable(job.id)
        pace = None if recipe is None else self._pace(job, recipe.train, points)
        return self.note(
            job,
            step=points[-1].step,
            loss=sum(finite) / len(finite) if finite else None,
            loss_nonfinite=len(finite) < len(recent),
            images_per_second=speed,
            eta_seconds=None
            if isinstance(job.status, Held)
            else _seconds_left(job, points[-1].step, pace),
            seconds_per_step=pace,
            trend=self._trend(job, points),
        )

    def _pace(self, job: Job, train: Train, points: list[Point]) -> float | None:
        """Seconds a step with these points, of the process that takes them now."""
        if job.id not in self._paces:
            self._paces[job.id] = Pace(job.progress.seconds_per_step)
        images = train.train_batch_size * train.gradient_accumulation_steps
        speeds = [point.images_per_second for point in points]
        return self._paces[job.id].note([images / speed for speed in speeds if speed > 0])

    def _trend(self, job: Job, points: list[Point]) -> trend.Trend:
        """With these points; of a run that an older lorad began, from all that it took."""
        before, step = job.progress.trend, job.progress.step
        if trend.fits(before, step):
            return trend.extended(before, step, [(point.step, point.loss) for point in points])
        last = points[-1].step
        losses = [
            (row[0], math.nan if row[2] is None else row[2])
            for rows in self.store.point_rows(job.id)
            for row in rows
            if row[0] <= last
        ]
        return trend.extended((), 0, losses)

    def rewound(self, job: Job, step: int) -> Job:
        """The job at the step from which its run goes on; no later checkpoint could be used."""
        shown = trend.cut(job.progress.trend, job.progress.step, step)
        saved = min(job.progress.saved_step or 0, step) or None
        return self.note(job, step=step, trend=shown, saved_step=saved)

    def mark(self, job_id: int, mark: Mark) -> None:
        """Store and tell of something on the job's curves."""
        self.store.add_mark(job_id, mark)
        self.publish(job_topic(job_id, "notes"), MarkAdded(id=job_id, mark=mark))

    def note(self, job: Job, **figures: Any) -> Job:
        """Other figures of how far the job is, by the names of `Progress`."""
        progress = msgspec.structs.replace(job.progress, **figures)
        self.store.set_progress(job.id, progress)
        return msgspec.structs.replace(job, progress=progress)

    def recipe(self, job_id: int) -> Recipe:
        """The job's recipe as it is now, parsed once.

        Raises:
            RecipeError: it was taken by another version, and this one does not.
        """
        if job_id not in self._recipes:
            stored = self.store.recipe(job_id)
            recipe = parse_recipe(stored.text)
            self._recipes[job_id] = apply_changes(recipe, stored.changes)
        return self._recipes[job_id]

    def readable(self, job_id: int) -> Recipe | None:
        """The job's recipe, where nobody is served by a refusal; none if this version has none."""
        try:
            return self.recipe(job_id)
        except RecipeError as error:
            log.info("job %d: its recipe cannot be read: %s", job_id, error)
            return None

    def forget_recipe(self, job_id: int) -> None:
        """It is changed; and what this transaction reads of it is nothing if that fails."""
        self._recipes.pop(job_id, None)
        self.store.after_rollback(lambda: self._recipes.pop(job_id, None))

    def forget(self, job_id: int) -> None:
        """Drop what is kept in memory of a job."""
        self._recent.pop(job_id, None)
        self._paces.pop(job_id, None)
        self._recipes.pop(job_id, None)


def _seconds_left(job: Job, step: int, pace: float | None) -> float | None:
    """None where the length is not known."""
    if job.max_train_steps is None or pace is None:
        return None
    return max(0, job.max_train_steps - step) * pace
