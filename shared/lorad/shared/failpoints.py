"""Named places at which lorad can be made to fail, for its tests and for `lorad selftest`.

`LORAD_FAILPOINT=save.after_rename:kill` ends a process with SIGKILL where it passes that place for
the first time, `…:kill@3` where it passes it for the third time; several are parted by commas. A
place fails once in a process. A fault that is to strike one process alone stands in a file,
`LORAD_FAILPOINT=@FILE`: the first process that begins takes it away with it.

Unset, passing a place is one look at a variable.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lorad.shared.errors import FailpointUnknown

VARIABLE = "LORAD_FAILPOINT"
Action = Literal["kill", "enospc", "eio", "short"]
ACTIONS: dict[str, str] = {
    "kill": "the process is gone, as by `kill -9`",
    "enospc": "half of it is written, and the disk is full",
    "eio": "the disk fails",
    "short": "half of it is written, and nobody says so",
}
Kind = Literal["place", "write", "call"]


@dataclass(frozen=True)
class Point:
    """One place."""

    told: str
    """What has happened by then."""
    kind: Kind = "place"
    """A write of a file takes every action; a call of the system all but `short`; at a place that
    writes nothing there is only `kill`."""

    @property
    def actions(self) -> tuple[str, ...]:
        """What may be made to happen there."""
        return {
            "place": ("kill",),
            "call": ("kill", "enospc", "eio"),
            "write": tuple(ACTIONS),
        }[self.kind]


def _placed(name: str, what: str) -> dict[str, Point]:
    """The two places of a file that is written aside and put in its place by a rename."""
    return {
        f"{name}.aside": Point(
            f"{what} is written aside, not flushed and not in its place", "write"
        ),
        f"{name}.placed": Point(f"{what} is in its place"),
    }


RUN: dict[str, Point] = {
    **_placed("manifest", "the list of the run's pictures"),
    **_placed("encode", "a part of the encoded pictures or captions, in the cache,"),
    "step.before_update": Point("a step's gradients are there, the weights not moved"),
    "step.after_update": Point("weights, optimiser and average have moved; nobody knows"),
    "step.counted": Point("the step counts; its figures are not told"),
    "journal.append": Point("reports are about to be written to the run's journal", "write"),
    "journal.appended": Point("reports are in the journal, not sent"),
    **_placed("preview", "a sample picture"),
    "preview.told": Point("a sample picture is there and told"),
    "save.begun": Point("a save begins; nothing is written", "call"),
    "save.staged": Point("the folder to stage it in is there, empty", "call"),
    "save.file": Point("one more of its files is written, not flushed", "write"),
    "save.before_flush": Point("all its files are written, none is flushed", "call"),
    "save.before_manifest": Point("all its files are flushed; the manifest is missing", "call"),
    "save.manifest": Point("its manifest is written, not flushed", "write"),
    "save.before_rename": Point("all of it is on the disk, under another name", "call"),
    "save.after_rename": Point("it has its name, which is not flushed", "call"),
    "save.before_prune": Point("it is whole and read back; the older ones are there", "call"),
    "save.in_prune": Point("an older one is out of sight, its files are not removed"),
    "save.before_told": Point("all is saved, also the files for people; nobody is told"),
    "save.told": Point("it is told that it is saved"),
    **_placed("final", "a LoRA file for people"),
    **_placed("card", "the model card or its pictures"),
    **_placed("sheet", "the picture of before and after"),
    "end.untold": Point("everything is saved; the last word is not said"),
    "end.told": Point("the last word is said, perhaps not written down"),
}
"""Where a run may fail."""

DAEMON: dict[str, Point] = {
    "store.before_commit": Point("a change is made; it is not committed", "call"),
    "store.after_commit": Point("a change is on the disk; nobody is told, nothing done about it"),
    "spawn.before": Point("an attempt is stored; it has no process"),
    "spawn.after": Point("a run's process has begun; that is not stored"),
    "settle.before": Point("a run's process is gone; nothing of that is stored"),
    "settle.collected": Point("what its journal held is stored; its end is not"),
    "settle.after": Point("its end is stored; the next is not looked for"),
}
"""Where a daemon may fail."""

POINTS: dict[str, Point] = RUN | DAEMON
"""All of them, by name."""


@dataclass
class _Armed:
    action: str
    left: int
    """How often it is still passed before it fails; 0: it has."""


_armed: dict[str, _Armed] | None = None
WORD = re.compile(r"(?P<name>[\w.]+):(?P<action>\w+)(?:@(?P<time>[1-9]\d*))?")


def arm(text: str | None = None) -> None:
    """Make places fail as the text says, or the environment; nothing: none does.

    Raises:
        FailpointUnknown: there is no such place or fault.
    """
    global _armed
    said = os.environ.get(VARIABLE, "") if text is None else text
    if said.startswith("@"):
        said = _taken(Path(said[1:]))
    _armed = dict(_read(word.strip()) for word in said.split(",") if word.strip()) or None


def _taken(path: Path) -> str:
    """What a file says, for this process alone."""
    mine = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.rename(mine)
    except FileNotFoundError:
        return ""
    said = mine.read_text().strip()
    mine.unlink()
    return said


def _read(word: str) -> tuple[str, _Armed]:
    found = WORD.fullmatch(word)
    if found is None:
        raise FailpointUnknown(given=word, why="it is not written as NAME:ACTION or NAME:ACTION@N")
    name, action = found["name"], found["action"]
    if name not in POINTS:
        raise FailpointUnknown(given=word, why=f"there is no place {name}")
    if action not in POINTS[name].actions:
        known = ", ".join(POINTS[name].actions)
        raise FailpointUnknown(given=word, why=f"what can happen at {name} is {known}")
    return name, _Armed(action, int(found["time"] or 1))


def _due(name: str) -> str:
    """What is to happen here now, or nothing."""
    armed = (_armed or {}).get(name)
    if armed is None or armed.left == 0:
        return ""
    armed.left -= 1
    return armed.action if armed.left == 0 else ""


def passed(name: str) -> None:
    """Somebody gets to this place.

    Raises:
        OSError: it was asked for.
    """
    if _armed is not None:
        _fail(_due(name))


def wrote(name: str, path: Path) -> None:
    """Somebody wrote this file, and gets to this place.

    Raises:
        OSError: it was asked for.
    """
    if _armed is not None and (action := _due(name)):
        if action in ("enospc", "short"):
            os.truncate(path, path.stat().st_size // 2)
        _fail(action)


def taken(name: str, data: bytes) -> bytes:
    """What a file that is open takes of these bytes: all of them, unless it is to take less.

    Raises:
        OSError: it was asked for.
    """
    if _armed is None:
        return data
    action = _due(name)
    if action == "short":
        return data[: len(data) // 2]
    _fail(action)
    return data


@contextlib.contextmanager
def as_sqlite() -> Iterator[None]:
    """A fault of the disk in the words of SQLite."""
    try:
        yield
    except OSError as error:
        full = error.errno == errno.ENOSPC
        words = "database or disk is full" if full else "disk I/O error"
        raise sqlite3.OperationalError(words) from error


def _fail(action: str) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
        signal.pause()  # it is delivered before this line, or while it waits here
    if action == "enospc":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if action == "eio":
        raise OSError(errno.EIO, os.strerror(errno.EIO))
