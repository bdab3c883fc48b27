"""What clients ask the daemon for; each is answered by one reply."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from lorad.shared.jobs import DEFAULT_GROUP, OnFailure
from lorad.shared.levels import Level
from lorad.shared.messages.base import Message
from lorad.shared.metrics import Axis, Metric


class Request(Message, frozen=True):
    """Base of all requests."""


class Hello(Request, frozen=True, tag="hello"):
    """Opens a conversation."""

    protocol_min: int
    protocol_max: int
    client: str
    """Program, user and host, such as `lorad anna@box`: who it was that changed something."""


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
    group: str = DEFAULT_GROUP
    after: tuple[int, ...] = ()
    """Jobs that must be done before it starts."""
    start_after: float | None = None
    """Not before this time, in seconds since the epoch."""
    gpus: tuple[str, ...] = ()
    """The cards that it may have: indices, UUIDs or their beginnings; none: any of its group's."""
    retries: int = 0
    """How often it is tried again by itself after it failed."""


class JobRequest(Request, frozen=True):
    """Base of all that concern one job."""

    id: int


class WhyJob(JobRequest, frozen=True, tag="why_job"):
    """In one sentence: why it waits, or what it does."""


class PauseJob(JobRequest, frozen=True, tag="pause_job"):
    """Checkpoint and leave the device."""


class HoldJob(JobRequest, frozen=True, tag="hold_job"):
    """Wait between two steps and keep the device."""


class ResumeJob(JobRequest, frozen=True, tag="resume_job"):
    """Let it go on: a held one at once, any other when it is its turn, from its checkpoint."""


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


class UpdateJob(JobRequest, frozen=True, tag="update_job"):
    """Change what it waits for and where it may run; what is none stays as it is."""

    group: str | None = None
    after: tuple[int, ...] | None = None
    start_after: float | None = None
    """Seconds since the epoch; 0: at once."""
    gpus: tuple[str, ...] | None = None
    """As in `AddJob`."""
    retries: int | None = None


class SetJob(JobRequest, frozen=True, tag="set_job"):
    """Change some of its recipe, also while it runs: from the next step on."""

    changes: dict[str, str]
    """Keys as in the recipe, with or without their table; values as TOML."""


class SampleJob(JobRequest, frozen=True, tag="sample_job"):
    """Draw its prompts after this step."""


class SaveJob(JobRequest, frozen=True, tag="save_job"):
    """Write a checkpoint and the LoRA files after this step."""


class RemoveJob(JobRequest, frozen=True, tag="remove_job"):
    """Forget the job; its output folder stays."""


class AddGroup(Request, frozen=True, tag="add_group"):
    """A new group."""

    name: str
    slots: int = 0
    """How many of its jobs may run at once; 0: as many as there are cards for them."""
    gpus: tuple[str, ...] = ()
    """Its cards: indices, UUIDs or their beginnings; none: all of the box."""
    on_failure: OnFailure = "continue"


class SetGroup(Request, frozen=True, tag="set_group"):
    """Another shape for a group; what is none stays as it is."""

    name: str
    slots: int | None = None
    gpus: tuple[str, ...] | None = None
    on_failure: OnFailure | None = None


class RemoveGroup(Request, frozen=True, tag="remove_group"):
    """Forget a group that has no jobs."""

    name: str


class PauseGroup(Request, frozen=True, tag="pause_group"):
    """Start none of its jobs; those that run go on."""

    name: str


class ResumeGroup(Request, frozen=True, tag="resume_group"):
    """Start its jobs again."""

    name: str


class Drain(Request, frozen=True, tag="drain"):
    """Start nothing; what runs goes on. A daemon that comes back drains on."""

    end: bool = False
    """Start jobs again."""


class GetRecipe(JobRequest, frozen=True, tag="get_recipe"):
    """The recipe's text, with what was changed since it was added."""


class GetMetrics(JobRequest, frozen=True, tag="get_metrics"):
    """Points and validations after a step."""

    after: int = 0
    limit: int = 5000


class GetChart(JobRequest, frozen=True, tag="get_chart"):
    """Curves, drawn together to a width."""

    width: int
    """Columns wanted, 1..2000."""
    metrics: list[Metric] = field(default_factory=lambda: list[Metric](["loss"]))
    first: float | None = None
    """Where the window begins and ends, on the axis; none: with the run."""
    last: float | None = None
    axis: Axis = "step"
    smoothing: float | None = None
    """The reach of the smoothed line, as a share of the run; none: what suits most, 0: no line."""


class GetMarks(JobRequest, frozen=True, tag="get_marks"):
    """What happened on its curves: checkpoints, pictures, notes, pauses; the newest."""


class GetSamples(JobRequest, frozen=True, tag="get_samples"):
    """The pictures so far; all, or those of the newest step alone."""

    newest: bool = False
    before: int | None = None
    """Only those of steps before this one, so that a slow link may ask for a few at a time."""
    limit: int = 1000
    """The newest so many of them."""


