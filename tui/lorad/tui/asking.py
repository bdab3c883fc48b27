"""Questions that are under way: several at a time, so that a key never waits for a long answer."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from lorad.shared.client import Client
from lorad.shared.errors import CannotBeSent, DaemonSilent, RequestRefused
from lorad.shared.messages import AnyReply, AnyRequest, Refused

FILLS = 2
"""Pieces of what is missing that may be under way; a key's answer waits for these at most."""
PIECE_SECONDS = 0.25
"""How long one should take on the line, however slow it is."""
UNKNOWN_ROOM = 8 * 1024
"""Bytes of the first pieces over a link that nobody has measured yet."""
MEASURED = 2048
"""Bytes of an answer that says something about the line."""

Done = Callable[[AnyReply], object]
Refusal = Callable[[RequestRefused], object]


@dataclass
class Pace:
    """How much fits through in the time that a person waits."""

    room: int
    """Bytes that a piece may have."""
    most: int = 1 << 20
    least: int = 2048
    trip: float = field(default=float("inf"))
    """The shortest time from a question to its answer, in seconds."""

    def note(self, size: int, seconds: float) -> None:
        """An answer of so many bytes took so long."""
        self.trip = min(self.trip, seconds)
        if size >= MEASURED:
            on_the_line = max(seconds - self.trip, 0.01)
            fitting = int(size / on_the_line * PIECE_SECONDS)
            # Half way: one stall says little about a link.
            self.room = max(self.least, min(self.most, (self.room + fitting) // 2))


@dataclass
class Command:
    """What a person asked for, until it is answered: asked again over the next connection."""

    request: AnyRequest
    epoch: str
    """The daemon that was meant: the next one must not do it."""
    at: float
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass
class _Question:
    done: Done
    refused: Refusal
    at: float
    fill: bool


class Asking:
    """The questions of one conversation."""

    def __init__(self, client: Client, pace: Pace) -> None:
        """`client` has been greeted; from here on nobody else asks with it."""
        self._client = client
        self._pace = pace
        self._open: dict[str, _Question] = {}

    @property
    def may_fill(self) -> bool:
        """Whether another piece may be asked for."""
        return sum(question.fill for question in self._open.values()) < FILLS

    def command(self, command: Command, done: Done, refused: Refusal) -> None:
        """Ask for what a person wants."""
        self._open[command.id] = _Question(done, refused, time.monotonic(), fill=False)
        try:
            self._client.send(command.request, command.id, command.epoch)
        except CannotBeSent as error:  # not over the next connection either
            del self._open[command.id]
            refused(RequestRefused(type(error).__name__, str(error), error.exit_code))

    def fill(self, request: AnyRequest, done: Done, refused: Refusal) -> None:
        """Ask for a piece of what is missing."""
        id = uuid.uuid4().hex
        self._open[id] = _Question(done, refused, time.monotonic(), fill=True)
        self._client.send(request, id, "")

    def take(self) -> None:
        """Pass on the answers that have arrived."""
        for answer in self._client.answers():
            question = self._open.pop(answer.id, None)
            if question is None:
                continue
            self._pace.note(answer.size, time.monotonic() - question.at)
            if isinstance(answer.reply, Refused):
                reply = answer.reply
                question.refused(RequestRefused(reply.kind, reply.message, reply.exit_code))
            else:
                question.done(answer.reply)

    def check(self, patience: float) -> None:
        """Whether somebody still answers.

        Raises:
            DaemonSilent: a question waits for too long.
        """
        oldest = min((question.at for question in self._open.values()), default=None)
        if oldest is not None and time.monotonic() - oldest > patience:
            self._client.home.check()
            raise DaemonSilent(seconds=patience)
