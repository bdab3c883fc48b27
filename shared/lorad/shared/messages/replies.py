"""What the daemon answers."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from lorad.shared.jobs import Gpu, Group, Host, Job
from lorad.shared.messages.base import Message
from lorad.shared.messages.carried import (
    Column,
    DaemonInfo,
    FileInfo,
    Happening,
    LogLine,
    Mark,
    Note,
    Point,
    SamplePicture,
    Trouble,
    Validation,
)
from lorad.shared.metrics import Metric


class Reply(Message, frozen=True):
    """Base of all replies."""


class Welcome(Reply, frozen=True, tag="welcome"):
    """Answers `Hello`."""

    protocol: int
    daemon: DaemonInfo


class Refused(Reply, frozen=True, tag="refused"):
    """No, and why, and what to do."""

    kind: str
    """The error's class in lorad.shared.errors."""
    message: str
    exit_code: int


class Status(Reply, frozen=True, tag="status"):
    """Answers `GetStatus`."""

    daemon: DaemonInfo
    gpus: list[Gpu]
    host: Host
    jobs: list[Job]
    """In the order in which they start or started."""
    heads: dict[str, int]
    """The newest number of every stream that spoke within a minute: older events can be dropped."""
    groups: list[Group] = field(default_factory=list)
    """By name; `default` is always there."""
    draining: bool = False
    """Nothing starts; what runs goes on."""


class Added(Reply, frozen=True, tag="added"):
    """Answers `AddJob`."""

    job: Job


class Accepted(Reply, frozen=True, tag="accepted"):
    """The order is given and takes effect soon: follow the job's state."""

    job: Job


class Changed(Reply, frozen=True, tag="changed"):
    """It is done."""

    job: Job


class Removed(Reply, frozen=True, tag="removed"):
    """Answers `RemoveJob`."""

    id: int


class Groups(Reply, frozen=True, tag="groups"):
    """Answers all that changes a group, and `Drain`: how it is now."""

    groups: list[Group]
    """All of them."""
    draining: bool


class Why(Reply, frozen=True, tag="why"):
    """Answers `WhyJob`."""

    sentence: str


class RecipeText(Reply, frozen=True, tag="recipe_text"):
    """Answers `GetRecipe`."""

    recipe: str
    folder: str


class Metrics(Reply, frozen=True, tag="metrics"):
    """Answers `GetMetrics`."""

    points: list[Point]
    validations: list[Validation] = field(default_factory=list)


class Chart(Reply, frozen=True, tag="chart"):
    """Answers `GetChart`."""

    lines: dict[Metric, list[Column]] = field(default_factory=dict)
    """By what was asked for; of a figure that the run does not have, none."""


class Marks(Reply, frozen=True, tag="marks"):
    """Answers `GetMarks`."""

    marks: list[Mark]
    """In the order of their steps."""


class Samples(Reply, frozen=True, tag="samples"):
    """Answers `GetSamples`."""

    pictures: list[SamplePicture]


class Picture(Reply, frozen=True, tag="picture"):
    """Answers `GetPicture`."""

    sha256: str
    """Of the PNG on the box, whose content was checked against it."""
    form: Literal["pixels", "png"]
    width: int
    """Of what is sent: within what was asked for, and for a PNG within 4 MiB."""
    height: int
    data: bytes


class Notes(Reply, frozen=True, tag="notes"):
    """Answers `GetNotes`."""

    notes: list[Note]
    """Oldest first."""


class Log(Reply, frozen=True, tag="log"):
    """Answers `GetLog`."""

    offset: int
    """Where the text begins."""
    next: int
    """Where to go on."""
    text: str


class Batched(Reply, frozen=True, tag="batched"):
    """Answers `Batch`: one reply for each request."""

    replies: list[Added | Accepted | Changed | Removed]


class Undoable(Reply, frozen=True, tag="undoable"):
    """Answers `GetUndo`."""

    number: int
    """0: there is nothing."""
    said: str
    """What was done, in a sentence."""
    actor: str
    time: float


class Undone(Reply, frozen=True, tag="undone"):
    """Answers `Undo`."""

    said: str
    """What was taken back, in a sentence."""
    jobs: list[Job]
    """As they are now; without those that are gone with it."""


class LogLines(Reply, frozen=True, tag="log_lines"):
    """Answers `GetLogLines`: the lines that fit, of those that begin within a part of the log.

    The last line of all may have no end yet; it is told, and `end` is where it begins.
    """

    lines: list[LogLine]
    """Oldest first."""
    begin: int
    """Where the part begins, in bytes: go on from here backwards."""
    end: int
    """Where it ends: go on from here."""
    size: int
    """Of the whole log."""


class Health(Reply, frozen=True, tag="health"):
    """Answers `GetHealth`."""

    daemon: DaemonInfo
    uptime_seconds: float
    memory_bytes: int
    cpu_percent: float
    """Of one core, since the last time that somebody asked."""
    database_bytes: int
    """With what is not yet merged into it."""
    events_per_second: float
    """Published, over the last seconds."""
    beat_late_seconds: float
    """How much later than due the newest beat was: what held the loop up."""
    clients: list[str]
    """Who asked for something within a minute, by name."""
    watchers: int
    """Who listens to the events."""
    unsettled: int
    """Runs that are gone and whose end could not be stored yet."""
    troubles: list[Trouble]
    """The newest that were logged, oldest first."""


class ShuttingDown(Reply, frozen=True, tag="shutting_down"):
    """Answers `ShutDown`; the daemon goes when its runs have saved."""

    pausing: list[int]


class Happenings(Reply, frozen=True, tag="happenings"):
    """Answers `GetNews`."""

    happenings: list[Happening]
    """Oldest first."""
    head: int
    """The newest number there is."""
    steps: int = 0
    """Steps that all runs took from `since` on; 0 where no time was asked for."""


class Files(Reply, frozen=True, tag="files"):
    """Answers `ListFiles`."""

    folder: str
    files: list[FileInfo]
    """By name; 10,000 at most."""


class FilePiece(Reply, frozen=True, tag="file_piece"):
    """Answers `GetFile`."""

    file: FileInfo
    """As it is now: a file that changed meanwhile has another size or time."""
    offset: int
    data: bytes


class FileHash(Reply, frozen=True, tag="file_hash"):
    """Answers `HashFile`."""

    file: FileInfo
    sha256: str
    """In hexadecimal digits; empty while it is being computed."""


AnyReply = (
    Welcome
    | Refused
    | Status
    | Added
    | Accepted
    | Changed
    | Removed
    | Groups
    | Why
    | RecipeText
    | Metrics
    | Chart
    | Marks
    | Samples
    | Picture
    | Notes
    | Log
    | Batched
    | Undoable
    | Undone
    | LogLines
    | Health
    | ShuttingDown
    | Happenings
    | Files
    | FilePiece
    | FileHash
)
