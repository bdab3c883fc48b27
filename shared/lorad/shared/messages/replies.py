"""What the daemon answers."""

from __future__ import annotations

from msgspec import field

from lorad.shared.jobs import Gpu, Group, Host, Job
from lorad.shared.messages.base import Message
from lorad.shared.messages.carried import Column, DaemonInfo, Note, Point, SamplePicture, Validation


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

    columns: list[Column]
    validations: list[Validation] = field(default_factory=list)
    """As they are, each of them."""


class Samples(Reply, frozen=True, tag="samples"):
    """Answers `GetSamples`."""

    pictures: list[SamplePicture]


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


class ShuttingDown(Reply, frozen=True, tag="shutting_down"):
    """Answers `ShutDown`; the daemon goes when its runs have saved."""

    pausing: list[int]


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
    | Samples
    | Notes
    | Log
    | ShuttingDown
)
