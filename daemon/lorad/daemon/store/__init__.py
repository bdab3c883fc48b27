"""The queue on disk: SQLite in WAL mode, every change one durable transaction.

The job table is the truth; the daemon may be killed at any time.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lorad.daemon.store import rows
from lorad.daemon.store.edited import Edited
from lorad.daemon.store.grouped import Grouped
from lorad.daemon.store.rows import Attempt, NewJob, StoredRecipe
from lorad.shared.errors import UnknownJob
from lorad.shared.jobs import Job, Progress, Queued, Stashed, Status, state_of
from lorad.shared.messages import AnyReply, EndReport

REMEMBERED_SECONDS = 7 * 24 * 3600
"""How long a repeated command is recognised."""


class Store(Edited, Grouped):
    """All questions one may ask of the queue on disk, by name."""

    # -- jobs ---------------------------------------------------------------------------------

    def jobs(self) -> list[Job]:
        """All jobs, in the order of their priority and place."""
        found = self._db.execute(
            f"SELECT {rows.JOB} FROM jobs WHERE removed IS NULL"
            " ORDER BY priority DESC, position, id"
        )
        return [rows.job(row) for row in found]

    def count(self) -> int:
        """How many jobs there are."""
        found = self._db.execute("SELECT count(*) FROM jobs WHERE removed IS NULL").fetchone()
        return int(found[0])

    def job(self, job_id: int) -> Job:
        """One job.

        Raises:
            UnknownJob: there is none of that number.
        """
        row = self._db.execute(
            f"SELECT {rows.JOB} FROM jobs WHERE id = ? AND removed IS NULL", (job_id,)
        ).fetchone()
        if row is None:
            raise UnknownJob(id=job_id)
        return rows.job(row)

    def recipe(self, job_id: int) -> StoredRecipe:
        """The job's recipe as it was added, and what was changed since.

        Raises:
            UnknownJob: there is none of that number.
        """
        row = self._db.execute(
            "SELECT recipe, recipe_folder, changes, revision, samples, saves"
            " FROM jobs WHERE id = ? AND removed IS NULL",
            (job_id,),
        ).fetchone()
        if row is None:
            raise UnknownJob(id=job_id)
        return StoredRecipe(row[0], row[1], json.loads(row[2]), *row[3:])

    def set_changes(
        self, job: Job, changes: Mapping[str, str], steps: int | None, *, cause: str, actor: str
    ) -> Job:
        """Other changes of the job's recipe, which make a run of that many steps."""
        with self.transaction():
            self._db.execute(
                "UPDATE jobs SET changes = ?, revision = revision + 1, max_train_steps = ?"
                " WHERE id = ?",
                (json.dumps(dict(changes)), steps or 0, job.id),
            )
            self._log(job.id, job.state, job.state, "set", cause, actor)
        return self.job(job.id)

    def set_steps(self, job_id: int, steps: int) -> Job:
        """The length of the run, where only the run knew it."""
        with self.transaction():
            self._db.execute("UPDATE jobs SET max_train_steps = ? WHERE id = ?", (steps, job_id))
        return self.job(job_id)

    def ask_samples(self, job: Job, actor: str) -> int:
        """Count one more call for pictures; its number."""
        with self.transaction():
            self._db.execute("UPDATE jobs SET samples = samples + 1 WHERE id = ?", (job.id,))
            self._log(job.id, job.state, job.state, "sample", "", actor)
        return self.recipe(job.id).samples

    def ask_save(self, job: Job, actor: str) -> int:
        """Count one more call for a checkpoint; its number."""
        with self.transaction():
            self._db.execute("UPDATE jobs SET saves = saves + 1 WHERE id = ?", (job.id,))
            self._log(job.id, job.state, job.state, "save", "", actor)
        return self.recipe(job.id).saves

    def add(self, new: NewJob, actor: str, claim: Callable[[int], Path]) -> Job:
        """A new job at the end of the queue; `claim` gives its number an output folder."""
        now = time.time()
        status: Status = Stashed() if new.stash else Queued()
        with self.transaction():
            last = self._db.execute("SELECT coalesce(max(position), 0) FROM jobs").fetchone()[0]
            cursor = self._db.execute(
                "INSERT INTO jobs (name, recipe, recipe_folder, folder, max_train_steps, created,"
                " priority, position, status, progress) VALUES (?, ?, ?, '', ?, ?, ?, ?, ?, ?)",
                (
                    new.recipe.name,
                    new.recipe_text,
                    str(new.recipe_folder),
                    new.recipe.train.known_steps or 0,
                    now,
                    new.priority,
                    last + 1,
                    rows.encode(status),
                    rows.encode(Progress()),
                ),
            )
            job_id = cursor.lastrowid
            assert job_id is not None
            self._db.execute(
                "UPDATE jobs SET folder = ? WHERE id = ?", (str(claim(job_id)), job_id)
            )
            self.write_terms(job_id, new.terms)
            self._log(job_id, "", state_of(status), "add", "", actor)
        return self.job(job_id)

    def folder(self, job_id: int) -> str:
        """Where a job's files go, also that of one that is removed."""
        row = self._db.execute("SELECT folder FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return "" if row is None else str(row[0])

    def writer(self, folder: Path) -> int | None:
        """The job that writes to a folder, if there is one."""
        row = self._db.execute(
            "SELECT id FROM jobs WHERE folder = ? AND removed IS NULL", (str(folder),)
        ).fetchone()
        return None if row is None else int(row[0])

    def change(self, job: Job, status: Status, event: str, *, cause: str, actor: str) -> Job:
        """The job in another state, and a line in the log of changes."""
        with self.transaction():
            self._db.execute(
                "UPDATE jobs SET status = ? WHERE id = ?", (rows.encode(status), job.id)
            )
            self._log(job.id, job.state, state_of(status), event, cause, actor)
        return self.job(job.id)

    def set_progress(self, job_id: int, progress: Progress) -> None:
        """How far the job is."""
        with self.transaction():
            self._db.execute(
                "UPDATE jobs SET progress = ? WHERE id = ?", (rows.encode(progress), job_id)
            )

    def set_place(self, job: Job, priority: int, position: float, event: str, actor: str) -> Job:
        """Where the job stands in the queue."""
        with self.transaction():
            self._db.execute(
                "UPDATE jobs SET priority = ?, position = ? WHERE id = ?",
                (priority, position, job.id),
            )
            cause = f"priority {priority}, place {position:g}"
            self._log(job.id, job.state, job.state, event, cause, actor)
        return self.job(job.id)

    def spread_places(self) -> None:
        """Whole numbers for all places, in the same order: halves of halves come to an end."""
        with self.transaction():
            found = self._db.execute("SELECT id FROM jobs ORDER BY position, id").fetchall()
            self._db.executemany(
                "UPDATE jobs SET position = ? WHERE id = ?",
                [(float(place), id) for place, (id,) in enumerate(found, 1)],
            )
            for job in self.jobs():
                cause = f"priority {job.priority}, place {job.position:g}"
                self._log(job.id, job.state, job.state, "move", cause, "daemon")

    def set_terms(self, job: Job, terms: Mapping[str, Any], *, cause: str, actor: str) -> Job:
        """Other things that the job waits for, by the names of its fields."""
        with self.transaction():
            self.write_terms(job.id, terms)
            self._log(job.id, job.state, job.state, "update", cause, actor)
        return self.job(job.id)

    def begin_again(self, job_id: int) -> None:
        """Forget all that the job's runs made known; the next one starts at step 0."""
        with self.transaction():
            self._db.execute("DELETE FROM metrics WHERE job = ?", (job_id,))
            self._db.execute("DELETE FROM samples WHERE job = ?", (job_id,))
            self._db.execute("DELETE FROM validations WHERE job = ?", (job_id,))
            self._db.execute("DELETE FROM notes WHERE job = ?", (job_id,))
            self._db.execute("DELETE FROM gauges WHERE job = ?", (job_id,))
            self._db.execute("DELETE FROM marks WHERE job = ?", (job_id,))
            self._db.execute(
                "UPDATE jobs SET fresh = 1, progress = ? WHERE id = ?",
                (rows.encode(Progress()), job_id),
            )

    def remove(self, job: Job, actor: str) -> None:
        """Out of the queue; it is forgotten when that cannot be undone any more."""
        with self.transaction():
            self._log(job.id, job.state, "", "rm", "", actor)
            self._db.execute("UPDATE jobs SET removed = ? WHERE id = ?", (time.time(), job.id))

    # -- attempts -----------------------------------------------------------------------------

    def begin_attempt(self, job_id: int) -> Attempt:
        """A new try, with a token of its own."""
        with self.transaction():
            fresh, last = self._db.execute(
                "SELECT fresh, (SELECT coalesce(max(number), 0) FROM attempts WHERE job = jobs.id)"
                " FROM jobs WHERE id = ?",
                (job_id,),
            ).fetchone()
            self._db.execute(
                "INSERT INTO attempts (job, number, token, fresh) VALUES (?, ?, ?, ?)",
                (job_id, last + 1, secrets.token_hex(16), fresh),
            )
        attempt = self.attempt(job_id)
        assert attempt is not None
        return attempt

    def drop_attempt(self, attempt: Attempt) -> None:
        """It came to nothing: no process could be started."""
        with self.transaction():
            self._db.execute(
                "DELETE FROM attempts WHERE job = ? AND number = ?",
                (attempt.job_id, attempt.number),
            )

    def attempt(self, job_id: int) -> Attempt | None:
        """The newest try."""
        row = self._db.execute(
            "SELECT job, number, token, fresh, acknowledged, saved, ending FROM attempts"
            " WHERE job = ? ORDER BY number DESC LIMIT 1",
            (job_id,),
        ).fetchone()
        if row is None:
            return None
        ending = None if row[6] is None else rows.endings.decode(row[6])
        return Attempt(row[0], row[1], row[2], bool(row[3]), row[4], bool(row[5]), ending)

    def life(self, job_id: int) -> float:
        """When the job was added or begun again, seconds since the epoch.

        The newest of them by number: the clock may have been put back since the one before.
        """
        found = self._db.execute(
            "SELECT time FROM transitions WHERE job = ? AND event IN ('add', 'restart') "
            "ORDER BY number DESC LIMIT 1",
            (job_id,),
        ).fetchone()
        return float(found[0]) if found else 0.0

    def mark_begun(self, job_id: int) -> None:
        """What an earlier run left is cleared away: the next attempt may go on from this one."""
        with self.transaction():
            self._db.execute("UPDATE jobs SET fresh = 0 WHERE id = ?", (job_id,))

    def deaths(self, job_id: int) -> int:
        """How often its runs died since one of them saved, and since somebody last said go on."""
        saved = self._db.execute(
            "SELECT count(*) FROM attempts WHERE job = ?1 AND number >"
            " (SELECT coalesce(max(number), 0) FROM attempts WHERE job = ?1 AND saved)",
            (job_id,),
        ).fetchone()[0]
        died = self._db.execute(
            "SELECT count(*) FROM transitions WHERE job = ?1 AND event = 'died' AND number >"
            " (SELECT max(number) FROM transitions WHERE job = ?1"
            "  AND event IN ('add', 'enqueue', 'resume', 'restart', 'retry'))",
            (job_id,),
        ).fetchone()[0]
        return int(min(saved, died))

    def retried(self, job_id: int) -> int:
        """How often it was tried again by itself since somebody last said go on."""
        return int(
            self._db.execute(
                "SELECT count(*) FROM transitions WHERE job = ?1 AND event = 'retry' AND number >"
                " (SELECT max(number) FROM transitions WHERE job = ?1"
                "  AND event IN ('add', 'enqueue', 'resume', 'restart'))",
                (job_id,),
            ).fetchone()[0]
        )

    def acknowledge(self, attempt: Attempt, number: int) -> None:
        """All reports up to this one are stored."""
        self._set_attempt(attempt, "acknowledged", number)

    def mark_saved(self, attempt: Attempt) -> None:
        """It wrote a checkpoint."""
        self._set_attempt(attempt, "saved", 1)

    def set_ending(self, attempt: Attempt, ending: EndReport) -> None:
        """Its last word, acted on when the process is gone."""
        self._set_attempt(attempt, "ending", rows.encode(ending))

    def _set_attempt(self, attempt: Attempt, column: str, value: object) -> None:
        with self.transaction():
            self._db.execute(
                f"UPDATE attempts SET {column} = ? WHERE job = ? AND number = ?",
                (value, attempt.job_id, attempt.number),
            )

    # -- commands -----------------------------------------------------------------------------

    def recall(self, command_id: str) -> AnyReply | None:
        """The reply that a command of this id had already."""
        row = self._db.execute("SELECT reply FROM commands WHERE id = ?", (command_id,)).fetchone()
        return None if row is None else rows.replies.decode(row[0])

    def remember(self, command_id: str, reply: AnyReply) -> None:
        """Keep the reply, in the transaction of what the command did."""
        with self.transaction():
            self._db.execute(
                "INSERT INTO commands VALUES (?, ?, ?)",
                (command_id, rows.encode(reply), time.time()),
            )
            self._db.execute(
                "DELETE FROM commands WHERE time < ?", (time.time() - REMEMBERED_SECONDS,)
            )
