"""A job and the states of its life. Each state carries only the data that exists in it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

LORA_FILE = "pytorch_lora_weights.safetensors"
"""In a job's folder from its first checkpoint on; diffusers' own name for it."""


DEFAULT_GROUP = "default"
"""The group of whoever names none."""
OnFailure = Literal["continue", "stop"]
AfterReboot = Literal["resume", "pause"]


class Process(Struct, frozen=True, gc=False, kw_only=True):
    """The process that trains a job: pid and birth together name it for good."""

    pid: int
    birth: str
    """The kernel's boot and the clock ticks since then: a reused pid has another, and setting the
    clock does not change it."""
    gpus: tuple[str, ...] = ()
    """The UUIDs of its cards; none on a box without a GPU."""


class Stashed(Struct, frozen=True, gc=False, kw_only=True, tag="stashed"):
    """Kept out of the queue until somebody enqueues it."""


class Queued(Struct, frozen=True, gc=False, kw_only=True, tag="queued"):
    """Waits for its turn."""

    cause: str = ""
    """Why it is here again, for a job that ran before: `its run died at step 120`."""


class Starting(Struct, frozen=True, gc=False, kw_only=True, tag="starting"):
    """Its process is there and has not taken the first step yet."""

    process: Process


class Running(Struct, frozen=True, gc=False, kw_only=True, tag="running"):
    """Trains."""

    process: Process


class Held(Struct, frozen=True, gc=False, kw_only=True, tag="held"):
    """Waits between two steps and keeps its device."""

    process: Process


class Pausing(Struct, frozen=True, gc=False, kw_only=True, tag="pausing"):
    """Finishes its step and writes a checkpoint, to leave the device."""

    process: Process
    cause: str = ""
    """As `Paused` will have it."""


class Paused(Struct, frozen=True, gc=False, kw_only=True, tag="paused"):
    """Off the device; resumes from its checkpoint."""

    cause: str = ""
    """Empty when somebody asked for it, else the reason: a full disk, a reboot."""


class Finishing(Struct, frozen=True, gc=False, kw_only=True, tag="finishing"):
    """Saves its last pictures and files."""

    process: Process
    outcome: Literal["done", "cancelled"] = "done"


class Done(Struct, frozen=True, gc=False, kw_only=True, tag="done"):
    """All steps taken, the files are in the job's folder."""

    finished: float
    cause: str = ""
    """Why there are fewer steps than asked for: `stopped early at step 400: …`."""


class Failed(Struct, frozen=True, gc=False, kw_only=True, tag="failed"):
    """Could not go on; the reason is one sentence."""

    finished: float
    reason: str


class Cancelled(Struct, frozen=True, gc=False, kw_only=True, tag="cancelled"):
    """Stopped for good by somebody; what there was is saved."""

    finished: float


Status = (
    Stashed
    | Queued
    | Starting
    | Running
    | Held
    | Pausing
    | Paused
    | Finishing
    | Done
    | Failed
    | Cancelled
)
Active = Starting | Running | Held | Pausing | Finishing
"""The states with a process."""
Ended = Done | Failed | Cancelled

State = Literal[
    "stashed", "queued", "starting", "running", "held", "pausing", "paused", "finishing", "done",
    "failed", "cancelled",
]  # fmt: skip


