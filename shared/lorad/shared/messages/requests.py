"""What clients ask the daemon to do; each is answered by one reply."""

from __future__ import annotations

from msgspec import field

from lorad.shared.jobs import DEFAULT_GROUP, AfterReboot, OnFailure
from lorad.shared.messages.base import JobRequest, Request
from lorad.shared.messages.questions import (
    GetChart,
    GetFile,
    GetHealth,
    GetLog,
    GetLogLines,
    GetMarks,
    GetMetrics,
    GetNews,
    GetNotes,
    GetPicture,
    GetRecipe,
    GetSamples,
    GetStatus,
    GetUndo,
    HashFile,
    Hello,
    ListFiles,
    WhyJob,
)


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
    after_reboot: AfterReboot = "resume"
    """Whether it goes on by itself when the machine was started again under it."""


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
    after_reboot: AfterReboot | None = None


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


class CopyJob(JobRequest, frozen=True, tag="copy_job"):
    """Queue its recipe again as a new job, with its changes and others."""

    changes: dict[str, str] = field(default_factory=dict)
    """Any keys, also those that a job's own recipe keeps; values as TOML."""
    name: str = ""
    """Empty: the job's own with a number behind it."""
    stash: bool = False
    priority: int = 0


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
