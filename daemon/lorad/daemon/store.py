"""The queue on disk: SQLite in WAL mode, every change one durable transaction.

The job table is the truth; the daemon may be killed at any time.
"""

from __future__ import annotations

import math
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from lorad.daemon import rows
from lorad.daemon.rows import Attempt, NewJob
from lorad.shared.errors import StoreBusy, StoreFull, StoreUnreadable, UnknownJob
from lorad.shared.jobs import Job, Progress, Queued, Stashed, Status, state_of
from lorad.shared.messages import AnyReply, EndReport, Point, SamplePicture

VERSION = 1
REMEMBERED_SECONDS = 7 * 24 * 3600
"""How long a repeated command is recognised."""

MAX_PICTURES = 1000
"""The newest ones are shown; at 8 KiB each a reply stays below 8 MiB."""


class Store:
    """All questions one may ask of the queue on disk, by name."""

    def __init__(self, path: Path | str) -> None:
        """Open or create; `:memory:` is the double for tests.

        Raises:
            StoreUnreadable: the file is no healthy database of a version known here.
        """
        self._path = path
        self._effects: list[Callable[[], object]] = []
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._prepare()
        except sqlite3.DatabaseError as error:
            raise StoreUnreadable(path=path, why=error) from error
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version != VERSION:
            why = f"it is of version {version}, this lorad knows version {VERSION}"
            raise StoreUnreadable(path=path, why=why)

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("PRAGMA busy_timeout = 2000")
        check = self._db.execute("PRAGMA quick_check").fetchone()[0]
        if check != "ok":
            raise sqlite3.DatabaseError(check)
        if self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            schema = files("lorad.daemon").joinpath("schema.sql").read_text()
            self._db.executescript(f"BEGIN; {schema} COMMIT;")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; nests.

        Raises:
            StoreFull: the disk took no more; nothing changed.
            StoreBusy: another program holds the database; nothing changed.
        """
        if self._db.in_transaction:
            yield
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._effects.clear()
            if isinstance(error, sqlite3.OperationalError):
                raise self._translated(error) from error
            raise
        effects, self._effects = self._effects, []
        for effect in effects:
            effect()

    def after_commit(self, effect: Callable[[], object]) -> None:
        """Do what cannot be undone (tell, steer, kill) once the change is on the disk, or never."""
        if self._db.in_transaction:
            self._effects.append(effect)
        else:
            effect()

    def _translated(self, error: sqlite3.OperationalError) -> StoreFull | StoreBusy:
        if "full" in str(error):
            return StoreFull()
        return StoreBusy(why=error, path=self._path)

    # -- jobs ---------------------------------------------------------------------------------

    def jobs(self) -> list[Job]:
        """All jobs, in the order of their priority and place."""
        found = self._db.execute(
            f"SELECT {rows.JOB} FROM jobs ORDER BY priority DESC, position, id"
        )
        return [rows.job(row) for row in found]

    def job(self, job_id: int) -> Job:
        """One job.

        Raises:
            UnknownJob: there is none of that number.
        """
        row = self._db.execute(f"SELECT {rows.JOB} FROM jobs WHERE id = ?", (job_id,)).fetchone()
        if row is None:
            raise UnknownJob(id=job_id)
        return rows.job(row)

    def recipe(self, job_id: int) -> tuple[str, str]:
        """The frozen recipe's text, and its folder.

        Raises:
            UnknownJob: there is none of that number.
        """
        row = self._db.execute(
            "SELECT recipe, recipe_folder FROM jobs WHERE id = ?", (job_id,)
        ).fetchone()
        if row is None:
            raise UnknownJob(id=job_id)
        return row[0], row[1]

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
            self._log(job_id, "", state_of(status), "add", "", actor)
        return self.job(job_id)

    def writer(self, folder: Path) -> int | None:
        """The job that writes to a folder, if there is one."""
        row = self._db.execute("SELECT id FROM jobs WHERE folder = ?", (str(folder),)).fetchone()
        return None if row is None else int(row[0])

    def change(self, job: Job, status: Status, event: str, *, cause: str, actor: str) -> Job:
        """The job in another state, and a line in the log of changes."""
        with self.transaction():
            self._db.execute(
                "UPDATE jobs SET status = ? WHERE id = ?", (rows.encode(status), job.id)
            )
            self._log(job.id, job.state, state_of(status), event, cause, actor)
        return self.job(job.id)

    def _log(
        self, job_id: int, before: str, after: str, event: str, cause: str, actor: str
    ) -> None:
        self._db.execute(
            "INSERT INTO transitions (job, before, after, event, cause, actor, time)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (job_id, before, after, event, cause, actor, time.time()),
        )

    def transitions(self, job_id: int) -> list[tuple[str, str, str]]:
        """What happened to a job: (before, event, after), oldest first."""
        return self._db.execute(
            "SELECT before, event, after FROM transitions WHERE job = ? ORDER BY number", (job_id,)
        ).fetchall()

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

    def begin_again(self, job_id: int) -> None:
        """Forget all that the job's runs made known; the next one starts at step 0."""
        with self.transaction():
            self._db.execute("DELETE FROM metrics WHERE job = ?", (job_id,))
            self._db.execute("DELETE FROM samples WHERE job = ?", (job_id,))
            self._db.execute(
                "UPDATE jobs SET fresh = 1, progress = ? WHERE id = ?",
                (rows.encode(Progress()), job_id),
            )

    def remove(self, job: Job, actor: str) -> None:
        """Forget the job; the log of changes keeps that it was there."""
        with self.transaction():
            self._log(job.id, job.state, "", "rm", "", actor)
            self._db.execute("DELETE FROM jobs WHERE id = ?", (job.id,))

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
            "  AND event IN ('add', 'enqueue', 'resume', 'restart'))",
            (job_id,),
        ).fetchone()[0]
        return int(min(saved, died))

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

    # -- what runs report ---------------------------------------------------------------------

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
