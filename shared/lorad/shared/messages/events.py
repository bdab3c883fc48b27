"""What the daemon tells whoever listens."""

from __future__ import annotations

from typing import Literal

from lorad.shared.jobs import Gpu, Group, Host, Job, Turn
from lorad.shared.messages.base import Message
from lorad.shared.messages.carried import Happening, Mark, Note, Point, SamplePicture, Validation


class Event(Message, frozen=True):
    """Base of all events."""


class JobChanged(Event, frozen=True, tag="job_changed"):
    """A job is new or another than before; stream `queue/`."""

    job: Job
    cause: str = ""
    """What happened: `pause`, `died`; empty for mere progress."""


class JobRemoved(Event, frozen=True, tag="job_removed"):
    """A job is forgotten; stream `queue/`."""

    id: int


class GroupsChanged(Event, frozen=True, tag="groups_changed"):
    """A group is new, another or gone, or the draining began or ended; stream `queue/`."""

    groups: list[Group]
    """All of them."""
    draining: bool


class TurnsChanged(Event, frozen=True, tag="turns_changed"):
    """Waiting jobs stand otherwise than before; stream `queue/`."""

    turns: dict[int, Turn]
    """By their numbers; only those that changed."""


class PointsAdded(Event, frozen=True, tag="points_added"):
    """New steps; stream `job/<id>/metrics/`."""

    id: int
    points: list[Point]


class ValidationAdded(Event, frozen=True, tag="validation_added"):
    """A look at the pictures that are held out; stream `job/<id>/metrics/`."""

    id: int
    validation: Validation


class NoteAdded(Event, frozen=True, tag="note_added"):
    """Something happened to its run; stream `job/<id>/notes/`."""

    id: int
    note: Note


class MarkAdded(Event, frozen=True, tag="mark_added"):
    """A checkpoint, or an end or beginning of a run; stream `job/<id>/notes/`.

    Notes and pictures are marks too, and have events of their own.
    """

    id: int
    mark: Mark


class SampleDrawn(Event, frozen=True, tag="sample_drawn"):
    """A new picture; stream `job/<id>/samples/`."""

    id: int
    picture: SamplePicture


class LogAppended(Event, frozen=True, tag="log_appended"):
    """The log grew; stream `job/<id>/log/`."""

    id: int
    offset: int
    """Bytes before this text, so that a gap shows."""
    next: int
    text: str


class MachineSampled(Event, frozen=True, tag="machine_sampled"):
    """The gauges; stream `machine/`."""

    gpus: list[Gpu]
    host: Host


class Beat(Event, frozen=True, tag="beat"):
    """Once a second, so that silence means trouble and a lost last event shows; `daemon/`."""

    heads: dict[str, int]


class Attached(Event, frozen=True, tag="attached"):
    """Every earlier subscription of this client is active; topic `~w/<client>/`."""


class Ending(Event, frozen=True, tag="ending"):
    """The daemon goes; `daemon/`."""

    reason: str


class Happened(Event, frozen=True, tag="happened"):
    """A line more in the log of what happened; stream `news/`."""

    happening: Happening


AnyEvent = (
    JobChanged
    | JobRemoved
    | GroupsChanged
    | TurnsChanged
    | PointsAdded
    | ValidationAdded
    | NoteAdded
    | MarkAdded
    | SampleDrawn
    | LogAppended
    | MachineSampled
    | Beat
    | Attached
    | Ending
    | Happened
)


def job_topic(job_id: int, stream: Literal["metrics", "samples", "notes", "log"]) -> str:
    """The topic of one of a job's streams. Ends in a slash: filters are byte prefixes."""
    return f"job/{job_id}/{stream}/"


QUEUE_TOPIC = "queue/"
MACHINE_TOPIC = "machine/"
DAEMON_TOPIC = "daemon/"
NEWS_TOPIC = "news/"
