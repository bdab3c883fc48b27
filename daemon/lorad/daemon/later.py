"""Answers that take a while: made in a thread or between two looks at the sockets."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from lorad.daemon.server import Peer
from lorad.shared.errors import BadRequest, LoradError
from lorad.shared.messages import AnyReply, Refused

log = logging.getLogger(__name__)

WAITING = 64
"""Questions at a time; whoever asks more is told to ask again."""


class Later(NamedTuple):
    """In place of a reply: how to make it, away from the loop."""

    work: Callable[[], AnyReply]
    too_late: LoradError
    """The answer when its turn does not come within `seconds`."""
    seconds: float


class InPieces(NamedTuple):
    """In place of a reply: what has to be read for it, a piece at a time by the loop itself."""

    ready: Callable[[], bool]
    """Read a piece; whether that was all."""
    work: Callable[[], AnyReply]


class Made(NamedTuple):
    """A reply, and whom it is for."""

    peer: Peer
    id: str
    reply: AnyReply


class _Errand(NamedTuple):
    peer: Peer
    id: str
    later: Later
    deadline: float


def refusal(error: Exception) -> Refused:
    """The answer that says why not; a fault of ours is logged."""
    if isinstance(error, OverflowError):  # a number that no column and no clock can hold
        error = BadRequest(why="a number in it is out of range")
    if isinstance(error, LoradError):
        log.info("refused: %s", error)
        kind = type(error).__name__
        return Refused(kind=kind, message=str(error), exit_code=error.exit_code)
    log.error("a request failed", exc_info=error)
    why = f"{type(error).__name__}: {error}"
    message = f"The daemon failed on this request ({why}); `lorad log --daemon` has more."
    return Refused(kind="DaemonError", message=message, exit_code=1)


class Errands:
    """The thread; it begins with the first errand and never holds the daemon's end up."""

    def __init__(self) -> None:
        self._errands: queue.Queue[_Errand] = queue.Queue(WAITING)
        self._made: queue.SimpleQueue[Made] = queue.SimpleQueue()
        self.descriptor, self._wake = os.pipe()
        """Readable when a reply was made."""
        os.set_blocking(self.descriptor, False)
        os.set_blocking(self._wake, False)
        self._thread: threading.Thread | None = None

    def take_on(self, peer: Peer, id: str, later: Later) -> None:
        """Have it made; at once refused where too many wait."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="errands", daemon=True)
            self._thread.start()
        try:
            errand = _Errand(peer, id, later, time.monotonic() + later.seconds)
            self._errands.put_nowait(errand)
        except queue.Full:
            self._bring(Made(peer, id, refusal(later.too_late)))

    def made(self) -> list[Made]:
        """The replies that are ready to be sent."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.descriptor, 4096)
        replies = []
        while not self._made.empty():
            replies.append(self._made.get())
        return replies

    def _run(self) -> None:
        while True:
            errand = self._errands.get()
            self._bring(Made(errand.peer, errand.id, _reply(errand)))

    def _bring(self, made: Made) -> None:
        self._made.put(made)
        with contextlib.suppress(BlockingIOError):  # the pipe is full of wake-ups already
            os.write(self._wake, b".")


def _reply(errand: _Errand) -> AnyReply:
    try:
        if time.monotonic() > errand.deadline:
            raise errand.later.too_late
        return errand.later.work()
    except Exception as error:
        return refusal(error)


class Piecework:
    """Replies that wait for what is being read; whoever came first is served first."""

    def __init__(self) -> None:
        self._open: deque[tuple[Peer, str, InPieces]] = deque()

    def __bool__(self) -> bool:
        """Whether there is something to read."""
        return bool(self._open)

    def take_on(self, peer: Peer, id: str, pieces: InPieces) -> None:
        """Have it made, after those that wait already."""
        self._open.append((peer, id, pieces))

    def go_on(self) -> Made | None:
        """Read a piece; the reply, where it was the last one."""
        peer, id, pieces = self._open[0]
        try:
            if not pieces.ready():
                return None
            reply = pieces.work()
        except Exception as error:
            reply = refusal(error)
        self._open.popleft()
        return Made(peer, id, reply)
