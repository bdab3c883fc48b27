"""What clients only want to know; each question is answered by one reply."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from lorad.shared.levels import Level
from lorad.shared.messages.base import JobRequest, Request
from lorad.shared.metrics import Axis, Metric


class Hello(Request, frozen=True, tag="hello"):
    """Opens a conversation."""

    protocol_min: int
    protocol_max: int
    client: str
    """Program, user and host, such as `lorad anna@box`: who it was that changed something."""


class GetStatus(Request, frozen=True, tag="get_status"):
    """The daemon, the machine and the whole queue."""


class WhyJob(JobRequest, frozen=True, tag="why_job"):
    """In one sentence: why it waits, or what it does."""


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


class GetUndo(Request, frozen=True, tag="get_undo"):
    """What `Undo` would take back."""


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
