"""Logs piece by piece: from the daemon or from a file, as text or as JSON."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Protocol

from lorad.shared.clean import clean
from lorad.shared.client import Client
from lorad.shared.jobs import Job
from lorad.shared.levels import LEVELS, Level, fits, level_of
from lorad.shared.messages import GetLog, LogAppended, job_topic
from lorad.tui.commands._arguments import print_document

TAIL_BYTES = 64 * 1024
"""The first guess at where the last lines begin."""
POLL_SECONDS = 0.25
DAEMON_POLL_SECONDS = 1.0
LINE_LIMIT = 4096


class Piece(NamedTuple):
    """Some text and where it stands in the log, in bytes."""

    offset: int
    next: int
    text: str


def job_pieces(daemon: Client, job_id: int, lines: int | None, follow: bool) -> Iterator[Piece]:
    """What a job's run printed; with `follow` until the job ends."""
    at = 0
    for piece in _tail(daemon, job_id, lines) if lines else _from(daemon, job_id, 0):
        at = piece.next
        yield piece
    if not follow:
        return
    yield from _added(daemon, job_id, at)


def _added(daemon: Client, job_id: int, at: int) -> Iterator[Piece]:
    """What is printed from there on, until the job ends."""
    for heard in daemon.follow(job_id, job_topic(job_id, "log")):
        event = None if isinstance(heard, Job) else heard.event
        if isinstance(event, LogAppended) and event.offset == at:
            at = event.next
            yield Piece(event.offset, event.next, event.text)
        elif isinstance(event, LogAppended) and event.next > at:
            for piece in _from(daemon, job_id, at):
                at = piece.next
                yield piece
    yield from _from(daemon, job_id, at)


def daemon_pieces(daemon: Client, lines: int | None, follow: bool) -> Iterator[Piece]:
    """What the daemon itself says, asked of it: its file is on another box."""
    at = 0
    for piece in _tail(daemon, 0, lines) if lines else _from(daemon, 0, 0):
        at = piece.next
        yield piece
    if follow:
        yield from _said_later(daemon, at)


def _said_later(daemon: Client, at: int) -> Iterator[Piece]:
    """What the daemon says from there on, for ever."""
    while True:
        time.sleep(DAEMON_POLL_SECONDS)
        at = yield from _from(daemon, 0, at)


def _from(daemon: Client, job_id: int, offset: int) -> Generator[Piece, None, int]:
    """All from there to the end; where that is.

    All from the beginning where the log is shorter: the daemon began another file.
    """
    while True:
        reply = daemon.ask(GetLog(id=job_id, offset=offset))
        if reply.offset < offset:
            offset = 0
            continue
        if reply.next <= reply.offset:
            return offset
        yield Piece(reply.offset, reply.next, reply.text)
        offset = reply.next


def _tail(daemon: Client, job_id: int, lines: int) -> Iterator[Piece]:
    """The last lines: looks further back until there are enough."""
    size = TAIL_BYTES
    while True:
        first = daemon.ask(GetLog(id=job_id, offset=-size))
        pieces = [Piece(first.offset, first.next, first.text)]
        pieces += _from(daemon, job_id, first.next) if first.next > first.offset else []
        text = "".join(piece.text for piece in pieces)
        if first.offset == 0 or text.count("\n") > lines:
            yield Piece(first.offset, pieces[-1].next, last_lines(text, lines))
            return
        size *= 4


def last_lines(text: str, lines: int) -> str:
    """The last lines of a text."""
    *whole, rest = text.split("\n")  # a progress bar's carriage returns begin no line
    found = [*(f"{line}\n" for line in whole), *([rest] if rest else [])]
    return "".join(found[-lines:])


def file_pieces(path: Path, lines: int | None, follow: bool, at: int = 0) -> Iterator[Piece]:
    """A log in a file; with `follow` for ever."""
    while True:
        size = path.stat().st_size
        if size < at:
            at = 0  # somebody emptied it
        if size > at:
            with path.open("rb") as file:
                file.seek(at)
                data = file.read()
            text = data.decode(errors="replace")
            yield Piece(at, at + len(data), last_lines(text, lines) if lines and not at else text)
            at += len(data)
        if not follow:
            return
        time.sleep(POLL_SECONDS)


class Pieces(NamedTuple):
    """A log: what it holds, and what is added to it from a place on."""

    so_far: Callable[[], Iterator[Piece]]
    added: Callable[[int], Iterator[Piece]]


