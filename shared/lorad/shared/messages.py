"""What daemon, clients and runs say to each other: closed unions of frozen structs.

Control (DEALER to ROUTER): a `Request` is answered by one `Reply`. Events (XPUB to SUB): an
`Event` on a topic. Runs (DEALER to ROUTER): a `Report` up, an `Order` down. docs/protocol.md has
one table a message.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from lorad.shared.jobs import Gpu, Host, Job
from lorad.shared.recipe import Recipe

PROTOCOL = 1
"""Counts up when a message changes so that an older peer would misread it."""


class Message(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all messages."""


# -- things that messages carry ---------------------------------------------------------------


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


class Column(Message, frozen=True):
    """All points of a span of steps in one column of a chart, so that a spike never vanishes."""

    step: int
    """The last step in it."""
    minimum: float | None
    maximum: float | None
    last: float | None
    """None where no point of the span is finite."""
    smoothed: float | None
    nonfinite: int = 0
    """How many points are not finite."""


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


class DaemonInfo(Message, frozen=True):
    """The daemon about itself."""

    version: str
    pid: int
    started: float
    epoch: str
    """Random, new at each start: another epoch is another daemon."""
    home: str
    hostname: str


# -- requests ---------------------------------------------------------------------------------


class Request(Message, frozen=True):
    """Base of all requests."""


class Hello(Request, frozen=True, tag="hello"):
    """Opens a conversation."""

    protocol_min: int
    protocol_max: int
    client: str
    """Program and version, for the log."""


class GetStatus(Request, frozen=True, tag="get_status"):
    """The daemon, the machine and the whole queue."""


class AddJob(Request, frozen=True, tag="add_job"):
    """Queue a recipe."""

    recipe: str
    """The file's text."""
    folder: str
    """The recipe's folder, absolute: its relative paths start there."""
    stash: bool = False
    priority: int = 0


class JobRequest(Request, frozen=True):
    """Base of all that concern one job."""

    id: int


class WhyJob(JobRequest, frozen=True, tag="why_job"):
    """In one sentence: why it waits, or what it does."""


class PauseJob(JobRequest, frozen=True, tag="pause_job"):
    """Checkpoint and leave the device."""


class ResumeJob(JobRequest, frozen=True, tag="resume_job"):
    """Back into the queue, to go on from the checkpoint."""


class CancelJob(JobRequest, frozen=True, tag="cancel_job"):
    """Save what there is and end it."""

    force: bool = False
    """Kill the process at once; the last checkpoint is what remains."""


class RestartJob(JobRequest, frozen=True, tag="restart_job"):
    """Back into the queue, to train from the first step."""


class StashJob(JobRequest, frozen=True, tag="stash_job"):
    """Keep it out of the queue."""


class EnqueueJob(JobRequest, frozen=True, tag="enqueue_job"):
    """Back into the queue."""


class MoveJob(JobRequest, frozen=True, tag="move_job"):
    """Change its place in the queue."""

    to: int
    """Its new place among the waiting jobs; 1 is the front."""


class SetPriority(JobRequest, frozen=True, tag="set_priority"):
    """Higher starts first."""

    priority: int


class RemoveJob(JobRequest, frozen=True, tag="remove_job"):
    """Forget the job; its output folder stays."""


class GetRecipe(JobRequest, frozen=True, tag="get_recipe"):
    """The frozen recipe's text."""


class GetMetrics(JobRequest, frozen=True, tag="get_metrics"):
    """Points after a step."""

    after: int = 0
    limit: int = 5000


class GetChart(JobRequest, frozen=True, tag="get_chart"):
    """The loss curve, drawn together to a width."""

    width: int
    """Columns wanted, 1..2000."""


class GetSamples(JobRequest, frozen=True, tag="get_samples"):
    """The pictures so far; all, or those of the newest step alone."""

    newest: bool = False


class GetLog(JobRequest, frozen=True, tag="get_log"):
    """A piece of the log. Job 0 is the daemon itself."""

    offset: int
    """In bytes; negative: that many from the end."""
    limit: int = 65536


class ShutDown(Request, frozen=True, tag="shut_down"):
    """End the daemon: running jobs are paused and resumed by the next one."""

    leave_runs: bool = False
    """Let them train on; the next daemon takes them over."""


