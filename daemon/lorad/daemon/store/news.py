"""What happened, in one numbered list that is kept for good."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lorad.daemon.store.replay import Line
from lorad.daemon.store.reported import Reported
from lorad.shared.messages import GetNews, Happening

MAX_NEWS = 10_000
MAX_REFUSED, REFUSED_SLACK = 1000, 64
"""So many refusals are kept, and some more until they are counted again."""
NEWS = (
    "SELECT t.number, t.time, t.job, coalesce(jobs.name, ''), t.before, t.after, t.event, t.cause,"
    " t.actor FROM transitions t LEFT JOIN jobs ON jobs.id = t.job"
)


class News(Reported):
    """The part of the store that is the log of changes. Whoever changes something writes here."""

    def __init__(self, path: Path | str) -> None:
        """As `Database`; nobody listens yet."""
        super().__init__(path)
        self.on_news: Callable[[Happening], object] = lambda happening: None
        """Called with each line once it is on the disk."""

    def happened(self, job_id: int, event: str, text: str, actor: str) -> None:
        """Something that changed no state; job 0 is the daemon."""
        state = ""
        if job_id:
            row = self._db.execute(
                "SELECT after FROM transitions WHERE job = ? ORDER BY number DESC LIMIT 1",
                (job_id,),
            ).fetchone()
            state = row[0] if row else ""
        with self.transaction():
            self._log(job_id, state, state, event, text, actor)

    def refused(self, job_id: int, text: str, actor: str) -> None:
        """A command that changed nothing. Anybody can cause these, so only the newest stay."""
        self.happened(job_id, "refused", text, actor)
        if self.news_head() % REFUSED_SLACK == 0:
            with self.transaction():
                self._db.execute(
                    "DELETE FROM transitions WHERE event = 'refused' AND number <= (SELECT number"
                    " FROM transitions WHERE event = 'refused' ORDER BY number DESC"
                    " LIMIT 1 OFFSET ?)",
                    (MAX_REFUSED,),
                )

    def _log(
        self, job_id: int, before: str, after: str, event: str, cause: str, actor: str
    ) -> None:
        """One line, after what it tells of: it also says where the job stands in the table."""
        now = time.time()
        name, priority, position = self._db.execute(
            "SELECT name, priority, position FROM jobs WHERE id = ?", (job_id,)
        ).fetchone() or ("", None, None)
        cursor = self._db.execute(
            "INSERT INTO transitions (job, before, after, event, cause, actor, time, priority,"
            " position) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (job_id, before, after, event, cause, actor, now, priority, position),
        )
        happening = Happening(
            number=cursor.lastrowid or 0,
            time=now,
            id=job_id,
            name=name,
            before=before,
            after=after,
            event=event,
            text=cause,
            actor=actor,
        )
        self.after_commit(lambda: self.on_news(happening))

    def transitions(self, job_id: int) -> list[tuple[str, str, str]]:
        """What happened to a job: (before, event, after), oldest first."""
        return self._db.execute(
            "SELECT before, event, after FROM transitions WHERE job = ? ORDER BY number", (job_id,)
        ).fetchall()

    def lines(self) -> Iterator[Line]:
        """The whole log, oldest first, as `replay` takes it."""
        found = self._db.execute(
            "SELECT number, job, before, after, priority, position FROM transitions ORDER BY number"
        )
        return map(Line._make, found)

    def news(self, wanted: GetNews) -> list[Happening]:
        """What was asked for, oldest first."""
        limit = max(1, min(wanted.limit, MAX_NEWS))
        found = self._db.execute(
            f"{NEWS} WHERE t.number > ? AND t.time > ? AND (?3 IS NULL OR t.job = ?3)"
            f" ORDER BY t.number {'DESC' if wanted.newest else 'ASC'} LIMIT ?4",
            (wanted.after, wanted.since, wanted.id, limit),
        ).fetchall()
        happenings = [_happening(row) for row in found]
        return happenings[::-1] if wanted.newest else happenings

    def news_head(self) -> int:
        """The newest number."""
        return int(self._db.execute("SELECT max(number) FROM transitions").fetchone()[0] or 0)

    def steps_since(self, since: float) -> int:
        """How many steps all runs took after a time."""
        total = 0
        for (job_id,) in self._db.execute("SELECT id FROM jobs WHERE removed IS NULL").fetchall():
            steps = "SELECT step, time FROM metrics WHERE job = ?"
            # From the newest step backwards: what is old is not looked at.
            last = self._db.execute(f"{steps} ORDER BY step DESC LIMIT 1", (job_id,)).fetchone()
            if last is None or last[1] <= since:
                continue
            before = self._db.execute(
                f"{steps} AND time <= ? ORDER BY step DESC LIMIT 1", (job_id, since)
            ).fetchone()
            total += last[0] - (before[0] if before else 0)
        return total


def _happening(row: tuple[Any, ...]) -> Happening:
    number, at, job_id, name, before, after, event, cause, actor = row
    return Happening(
        number=number, time=at, id=job_id, name=name, before=before, after=after, event=event,
        text=cause, actor=actor,
    )  # fmt: skip