class GetPicture(JobRequest, frozen=True, tag="get_picture"):
    """One picture as large as a viewer can show it; made aside, so other answers may come first."""

    step: int
    index: int
    """Which prompt."""
    width: int
    """At most so many pixels, 1..2048; a picture is never enlarged."""
    height: int
    form: Literal["pixels", "png"] = "pixels"
    """Raw RGB, zlib-deflated as thumbnails are; or a PNG file."""
    colours: int = 0
    """At most so many, 2..256, for a slow line; 0: all."""


class GetNotes(JobRequest, frozen=True, tag="get_notes"):
    """What happened to its runs, the newest."""

    limit: int = 100


class GetLog(JobRequest, frozen=True, tag="get_log"):
    """A piece of the log. Job 0 is the daemon itself."""

    offset: int
    """In bytes; negative: that many from the end."""
    limit: int = 65536


class CopyJob(JobRequest, frozen=True, tag="copy_job"):
    """Queue its recipe again as a new job, with its changes and others."""

    changes: dict[str, str] = field(default_factory=dict)
    """Any keys, also those that a job's own recipe keeps; values as TOML."""
    name: str = ""
    """Empty: the job's own with a number behind it."""
    stash: bool = False
    priority: int = 0


class GetUndo(Request, frozen=True, tag="get_undo"):
    """What `Undo` would take back."""


class Undo(Request, frozen=True, tag="undo"):
    """Take back the newest change of the queue."""

    number: int = 0
    """The one that is meant, as `GetUndo` answers; 0: whichever is the newest."""


OneRequest = (
    AddJob
    | PauseJob
    | HoldJob
    | ResumeJob
    | CancelJob
    | RestartJob
    | StashJob
    | EnqueueJob
    | MoveJob
    | SetPriority
    | SetJob
    | SampleJob
    | SaveJob
    | RemoveJob
    | CopyJob
    | UpdateJob
)
"""What a batch is made of."""


class Batch(Request, frozen=True, tag="batch"):
    """All of these in their order, or none."""

    requests: list[OneRequest]
    """Any that change jobs; no other batch, `Undo` or `ShutDown`."""


class GetLogLines(JobRequest, frozen=True, tag="get_log_lines"):
    """Lines of the log before or after a place in it. Job 0 is the daemon itself."""

    offset: int
    """In bytes; negative: the end."""
    back: bool = False
    """The lines before it, else those after it."""
    limit: int = 200
    """Lines wanted."""
    level: Level = "info"
    """Only those that are as bad as this."""
    find: str = ""
    """Only those with this text, in capitals or not."""


class GetHealth(Request, frozen=True, tag="get_health"):
    """How the daemon itself is."""


class GetNews(Request, frozen=True, tag="get_news"):
    """What happened: after a number, or from a time on."""

    after: int = 0
    since: float = 0.0
    """Seconds since the epoch."""
    id: int | None = None
    """Of this job alone."""
    limit: int = 500
    """The oldest of them; with `newest` the newest."""
    newest: bool = False


class ListFiles(JobRequest, frozen=True, tag="list_files"):
    """The files in its folder."""


class GetFile(JobRequest, frozen=True, tag="get_file"):
    """A piece of one of its files."""

    name: str
    offset: int
    limit: int = 1 << 18
    """At most 1 MiB."""


class HashFile(JobRequest, frozen=True, tag="hash_file"):
    """The SHA-256 of one of its files; ask again until it is known."""

    name: str


class ShutDown(Request, frozen=True, tag="shut_down"):
    """End the daemon: running jobs are paused and resumed by the next one."""

    leave_runs: bool = False
    """Let them train on; the next daemon takes them over."""


GroupRequest = AddGroup | SetGroup | RemoveGroup | PauseGroup | ResumeGroup | Drain
"""What is answered by `Groups`."""
AnyRequest = (
    Hello
    | GetStatus
    | AddJob
    | WhyJob
    | PauseJob
    | HoldJob
    | ResumeJob
    | CancelJob
    | RestartJob
    | StashJob
    | EnqueueJob
    | MoveJob
    | SetPriority
    | SetJob
    | UpdateJob
    | AddGroup
    | SetGroup
    | RemoveGroup
    | PauseGroup
    | ResumeGroup
    | Drain
    | SampleJob
    | SaveJob
    | RemoveJob
    | CopyJob
    | Batch
    | GetUndo
    | Undo
    | GetRecipe
    | GetMetrics
    | GetChart
    | GetMarks
    | GetSamples
    | GetNotes
    | GetPicture
    | GetLog
    | GetLogLines
    | GetHealth
    | GetNews
    | ListFiles
    | GetFile
    | HashFile
    | ShutDown
)

READING = (
    Hello,
    GetStatus,
    WhyJob,
    GetRecipe,
    GetMetrics,
    GetChart,
    GetMarks,
    GetSamples,
    GetPicture,
    GetNotes,
    GetLog,
    GetUndo,
    GetLogLines,
    GetHealth,
    GetNews,
    ListFiles,
    GetFile,
    HashFile,
)
"""Requests that change nothing: nothing to remember of them."""
