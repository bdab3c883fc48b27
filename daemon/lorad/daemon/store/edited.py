"""What people changed in the queue, kept on disk for as long as it can be taken back.

An edit is what one command did: for each of its jobs, how it looked before and after. A job that is
removed keeps its row until no edit names it any more.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from lorad.daemon.store import rows
from lorad.daemon.store.news import News

MAX_EDITS = 100
"""The newest ones can be taken back."""
EDIT_SECONDS = 7 * 24 * 3600
COLUMNS = (
    "status", "priority", "position", "changes", "max_train_steps", "removed",
    "in_group", "after", "start_after", "gpus", "retries",
    "after_reboot",
)  # fmt: skip
"""Of a job's row: what commands on the queue change."""


class Look(Struct, frozen=True):
    """How a job's row looks to whoever wants to take a change back."""

    columns: dict[str, Any]
    """By name, as SQLite has them."""
    attempts: int
    """How often it was started."""


class Edit(NamedTuple):
    """What one command did."""

    number: int
    said: str
    """`job 3 (cat) was moved`"""
    actor: str
    time: float


_looks = msgspec.msgpack.Decoder(Look)


class Edited(News):
    """The part of the store that remembers what was before."""

    def look(self, job_id: int) -> Look | None:
        """How a job looks now; none where there never was one, or it is forgotten for good."""
        row = self._db.execute(
            f"SELECT {', '.join(COLUMNS)},"
            " (SELECT coalesce(max(number), 0) FROM attempts WHERE job = jobs.id)"
            " FROM jobs WHERE id = ?",
            (job_id,),
        ).fetchone()
        return None if row is None else Look(dict(zip(COLUMNS, row[:-1], strict=True)), row[-1])

    def keep_edit(self, said: str, actor: str, jobs: Mapping[int, tuple[Look, Look]]) -> None:
        """Keep an edit: each job before and after. Nothing is kept where nothing changed."""
        changed = {
            id: pair for id, (before, after) in jobs.items() if (pair := _parts(before, after))
        }
        if not changed:
            return
        with self.transaction():
            number = self._db.execute(
                "INSERT INTO edits (said, actor, time) VALUES (?, ?, ?)", (said, actor, time.time())
            ).lastrowid
            self._db.executemany(
                "INSERT INTO edited VALUES (?, ?, ?, ?)",
                [
                    (number, id, rows.encode(before), rows.encode(after))
                    for id, (before, after) in changed.items()
                ],
            )
            assert number is not None
            self._db.execute(
                "DELETE FROM edits WHERE number <= ? OR time < ?",
                (number - MAX_EDITS, time.time() - EDIT_SECONDS),
            )

    def newest_edit(self) -> Edit | None:
        """The next to take back."""
        row = self._db.execute(
            "SELECT number, said, actor, time FROM edits ORDER BY number DESC LIMIT 1"
        ).fetchone()
        return None if row is None else Edit(*row)

    def edited(self, number: int) -> list[tuple[int, Look, Look]]:
        """An edit's jobs, with what it changed of them: before, after."""
        found = self._db.execute(
            "SELECT job, before, after FROM edited WHERE edit = ? ORDER BY job", (number,)
        )
        return [(id, _looks.decode(old), _looks.decode(new)) for id, old, new in found]

    def drop_edit(self, number: int) -> None:
        """It is taken back, or cannot be any more."""
        with self.transaction():
            self._db.execute("DELETE FROM edits WHERE number = ?", (number,))

    def put_back(self, job_id: int, before: Look) -> None:
        """What an edit changed of a job, as it was before."""
        names = [name for name in COLUMNS if name in before.columns]
        assigned = ", ".join(f"{name} = ?" for name in names)
        if "changes" in names:
            assigned += ", revision = revision + 1"
        with self.transaction():
            self._db.execute(
                f"UPDATE jobs SET {assigned} WHERE id = ?",
                (*(before.columns[name] for name in names), job_id),
            )

    def forget_removed(self) -> list[int]:
        """Remove for good what no edit can bring back; those jobs."""
        with self.transaction():
            found = self._db.execute(
                "SELECT id FROM jobs WHERE removed IS NOT NULL"
                " AND NOT EXISTS (SELECT 1 FROM edited WHERE job = jobs.id)"
            ).fetchall()
            self._db.executemany("DELETE FROM jobs WHERE id = ?", found)
        return [id for (id,) in found]

    # -- the log of changes -------------------------------------------------------------------

    def log_undo(self, job_id: int, before: str, after: str, said: str, actor: str) -> None:
        """A line for a job that is as it was."""
        with self.transaction():
            self._log(job_id, before, after, "undo", said, actor)


def _parts(before: Look, after: Look) -> tuple[Look, Look] | None:
    """Only what changed; none where nothing did."""
    names = [name for name in COLUMNS if before.columns[name] != after.columns[name]]
    if not names:
        return None
    old, new = ({name: look.columns[name] for name in names} for look in (before, after))
    return Look(old, before.attempts), Look(new, after.attempts)