class Progress(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """How far a job is; the newest figures that its run reported."""

    step: int = 0
    loss: float | None = None
    """Smoothed; none before the first step or when it is not finite."""
    loss_nonfinite: bool = False
    images_per_second: float | None = None
    eta_seconds: float | None = None
    phase: str = ""
    """What the run does when it does not train: `encoding pictures 12/48`."""
    validation_loss: float | None = None
    """The newest; none where nothing is held out, and when it is not finite."""
    best_step: int | None = None
    """The step with the lowest validation loss."""
    note: str = ""
    """The newest thing that happened, in one sentence."""
    saved_step: int | None = None
    """The step of its newest checkpoint."""
    saved: float | None = None
    """When the daemon heard of that, in seconds since the epoch."""
    trend: tuple[float, ...] = ()
    """The mean loss of equal spans of the run so far, oldest first: at most 16, to draw small."""
    seconds_per_step: float | None = None
    """As measured last; kept when the job leaves the device, to tell what is still to come."""


TurnKind = Literal["line", "slots", "drain", "group", "after", "time", "cards", "size"]


class Turn(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """How a waiting job stands, as the daemon that decides it sees it."""

    kind: TurnKind
    """`line`: it has its place in the line. `slots`: in the line for a slot of its group. All
    others keep it out of line: a drained queue, a paused group, jobs before it, a time, cards that
    are not there, and a size that no card has."""
    words: str = ""
    """What it waits for beside its place: `group night is paused`, `a slot of night`."""
    lasting: bool = False
    """It stays so until somebody does something: no time left can be told of it."""

    @property
    def in_line(self) -> bool:
        """Whether it has a place."""
        return self.kind in ("line", "slots")


class Job(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One entry of the queue."""

    id: int
    name: str
    status: Status
    folder: str
    """Where its files go, absolute."""
    max_train_steps: int | None
    """None: as many as its epochs take, which the run tells when it has read the data."""
    created: float
    priority: int = 0
    """Higher starts first."""
    position: float = 0.0
    """Order among equals; lower starts first."""
    progress: Progress = Progress()
    group: str = DEFAULT_GROUP
    after: tuple[int, ...] = ()
    """Jobs that must be done before it starts."""
    start_after: float | None = None
    """Not before this time, in seconds since the epoch."""
    gpus: tuple[str, ...] = ()
    """The UUIDs of the cards that it may have; none: any of its group's."""
    retries: int = 0
    """How often it is tried again by itself after it failed."""
    turn: Turn | None = None
    """Of a waiting job, in a status and in events. None: it does not wait, or nobody looked yet."""
    after_reboot: AfterReboot = "resume"
    """What becomes of it when the machine was started again under it: by itself from its newest
    checkpoint, or paused."""

    @property
    def state(self) -> State:
        """The status's name."""
        return state_of(self.status)

    @property
    def reason(self) -> str:
        """The failure's, the pause's, the requeue's or the early end's cause; else empty."""
        match self.status:
            case Failed(reason=why) | Paused(cause=why) | Queued(cause=why) | Done(cause=why):
                return why
        return ""

    @property
    def process(self) -> Process | None:
        """Its process, in the states that have one."""
        return self.status.process if isinstance(self.status, Active) else None


def state_of(status: Status) -> State:
    """The word for a status, as the wire and the screens write it."""
    return status.__struct_config__.tag  # type: ignore[return-value]


class Group(Struct, frozen=True, gc=False, kw_only=True):
    """Jobs that share slots and cards. There always is one named `default`."""

    name: str
    slots: int = 0
    """How many of its jobs may run at once; 0: as many as there are cards for them. With more slots
    than cards its jobs share cards, as far as the memory allows."""
    gpus: tuple[str, ...] = ()
    """The UUIDs of its cards; none: all of the box."""
    on_failure: OnFailure = "continue"
    """`stop`: it is paused when one of its jobs fails."""
    paused: bool = False
    """Nothing of it starts; what runs goes on."""
    cause: str = ""
    """Why it is paused, where nobody asked for it."""


class GpuProcess(Struct, frozen=True, gc=False, kw_only=True):
    """A process that computes on a card."""

    pid: int
    memory_bytes: int | None = None
    """Of the card; none where the driver does not say."""
    user: str = ""
    name: str = ""
    """The program. Empty, as its user, where it cannot be seen: in another container."""
    job: int | None = None
    """The job of ours that it trains; none: a stranger."""


class Disk(Struct, frozen=True, gc=False, kw_only=True):
    """A file system that lorad writes to."""

    path: str
    """A folder on it that is written to."""
    total_bytes: int
    free_bytes: int
    """For this user."""


class Gpu(Struct, frozen=True, gc=False, kw_only=True):
    """What the driver says of one card. A figure it does not give is none."""

    uuid: str
    index: int
    """As nvidia-smi counts."""
    name: str
    memory_total_bytes: int
    memory_used_bytes: int
    utilization_percent: float | None = None
    power_watts: float | None = None
    power_limit_watts: float | None = None
    temperature_celsius: float | None = None
    processes: tuple[GpuProcess, ...] = ()
    unusable: str = ""
    """Why nothing can be trained on it, and what must be done; empty: it can."""


class Host(Struct, frozen=True, gc=False, kw_only=True):
    """The box itself."""

    cpu_percent: float
    """Of all cores together, 0..100."""
    memory_total_bytes: int
    memory_used_bytes: int
    gpu_note: str = ""
    """Why there are no GPU figures, where there are none: `no NVIDIA driver`."""
    cpu_count: int = 0
    """Cores, as the kernel counts them."""
    load: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Processes that want to run, the mean of 1, 5 and 15 minutes."""
    disks: tuple[Disk, ...] = ()
