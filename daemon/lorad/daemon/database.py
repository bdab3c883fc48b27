"""The SQLite file: opened, brought up to date, and changed in transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from lorad.shared.errors import StoreBusy, StoreFull, StoreUnreadable

VERSION = 2
"""`schema.sql` is version 1; `schema_<n>.sql` makes version n of the one before."""


class Database:
    """A file in WAL mode; every change is one durable transaction."""

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
        if (version := self._version()) != VERSION:
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
            self._run_script("schema.sql")
        for version in range(self._version() + 1, VERSION + 1):
            self._run_script(f"schema_{version}.sql")

    def _run_script(self, name: str) -> None:
        script = files("lorad.daemon").joinpath(name).read_text()
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
