"""What runs report: their steps, looks, pictures and notes, on disk."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

from lorad.daemon.store import rows
from lorad.daemon.store.database import Database
from lorad.shared.messages import (
    OF_CARDS,
    OF_STEPS,
    Mark,
    Metric,
    Note,
    NoteReport,
    Point,
    SamplePicture,
    Validation,
)

MAX_PICTURES = 1000
"""The newest ones are shown; at 8 KiB each a reply stays below 8 MiB."""
MAX_NOTES = 1000
"""The newest ones are kept."""
MAX_NOTE = 2000
"""Characters of one."""
MAX_MARKS = 2000
"""More than any screen has room for."""
BATCH = 1000
"""Rows at a time: so few stay in the processor's caches until something is made of them."""


class Reported(Database):
    """The part of the store that the runs fill. What a resumed run takes again replaces the old."""

    def add_points(self, job_id: int, points: list[Point]) -> None:
        """Steps taken; one that a resumed run took again replaces the old one."""
        with self.transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (job_id, p.step, p.time, p.loss, p.learning_rate, p.grad_norm,
                     p.images_per_second)
                    for p in points
                ],
            )  # fmt: skip

    def points(self, job_id: int, after: int, limit: int) -> list[Point]:
        """Steps after one, in order."""
        found = self._db.execute(
            f"SELECT {rows.POINT} FROM metrics WHERE job = ? AND step > ? ORDER BY step LIMIT ?",
            (job_id, after, limit),
        )
        return [rows.point(row) for row in found]

    def points_up_to(self, job_id: int, step: int, count: int) -> list[Point]:
        """The last steps up to one, in order; a resumed run has old ones beyond its own."""
        found = self._db.execute(
            f"SELECT {rows.POINT} FROM metrics"
            " WHERE job = ? AND step <= ? ORDER BY step DESC LIMIT ?",
            (job_id, step, count),
        ).fetchall()
        return [rows.point(row) for row in reversed(found)]

    def add_sample(self, job_id: int, picture: SamplePicture) -> None:
        """A picture drawn."""
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?)",
                (job_id, picture.step, picture.index, rows.encode(picture)),
            )

    def samples(
        self, job_id: int, *, newest: bool, before: int | None = None, limit: int = MAX_PICTURES
    ) -> list[SamplePicture]:
        """The pictures, by step and prompt: the newest, perhaps of those before a step.

        Among all that are kept for a viewer are the first step's, too; not in a page of them.
        """
        whole = not newest and before is None and limit >= MAX_PICTURES
        limit = max(1, min(limit, MAX_PICTURES))
        found = self._db.execute(
            "SELECT picture FROM samples WHERE job = ?1 AND (NOT ?2 OR step ="
            " (SELECT max(step) FROM samples WHERE job = ?1))"
            " AND (?4 IS NULL OR step < ?4)"
            # The first step's before all others: the base model is what each is compared with.
            " ORDER BY ?5 AND step = (SELECT min(step) FROM samples WHERE job = ?1) DESC,"
            " step DESC, number DESC LIMIT ?3",
            (job_id, newest, limit, before, whole),
        ).fetchall()
        pictures = [rows.pictures.decode(row[0]) for row in found]
        return sorted(pictures, key=lambda picture: (picture.step, picture.index))

    def sample(self, job_id: int, step: int, index: int) -> SamplePicture | None:
        """One picture; none where there is no such."""
        row = self._db.execute(
            "SELECT picture FROM samples WHERE job = ? AND step = ? AND number = ?",
            (job_id, step, index),
        ).fetchone()
        return None if row is None else rows.pictures.decode(row[0])

    def add_validation(self, job_id: int, look: Validation) -> None:
        """The loss on what is held out, after a step."""
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO validations VALUES (?, ?, ?, ?)",
                (job_id, look.step, look.loss, look.best),
            )

    def validations(self, job_id: int, after: int, limit: int) -> list[Validation]:
        """Looks after a step, in order."""
        found = self._db.execute(
            "SELECT step, loss, best FROM validations WHERE job = ? AND step > ?"
            " ORDER BY step LIMIT ?",
            (job_id, after, limit),
        )
        return [
            Validation(step=step, loss=math.nan if loss is None else loss, best=bool(best))
            for step, loss, best in found
        ]

    def add_note(self, job_id: int, report: NoteReport) -> Note:
        """Something that happened; the same again is only newer than it was."""
        note = Note(
            step=report.step, kind=report.kind, text=report.text[:MAX_NOTE], time=time.time()
        )
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO notes (job, step, kind, text, time) VALUES (?, ?, ?, ?, ?)",
                (job_id, note.step, note.kind, note.text, note.time),
            )
            self._db.execute(
                "DELETE FROM notes WHERE job = ?1 AND number <= (SELECT number FROM notes"
                " WHERE job = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
                (job_id, MAX_NOTES),
            )
        return note

    def notes(self, job_id: int, limit: int) -> list[Note]:
        """The newest, oldest first."""
        found = self._db.execute(
            "SELECT step, kind, text, time FROM notes WHERE job = ? ORDER BY number DESC LIMIT ?",
            (job_id, limit),
        ).fetchall()
        return [
            Note(step=step, kind=kind, text=text, time=at) for step, kind, text, at in found[::-1]
        ]

    # -- curves -------------------------------------------------------------------------------

    def step_reached(self, job_id: int) -> int:
        """The step that the job's run took last; a resumed one may have taken later ones before."""
        query = "SELECT progress FROM jobs WHERE id = ?"
        found = self._db.execute(query, (job_id,)).fetchone()
        return 0 if found is None else rows.progresses.decode(found[0]).step

    def point_rows(self, job_id: int) -> Iterator[list[tuple[Any, ...]]]:
        """Step, time and figures of all steps in order, in batches; none for no number."""
        return self._batches(f"SELECT step, time, {', '.join(OF_STEPS)} FROM metrics", job_id)

    def _batches(self, select: str, job_id: int) -> Iterator[list[tuple[Any, ...]]]:
        """By step. Between two batches anything may be written: no cursor stays open."""
        after = -1
        while rows := self._db.execute(
            f"{select} WHERE job = ? AND step > ? ORDER BY step LIMIT ?", (job_id, after, BATCH)
        ).fetchall():
            yield rows
            after = rows[-1][0]

    def add_gauges(self, job_id: int, step: int, time: float, figures: dict[Metric, float]) -> None:
        """The run's cards at a step."""
        told = [figures[name] for name in OF_CARDS]
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO gauges VALUES (?, ?, ?, ?, ?, ?, ?)",
                (job_id, step, time, *told),
            )

    def gauge_rows(self, job_id: int) -> Iterator[list[tuple[Any, ...]]]:
        """Step, time and gauges, in order, in batches; none where the driver did not say."""
        return self._batches(f"SELECT step, time, {', '.join(OF_CARDS)} FROM gauges", job_id)

    def gauge_times(self, job_id: int) -> tuple[float, float] | None:
        """The first and the last time; none where there are no gauges."""
        first, last = self._db.execute(
            "SELECT min(time), max(time) FROM gauges WHERE job = ?", (job_id,)
        ).fetchone()
        return None if first is None else (first, last)

    def add_mark(self, job_id: int, mark: Mark) -> None:
        """A checkpoint, an end or a beginning of a run; the same again is only told anew."""
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?)",
                (job_id, mark.step, mark.kind, mark.text[:MAX_NOTE]),
            )

    def marks(self, job_id: int) -> list[Mark]:
        """All that happened, notes and pictures too; the newest, by step."""
        found = self._db.execute(
            "SELECT step, kind, text FROM marks WHERE job = ?1"
            " UNION ALL SELECT step, kind, text FROM notes WHERE job = ?1"
            " UNION ALL SELECT DISTINCT step, 'sample', '' FROM samples WHERE job = ?1"
            " ORDER BY step DESC, kind DESC LIMIT ?2",
            (job_id, MAX_MARKS),
        ).fetchall()
        return [Mark(step=step, kind=kind, text=text) for step, kind, text in reversed(found)]