AnyRequest = (
    Hello
    | GetStatus
    | AddJob
    | WhyJob
    | PauseJob
    | ResumeJob
    | CancelJob
    | RestartJob
    | StashJob
    | EnqueueJob
    | MoveJob
    | SetPriority
    | RemoveJob
    | GetRecipe
    | GetMetrics
    | GetChart
    | GetSamples
    | GetLog
    | ShutDown
)

# -- replies ----------------------------------------------------------------------------------


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


class Chart(Reply, frozen=True, tag="chart"):
    """Answers `GetChart`."""

    columns: list[Column]


class Samples(Reply, frozen=True, tag="samples"):
    """Answers `GetSamples`."""

    pictures: list[SamplePicture]


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
    | Why
    | RecipeText
    | Metrics
    | Chart
    | Samples
    | Log
    | ShuttingDown
)

# -- events -----------------------------------------------------------------------------------


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


class PointsAdded(Event, frozen=True, tag="points_added"):
    """New steps; stream `job/<id>/metrics/`."""

    id: int
    points: list[Point]


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


AnyEvent = (
    JobChanged
    | JobRemoved
    | PointsAdded
    | SampleDrawn
    | LogAppended
    | MachineSampled
    | Beat
    | Attached
    | Ending
)


def job_topic(job_id: int, stream: Literal["metrics", "samples", "log"]) -> str:
    """The topic of one of a job's streams. Ends in a slash: filters are byte prefixes."""
    return f"job/{job_id}/{stream}/"


QUEUE_TOPIC = "queue/"
MACHINE_TOPIC = "machine/"
DAEMON_TOPIC = "daemon/"


# -- runs -------------------------------------------------------------------------------------

# A report is numbered by its run and kept in the run's journal until the daemon acknowledged it,
# so none is lost when the daemon is away, and none counts twice.


class Report(Message, frozen=True):
    """Base of what a run reports."""


class PhaseReport(Report, frozen=True, tag="phase"):
    """What it does now: `loading the model`. Empty: it trains."""

    phase: str


class ReadyReport(Report, frozen=True, tag="ready"):
    """All is loaded, the next step is this one."""

    step: int


class PointReport(Report, frozen=True, tag="point"):
    """A step was taken."""

    point: Point


class SampleReport(Report, frozen=True, tag="sample"):
    """A picture was drawn."""

    picture: SamplePicture


class SavedReport(Report, frozen=True, tag="saved"):
    """A checkpoint is whole and on the disk."""

    step: int


class FinishReport(Report, frozen=True, tag="finish"):
    """All steps taken; the last files are being written."""


class EndReport(Report, frozen=True, tag="end"):
    """The run's last word."""

    outcome: Literal["done", "failed", "left", "yielded"]
    reason: str = ""
    """One sentence, for `failed` and `left`."""


AnyReport = (
    PhaseReport | ReadyReport | PointReport | SampleReport | SavedReport | FinishReport | EndReport
)


class RunHello(Message, frozen=True, tag="run_hello"):
    """A run's first word to each daemon that it meets."""

    id: int
    token: str
    attempt: int


class Reports(Message, frozen=True, tag="reports"):
    """A batch of reports."""

    first: int
    """The number of the first; the others follow on."""
    reports: list[AnyReport]


FromRun = RunHello | Reports


class Assignment(Message, frozen=True, tag="assignment"):
    """What to train."""

    id: int
    recipe: Recipe
    recipe_folder: str
    folder: str
    """Where the output goes."""
    cache: str
    fresh: bool
    """Begin at step 0 even if there are checkpoints."""


class RunWelcome(Message, frozen=True, tag="run_welcome"):
    """Answers `RunHello`."""

    acknowledged: int
    """The newest report that is stored; send from the next."""
    wanted: Literal["run", "pause", "cancel"]
    assignment: Assignment


class Acknowledged(Message, frozen=True, tag="acknowledged"):
    """All reports up to this one are stored."""

    number: int


class Steer(Message, frozen=True, tag="steer"):
    """What somebody wants of the run now."""

    wanted: Literal["run", "pause", "cancel"]


ToRun = RunWelcome | Acknowledged | Steer
