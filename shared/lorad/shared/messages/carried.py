"""What several messages carry."""

from __future__ import annotations

from typing import Literal

from lorad.shared.levels import Level
from lorad.shared.messages.base import Message


class Point(Message, frozen=True):
    """One training step's figures."""

    step: int
    time: float
    """Seconds since the epoch."""
    loss: float
    """NaN and infinity travel as they are; JSON writes them as null."""
    learning_rate: float
    grad_norm: float
    images_per_second: float


class Column(Message, frozen=True, array_like=True):
    """All points of a span of steps in one column of a chart, so that a spike never vanishes.

    On the wire an array of its fields in this order: a chart has thousands of them.
    """

    step: int
    """The last step in it."""
    minimum: float | None = None
    maximum: float | None = None
    last: float | None = None
    """None where no point of the span is finite."""
    smoothed: float | None = None
    nonfinite: int = 0
    """How many points are not finite."""
    at: float | None = None
    """Where its last step is on the axis that was asked for; none where that is the step."""


class SamplePicture(Message, frozen=True):
    """A picture that a run drew."""

    step: int
    index: int
    """Which prompt."""
    prompt: str
    seed: int
    sha256: str
    path: str
    """The PNG on the box."""
    width: int
    height: int
    thumb_width: int
    thumb_height: int
    thumb: bytes
    """zlib-deflated raw RGB, at most 8 KiB."""


class Validation(Message, frozen=True):
    """The loss on the pictures that are held out, after a step."""

    step: int
    loss: float
    best: bool
    """Whether none before it was lower."""


NoteKind = Literal[
    "plan", "nonfinite", "rollback", "changed", "inexact", "stopped_early",
]  # fmt: skip
"""Another way to fit the memory; a loss that is no number; back to a checkpoint; a change of the
recipe that it took up; no longer bit for bit; no better validation loss for too long."""


class Note(Message, frozen=True):
    """Something that happened to a run."""

    step: int
    kind: NoteKind
    text: str
    """One sentence."""
    time: float
    """When the daemon heard of it, in seconds since the epoch."""


class LogLine(Message, frozen=True):
    """One line of a log."""

    offset: int
    """Where it begins, in bytes."""
    text: str
    """As it was printed, cut to 1000 characters."""
    level: Level


class Trouble(Message, frozen=True):
    """What the daemon logged as a warning or worse."""

    time: float
    level: Level
    text: str


MarkKind = NoteKind | Literal["saved", "sample", "paused", "resumed", "died", "failed"]
"""What a note is about; a checkpoint; pictures; the run's own ends and beginnings."""


class Mark(Message, frozen=True):
    """Something on a job's curves."""

    step: int
    kind: MarkKind
    text: str = ""
    """One sentence, where there is more to say than its kind."""


class DaemonInfo(Message, frozen=True):
    """The daemon about itself."""

    version: str
    pid: int
    started: float
    epoch: str
    """Random, new at each start: another epoch is another daemon."""
    home: str
    hostname: str


class Happening(Message, frozen=True):
    """One line of the daemon's log of what happened, kept for good."""

    number: int
    """Counts up, over all jobs and daemons of one database."""
    time: float
    """Seconds since the epoch, by the box's clock."""
    id: int
    """The job; 0: the daemon itself."""
    name: str
    """The job's; empty once nothing of it is kept."""
    before: str
    """Its state before, and after: the same where only something happened to it, empty before it
    was added and after it was removed."""
    after: str
    event: str
    """A verb, what a run or the daemon saw, or a note's kind."""
    text: str
    """Why, or what, in one sentence; may be empty."""
    actor: str
    """Who: a client as it called itself in `Hello`, `scheduler`, `run` or `daemon`."""


class FileInfo(Message, frozen=True):
    """One file of a job's folder."""

    name: str
    """Its path below the folder, with slashes."""
    size: int
    """Bytes."""
    modified_ns: int
    """Nanoseconds since the epoch: with the size it tells whether the file is still the same."""
