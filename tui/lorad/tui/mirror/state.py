"""What the dashboard knows, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from lorad.shared.clean import clean
from lorad.shared.jobs import Gpu, Group, Host, Job
from lorad.shared.messages import (
    OF_STEPS,
    DaemonInfo,
    Happening,
    Mark,
    Metric,
    Note,
    Point,
    SamplePicture,
)
from lorad.tui.curve import EMPTY_CURVE, Curve, add_value

LOG_LINES = 2000
LOG_LINE_LIMIT = 500
NOTES = 100
MARKS = 2000
ABSENCES = 50
MAIN_METRICS: tuple[Metric, ...] = ("loss", "validation_loss")
"""What the main screen draws; others are asked for where they are shown."""
PICTURES = 1000
"""As many as the daemon gives; at 8 KiB each, 8 MiB."""


@dataclass(frozen=True)
class Needs:
    """What must be asked for again."""

    status: bool = False
    chart: bool = False
    points_after: int | None = None
    samples: bool = False
    log_from: int | None = None
    notes: bool = False

    def __or__(self, other: Needs) -> Needs:
        """Both; the earlier of two places to go on from."""
        return Needs(
            self.status or other.status,
            self.chart or other.chart,
            _earlier(self.points_after, other.points_after),
            self.samples or other.samples,
            _earlier(self.log_from, other.log_from),
            self.notes or other.notes,
        )

    def __bool__(self) -> bool:
        """Whether anything is missing."""
        return self != NOTHING


def _earlier(one: int | None, other: int | None) -> int | None:
    given = [value for value in (one, other) if value is not None]
    return min(given, default=None)


NOTHING = Needs()

LOG_TAIL = -65536

EVERYTHING = Needs(chart=True, samples=True, log_from=LOG_TAIL, notes=True)
"""All that is shown of one job."""


@dataclass(frozen=True)
class Tail:
    """The end of a log."""

    lines: tuple[str, ...] = ()
    """Clean, each on one line."""
    partial: str = ""
    """What came after the last newline, as it came."""
    next: int = 0
    """In bytes: where the log goes on."""

    def shown(self) -> tuple[str, ...]:
        """All lines, also one that is not complete yet."""
        return (*self.lines, _log_line(self.partial)) if self.partial else self.lines


@dataclass(frozen=True)
class Detail:
    """What is known of the selected job alone."""

    id: int
    metrics: tuple[Metric, ...] = MAIN_METRICS
    """Whose curves are drawn."""
    curves: Mapping[Metric, Curve] = field(default_factory=dict)
    """Of those, what there is."""
    newest: Point | None = None
    """The newest step's figures."""
    samples: Mapping[tuple[int, int], SamplePicture] = field(default_factory=dict)
    """By step and prompt."""
    notes: tuple[Note, ...] = ()
    """The newest, oldest first."""
    marks: tuple[Mark, ...] = ()
    """What happened on its curves, as it was heard of."""
    log: Tail = field(default_factory=Tail)
    loaded: bool = False

    def curve(self, metric: Metric) -> Curve:
        """A figure's curve; an empty one where there is none."""
        return self.curves.get(metric, EMPTY_CURVE)

    def steps(self) -> list[int]:
        """The steps that have pictures, oldest first."""
        return sorted({step for step, _ in self.samples})

    def pictures(self, step: int) -> list[SamplePicture]:
        """A step's pictures by their prompts' order."""
        return [self.samples[key] for key in sorted(self.samples) if key[0] == step]


@dataclass(frozen=True)
class Away:
    """What happened while nobody looked."""

    since: float
    """By the box's clock, in seconds since the epoch."""
    happenings: tuple[Happening, ...] = ()
    """Oldest first."""
    steps: int = 0


@dataclass(frozen=True)
class Absence:
    """A time in which the daemon did not answer this viewer, by this box's clock."""

    since: float
    trouble: str
    """Why, in one sentence."""
    until: float | None = None
    """None: it does not answer yet."""
    other: bool = False
    """Whether it was another daemon that answered then: it had been started anew."""


@dataclass(frozen=True)
class Mirror:
    """Everything that is on screen."""

    place: str = ""
    """The other box, as ssh knows it; empty: this one."""
    away: Away | None = None
    """Set when somebody comes back."""

    daemon: DaemonInfo | None = None
    gpus: tuple[Gpu, ...] = ()
    host: Host | None = None
    jobs: Mapping[int, Job] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    draining: bool = False
    detail: Detail | None = None
    stale_since: float | None = None
    """Set while nobody answers; what is shown is as old as that."""
    trouble: str = ""
    """Why nobody answers, in one sentence."""
    none_runs: bool = False
    """Whether nobody answers because no daemon runs here."""
    absences: tuple[Absence, ...] = ()
    """The newest ones, oldest first."""
    seqs: Mapping[str, int] = field(default_factory=dict)
    """The newest number heard of each stream."""


def lengthened(tail: Tail, text: str, next: int) -> Tail:
    """The tail with more text at its end."""
    *whole, partial = (tail.partial + text).split("\n")
    lines = (*tail.lines, *map(_log_line, whole))
    # A progress bar may never end its line.
    return Tail(lines[-LOG_LINES:], partial[-4 * LOG_LINE_LIMIT :], next)


def _log_line(text: str) -> str:
    """What a terminal would show of a line: after a carriage return only what follows it."""
    shown = text.rstrip("\r").rsplit("\r", 1)[-1].expandtabs(4).rstrip()
    return clean(shown, LOG_LINE_LIMIT).replace("\n", " ")


def bounded(
    samples: dict[tuple[int, int], SamplePicture],
) -> dict[tuple[int, int], SamplePicture]:
    """The first step's pictures and the newest ones: where it began and where it is."""
    keys = sorted(samples)
    if len(keys) <= PICTURES:
        return samples
    first = [key for key in keys if key[0] == keys[0][0]]
    kept = [*first, *keys[len(first) - PICTURES :]]
    return {key: samples[key] for key in kept}


def grown(detail: Detail, step: int, figures: Mapping[Metric, float]) -> Detail:
    """The curves that are drawn, with one more step."""
    more = {
        metric: add_value(detail.curve(metric), step, value, sparse=metric not in OF_STEPS)
        for metric, value in figures.items()
        if metric in detail.metrics
    }
    return replace(detail, curves={**detail.curves, **more}) if more else detail


def with_point(detail: Detail, point: Point) -> Detail:
    """The curves with one more step's figures."""
    figures: dict[Metric, float] = {name: getattr(point, name) for name in OF_STEPS}
    return replace(grown(detail, point.step, figures), newest=point)


def marked(detail: Detail, *marks: Mark) -> Detail:
    """The marks with more of them; what a refill brought already is not told twice."""
    known = set(detail.marks)
    new = [mark for mark in marks if mark not in known]
    return replace(detail, marks=(*detail.marks, *new)[-MARKS:]) if new else detail