def of_job(daemon: Client, job_id: int, follow: bool) -> Pieces:
    """A job's; added to until the job ends."""
    return Pieces(
        lambda: _from(daemon, job_id, 0),
        lambda at: _added(daemon, job_id, at) if follow else iter(()),
    )


def of_daemon(daemon: Client, follow: bool) -> Pieces:
    """The daemon's own, asked of it; added to for ever."""
    return Pieces(
        lambda: _from(daemon, 0, 0),
        lambda at: _said_later(daemon, at) if follow else iter(()),
    )


def of_file(path: Path, follow: bool) -> Pieces:
    """A file's; added to for ever."""
    return Pieces(
        lambda: file_pieces(path, None, False),
        lambda at: file_pieces(path, None, True, at) if follow else iter(()),
    )


class Sieve(NamedTuple):
    """Which lines are wanted."""

    level: Level
    find: str

    def __bool__(self) -> bool:
        """Whether any are not."""
        return self != Sieve("info", "")


class Lines:
    """Whole lines out of pieces: the begun one waits in parts, and is put together once."""

    def __init__(self) -> None:
        """No line is begun."""
        self._parts: list[str] = []

    def take(self, text: str) -> list[str]:
        """The lines that end in this text."""
        first, *more = text.split("\n")
        self._parts.append(first)
        if not more:
            return []
        lines = ["".join(self._parts), *more]
        self._parts = [lines.pop()]
        return lines

    @property
    def rest(self) -> str:
        """The begun line."""
        return "".join(self._parts)


def sifted(pieces: Iterable[Piece], sieve: Sieve, lines: int | None = None) -> Iterator[Piece]:
    """The pieces with only the lines that fit; of those the last `lines`, once all is read."""
    lines_of, level, end = Lines(), LEVELS[0], 0
    newest: deque[Piece] = deque(maxlen=lines)
    for piece in pieces:
        kept = []
        for line in lines_of.take(piece.text):
            level = level_of(line[:LINE_LIMIT], level)
            if fits(line, level, sieve.level, sieve.find):
                kept.append(f"{line}\n")
        if lines is None:
            yield Piece(piece.offset, piece.next, "".join(kept))
        else:
            newest.extend(Piece(piece.offset, piece.next, line) for line in kept)
        end = piece.next
    rest = lines_of.rest
    if rest and fits(rest, level_of(rest[:LINE_LIMIT], level), sieve.level, sieve.find):
        newest.append(Piece(end, end, rest))
    yield from newest


def only(pieces: Pieces, sieve: Sieve, lines: int | None) -> Iterator[Piece]:
    """What there is and what is added, with only the lines that fit; `lines` of the first."""
    end = 0

    def so_far() -> Iterator[Piece]:
        nonlocal end
        for piece in pieces.so_far():
            end = piece.next
            yield piece

    def later() -> Iterator[Piece]:
        yield from pieces.added(end)  # not asked before `end` is known

    if lines is None:
        yield from sifted(chain(so_far(), later()), sieve)
    else:
        yield from sifted(so_far(), sieve, lines)
        yield from sifted(later(), sieve)


class Printer(Protocol):
    """Writes pieces to stdout."""

    def write(self, piece: Piece) -> None:
        """One more."""

    def end(self) -> None:
        """That was all."""


class Text:
    """Lines, with nothing in them that a terminal would obey."""

    def __init__(self) -> None:
        self.lines = Lines()

    def write(self, piece: Piece) -> None:
        """Whole lines at once; the begun one waits for its end."""
        for line in self.lines.take(piece.text):
            print(clean(line, LINE_LIMIT))
        print(end="", flush=True)

    def end(self) -> None:
        """The line that has no end."""
        if rest := self.lines.rest:
            print(clean(rest, LINE_LIMIT))


class Json:
    """One document; or, with `lines`, one a piece and a line."""

    def __init__(self, job_id: int, lines: bool) -> None:
        self.job_id, self.lines = job_id, lines
        self.pieces: list[Piece] = []

    def write(self, piece: Piece) -> None:
        """Print it or keep it."""
        if self.lines:
            self._print([piece])
        else:
            self.pieces.append(piece)

    def end(self) -> None:
        """Print what was kept."""
        if not self.lines:
            self._print(self.pieces or [Piece(0, 0, "")])

    def _print(self, pieces: list[Piece]) -> None:
        text = "".join(piece.text for piece in pieces)
        first, last = pieces[0].offset, pieces[-1].next
        indent = None if self.lines else 2
        print_document(indent=indent, id=self.job_id, offset=first, next=last, text=text)
        print(end="", flush=True)
