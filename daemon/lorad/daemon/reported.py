"""What runs report: their steps, looks, pictures and notes, on disk."""

from __future__ import annotations

import math
import time

from lorad.daemon import rows
from lorad.daemon.database import Database
from lorad.shared.messages import (
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

    def losses(self, job_id: int) -> list[tuple[int, float]]:
        """Every step and its loss."""
        found = self._db.execute(
            "SELECT step, loss FROM metrics WHERE job = ? ORDER BY step", (job_id,)
        )
        return [(step, math.nan if loss is None else loss) for step, loss in found]

    def add_sample(self, job_id: int, picture: SamplePicture) -> None:
        """A picture drawn."""
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?)",
                (job_id, picture.step, picture.index, rows.encode(picture)),
            )

    def samples(self, job_id: int, *, newest: bool) -> list[SamplePicture]:
        """The pictures, by step and prompt."""
        found = self._db.execute(
            "SELECT picture FROM samples WHERE job = ?1 AND (NOT ?2 OR step ="
            " (SELECT max(step) FROM samples WHERE job = ?1))"
            " ORDER BY step DESC, number DESC LIMIT ?3",
            (job_id, newest, MAX_PICTURES),
        ).fetchall()
        return [rows.pictures.decode(row[0]) for row in reversed(found)]

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
