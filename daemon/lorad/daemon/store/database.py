"""The SQLite file: opened, brought up to date, and changed in transactions."""

from __future__ import annotations

import errno
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from lorad.daemon.disk import sync
from lorad.shared import failpoints
from lorad.shared.errors import StoreBusy, StoreFull, StoreReadable, StoreUnreadable

log = logging.getLogger(__name__)
VERSION = 4
"""`schema.sql` is version 1; `schema_<n>.sql` makes version n of the one before."""

PASSING = (
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
)  # fmt: skip
"""What says nothing of the file itself: a full disk must not have a sound queue put aside."""
KEYED = ("attempts", "edited")
"""Small tables whose rows belong to others. The runs' figures do too, and there are millions."""


class Database:
    """A file in WAL mode; every change is one durable transaction."""

    def __init__(self, path: Path | str) -> None:
        """Open or create; `:memory:` is the double for tests.

        Raises:
            StoreUnreadable: the file is no healthy database of a version known here.
            StoreFull, StoreBusy: there is nothing wrong with it, but it cannot be opened now.
        """
        self._path = path
        self._effects: list[Callable[[], object]] = []
        self._regrets: list[Callable[[], object]] = []
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._look()
            self._prepare()
        except StoreUnreadable:
            self._db.close()
            raise
        except (sqlite3.DatabaseError, OSError) as error:
            if hasattr(self, "_db"):
                self._db.close()
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if isinstance(error, OSError) or code in PASSING:
                raise self._translated(error) from error
            raise StoreUnreadable(path=path, why=error) from error

    def _look(self) -> None:
        """Refuse what is not ours while it is untouched: WAL mode is written into the file.

        Raises:
            StoreUnreadable: it is another program's, or a later lorad's.
        """
        version = self._version()
        if version > VERSION:
            why = f"it is of version {version}, this lorad knows version {VERSION}"
            raise StoreUnreadable(path=self._path, why=why)
        if version == 0 and not self._is_empty():
            raise StoreUnreadable(path=self._path, why="it is the database of another program")
        check = self._db.execute("PRAGMA quick_check").fetchone()[0]
        if check != "ok":
            raise StoreUnreadable(path=self._path, why=" ".join(str(check).split()))

    def _is_empty(self) -> bool:
        return bool(self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0)

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("PRAGMA busy_timeout = 2000")
        if self._is_empty():
            self._run_script("schema.sql")
        elif (old := self._version()) < VERSION:
            self._copy(Path(f"{self._path}.v{old}"))
        for version in range(self._version() + 1, VERSION + 1):
            self._run_script(f"schema_{version}.sql")
        self._look_for_strays()

    def _look_for_strays(self) -> None:
        """Rows of no job harm nobody, but say that somebody else wrote here."""
        for table in KEYED:
            found = self._db.execute(f"PRAGMA foreign_key_check({table})").fetchall()
            if found:
                log.warning("%d rows of the table %s in %s belong to no job", len(found), table,
                            self._path)  # fmt: skip

    def _copy(self, path: Path) -> None:
        """The whole queue as it was, for whoever goes back to the earlier lorad."""
        making = path.with_name(f"{path.name}.making")
        making.unlink(missing_ok=True)
        self._db.execute("VACUUM INTO ?", (str(making),))
        sync(making)  # SQLite leaves that to whoever wants a copy that outlives a power cut
        making.rename(path)
        sync(path.parent)

    def _run_script(self, name: str) -> None:
        script = files("lorad.daemon.store").joinpath(name).read_text()
        self._db.executescript(f"BEGIN; {script} COMMIT;")

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

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
            with failpoints.as_sqlite():
                failpoints.passed("store.before_commit")
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._effects.clear()
            regrets, self._regrets = self._regrets, []
            for regret in reversed(regrets):
                regret()
            if isinstance(error, sqlite3.OperationalError):
                raise self._translated(error) from error
            raise
        failpoints.passed("store.after_commit")
        self._regrets.clear()
        effects, self._effects = self._effects, []
        for effect in effects:
            _do(effect)

    def after_commit(self, effect: Callable[[], object]) -> None:
        """Do what cannot be undone (tell, steer, kill) once the change is on the disk, or never."""
        if self._db.in_transaction:
            self._effects.append(effect)
        else:
            _do(effect)

    def after_rollback(self, regret: Callable[[], object]) -> None:
        """Take back what no database does (a folder, something kept in memory), if it comes so."""
        if self._db.in_transaction:
            self._regrets.append(regret)

    def _translated(self, error: sqlite3.DatabaseError | OSError) -> StoreFull | StoreBusy:
        if "full" in str(error) or getattr(error, "errno", 0) == errno.ENOSPC:
            return StoreFull()
        return StoreBusy(why=error, path=self._path)


def _do(effect: Callable[[], object]) -> None:
    """One that fails undoes nothing, and keeps none of the others from being done."""
    try:
        effect()
    except Exception:
        log.exception("what follows a stored change could not be done")


def begin_anew(path: Path) -> Path | None:
    """Keep a queue that cannot be read aside, under a name with the date: the next one is empty.

    None where there is no queue at all.

    Raises:
        StoreReadable: it can be read; nothing was done.
    """
    if not path.exists():
        return None
    try:
        Database(path).close()
    except StoreUnreadable as error:
        log.warning("%s", error)
    else:
        raise StoreReadable(path=path)
    aside = Path(f"{path}.{time.strftime('%Y-%m-%dT%H-%M-%S')}")
    # The log and the memory of a database go by its name.
    for ending in ("-wal", "-shm", ""):
        if (file := Path(f"{path}{ending}")).exists():
            file.rename(f"{aside}{ending}")
    sync(path.parent)
    log.warning("the queue that could not be read is kept as %s", aside)
    return aside
