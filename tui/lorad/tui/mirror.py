"""What the dashboard knows, as a value: replies and events go in, the next mirror comes out.

Nothing here waits, draws or keeps time. Where an event shows that something was missed, the
reducer says what must be asked for again (`Needs`); the link asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lorad.shared.clean import clean, clean_line
from lorad.shared.jobs import Active, Gpu, Host, Job, Paused, Queued, Stashed, Status
from lorad.shared.messages import (
    QUEUE_TOPIC,
    Beat,
    Chart,
    DaemonInfo,
    Ending,
    Event,
    JobChanged,
    JobRemoved,
    Log,
    LogAppended,
    MachineSampled,
    Note,
    NoteAdded,
    Point,
    PointsAdded,
    SampleDrawn,
    SamplePicture,
    Validation,
    ValidationAdded,
    job_topic,
)
from lorad.shared.messages import Status as StatusReply
from lorad.tui.curve import EMPTY_CURVE, Curve, add_point

LOG_LINES = 2000
LOG_LINE_LIMIT = 500
NOTES = 100
PICTURES = 512
"""At 8 KiB each, 4 MiB."""


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
    curve: Curve = EMPTY_CURVE
    samples: Mapping[tuple[int, int], SamplePicture] = field(default_factory=dict)
    """By step and prompt."""
    validations: Mapping[int, Validation] = field(default_factory=dict)
    """By step."""
    notes: tuple[Note, ...] = ()
    """The newest, oldest first."""
    log: Tail = field(default_factory=Tail)
    loaded: bool = False

    def steps(self) -> list[int]:
        """The steps that have pictures, oldest first."""
        return sorted({step for step, _ in self.samples})

    def pictures(self, step: int) -> list[SamplePicture]:
        """A step's pictures by their prompts' order."""
        return [self.samples[key] for key in sorted(self.samples) if key[0] == step]


@dataclass(frozen=True)
class Mirror:
    """Everything that is on screen."""

    daemon: DaemonInfo | None = None
    gpus: tuple[Gpu, ...] = ()
    host: Host | None = None
    jobs: Mapping[int, Job] = field(default_factory=dict)
    detail: Detail | None = None
    stale_since: float | None = None
    """Set while nobody answers; what is shown is as old as that."""
    trouble: str = ""
    """Why nobody answers, in one sentence."""
    seqs: Mapping[str, int] = field(default_factory=dict)
    """The newest number heard of each stream."""


# -- replies ----------------------------------------------------------------------------------


def with_status(mirror: Mirror, status: StatusReply) -> Mirror:
    """The daemon, the machine and the queue anew.

    Of the job streams no number is taken over: their events of this moment may still be on
    their way, and steps and offsets show what they miss.
    """
    heads = {topic: seq for topic, seq in status.heads.items() if not topic.startswith("job/")}
    other = mirror.daemon is None or mirror.daemon.epoch != status.daemon.epoch
    return replace(
        mirror,
        daemon=status.daemon,
        gpus=tuple(status.gpus),
        host=status.host,
        jobs={job.id: job for job in status.jobs},
        stale_since=None,
        trouble="",
        seqs=heads if other else {**mirror.seqs, **heads},
    )


def with_selected(mirror: Mirror, job_id: int | None) -> Mirror:
    """Look at another job; nothing is known of it yet."""
    seqs = {topic: seq for topic, seq in mirror.seqs.items() if not topic.startswith("job/")}
    detail = None if job_id is None else Detail(job_id)
    return replace(mirror, detail=detail, seqs=seqs)


def with_chart(mirror: Mirror, job_id: int, chart: Chart, newest: Sequence[Point] = ()) -> Mirror:
    """The curve as the daemon draws it together; its newest point for the figures beside it."""
    detail = mirror.detail
    if detail is None or detail.id != job_id:
        return mirror
    point = newest[-1] if newest else detail.curve.newest
    curve = Curve(tuple(chart.columns), point)
    looks = {look.step: look for look in chart.validations}
    return replace(mirror, detail=replace(detail, curve=curve, validations=looks, loaded=True))


def with_points(mirror: Mirror, job_id: int, points: Sequence[Point]) -> Mirror:
    """Steps that were missed, as the daemon's store has them."""
    detail = mirror.detail
    if detail is None or detail.id != job_id:
        return mirror
    curve = detail.curve
    for point in points:
        curve = add_point(curve, point)
    return replace(mirror, detail=replace(detail, curve=curve))


def with_validations(mirror: Mirror, job_id: int, looks: Iterable[Validation]) -> Mirror:
    """Looks at what is held out; those that are known stay."""
    detail = mirror.detail
    if detail is None or detail.id != job_id:
        return mirror
    validations = {**detail.validations, **{look.step: look for look in looks}}
    return replace(mirror, detail=replace(detail, validations=validations))


def with_notes(mirror: Mirror, job_id: int, notes: Iterable[Note]) -> Mirror:
    """What happened to the job, as the daemon's store has it."""
    detail = mirror.detail
    if detail is None or detail.id != job_id:
        return mirror
    return replace(mirror, detail=replace(detail, notes=tuple(notes)[-NOTES:]))


def with_samples(mirror: Mirror, job_id: int, pictures: Iterable[SamplePicture]) -> Mirror:
    """The pictures so far."""
    detail = mirror.detail
    if detail is None or detail.id != job_id:
        return mirror
    samples = _bounded({(picture.step, picture.index): picture for picture in pictures})
    return replace(mirror, detail=replace(detail, samples=samples))


def with_log(mirror: Mirror, job_id: int, log: Log) -> Mirror:
    """A piece of the log: going on where the tail ends, or a new tail."""
    detail = mirror.detail
    if detail is None or detail.id != job_id:
        return mirror
    tail = detail.log if log.offset == detail.log.next else Tail()
    tail = _lengthened(tail, log.text, log.next)
    return replace(mirror, detail=replace(detail, log=tail))


def gone(mirror: Mirror, now: float, trouble: str) -> Mirror:
    """Nobody answers; what was known stays on screen with its age."""
    since = now if mirror.stale_since is None else mirror.stale_since
    return replace(mirror, stale_since=since, trouble=trouble)


# -- events -----------------------------------------------------------------------------------


def apply(mirror: Mirror, topic: str, seq: int, event: Event) -> tuple[Mirror, Needs]:
    """The mirror after an event, and what the event shows to be missing."""
    known = mirror.seqs.get(topic)
    if known is not None and seq and seq <= known:
        return mirror, NOTHING  # it is in the snapshot already
    lost = known is not None and seq > known + 1
    mirror = replace(mirror, seqs={**mirror.seqs, topic: seq})
    needs = _needs_of(mirror, topic) if lost else NOTHING
    match event:
        case JobChanged():
            mirror, more = _job_changed(mirror, event)
        case JobRemoved():
            jobs = {id: job for id, job in mirror.jobs.items() if id != event.id}
            mirror, more = replace(mirror, jobs=jobs), NOTHING
        case MachineSampled():
            mirror, more = replace(mirror, gpus=tuple(event.gpus), host=event.host), NOTHING
        case Beat():
            mirror, more = _beat(mirror, event)
        case Ending():
            mirror, more = replace(mirror, trouble=clean_line(event.reason)), NOTHING
        case _:
            mirror, more = _job_event(mirror, event)
    return mirror, needs | more


def _needs_of(mirror: Mirror, topic: str) -> Needs:
    """What a hole in a stream means."""
    if topic == QUEUE_TOPIC:
        return Needs(status=True)
    detail = mirror.detail
    if detail is None or not topic.startswith(f"job/{detail.id}/"):
        return NOTHING  # gauges: the next ones come in a second
    if topic == job_topic(detail.id, "metrics"):
        return Needs(points_after=detail.curve.last_step)
    if topic == job_topic(detail.id, "samples"):
        return Needs(samples=True)
    if topic == job_topic(detail.id, "notes"):
        return Needs(notes=True)
    return Needs(log_from=detail.log.next)


def _beat(mirror: Mirror, beat: Beat) -> tuple[Mirror, Needs]:
    """A last event that was lost shows here, since nothing follows it."""
    needs = NOTHING
    seqs = dict(mirror.seqs)
    for topic, head in beat.heads.items():
        known = seqs.get(topic)
        if known is not None and head > known:
            needs |= _needs_of(mirror, topic)
            seqs[topic] = head
    return replace(mirror, seqs=seqs), needs


def _job_changed(mirror: Mirror, event: JobChanged) -> tuple[Mirror, Needs]:
    job, before = event.job, mirror.jobs.get(event.job.id)
    mirror = replace(mirror, jobs={**mirror.jobs, job.id: job})
    again = before is not None and job.progress.step == 0 and before.progress.step > 0
    if mirror.detail is None or mirror.detail.id != job.id or not again:
        return mirror, NOTHING
    # It starts from the first step: the old curve is another run's.
    return replace(mirror, detail=Detail(job.id)), EVERYTHING


def _job_event(mirror: Mirror, event: Event) -> tuple[Mirror, Needs]:
    """An event of the selected job; those of others are leftovers of an earlier selection."""
    detail = mirror.detail
    if detail is None or getattr(event, "id", None) != detail.id:
        return mirror, NOTHING
    needs = NOTHING
    match event:
        case PointsAdded():
            detail, needs = _points_added(detail, event)
        case ValidationAdded(validation=look):
            detail = replace(detail, validations={**detail.validations, look.step: look})
        case NoteAdded(note=note):
            # A refill that was asked for meanwhile may have it already.
            if (note.step, note.kind, note.text) not in map(_note_key, detail.notes):
                detail = replace(detail, notes=(*detail.notes, note)[-NOTES:])
        case SampleDrawn(picture=picture):
            samples = _bounded({**detail.samples, (picture.step, picture.index): picture})
            detail = replace(detail, samples=samples)
        case LogAppended():
            detail, needs = _log_appended(detail, event)
    return replace(mirror, detail=detail), needs


def _note_key(note: Note) -> tuple[int, str, str]:
    """What makes it the same one; the daemon's store keeps no two of these."""
    return note.step, note.kind, note.text


def _points_added(detail: Detail, event: PointsAdded) -> tuple[Detail, Needs]:
    curve = detail.curve
    for point in event.points:
        if curve.columns and point.step > curve.last_step + 1:
            return replace(detail, curve=curve), Needs(points_after=curve.last_step)
        curve = add_point(curve, point)
    return replace(detail, curve=curve), NOTHING


def _log_appended(detail: Detail, event: LogAppended) -> tuple[Detail, Needs]:
    tail = detail.log
    if event.next <= tail.next:
        return detail, NOTHING
    if event.offset != tail.next:
        return detail, Needs(log_from=tail.next)
    return replace(detail, log=_lengthened(tail, event.text, event.next)), NOTHING


# -- log and pictures --------------------------------------------------------------------------


def _lengthened(tail: Tail, text: str, next: int) -> Tail:
    *whole, partial = (tail.partial + text).split("\n")
    lines = (*tail.lines, *map(_log_line, whole))
    # A progress bar may never end its line.
    return Tail(lines[-LOG_LINES:], partial[-4 * LOG_LINE_LIMIT :], next)


def _log_line(text: str) -> str:
    """What a terminal would show of a line: after a carriage return only what follows it."""
    shown = text.rstrip("\r").rsplit("\r", 1)[-1].expandtabs(4).rstrip()
    return clean(shown, LOG_LINE_LIMIT).replace("\n", " ")


def _bounded(
    samples: dict[tuple[int, int], SamplePicture],
) -> dict[tuple[int, int], SamplePicture]:
    """The first step's pictures and the newest ones: where it began and where it is."""
    keys = sorted(samples)
    if len(keys) <= PICTURES:
        return samples
    first = [key for key in keys if key[0] == keys[0][0]]
    kept = [*first, *keys[len(first) - PICTURES :]]
    return {key: samples[key] for key in kept}


# -- order ------------------------------------------------------------------------------------


def in_order(jobs: Iterable[Job]) -> list[Job]:
    """As people look for them: what trains, what waits in its order, what is kept, what ended."""
    return sorted(jobs, key=_rank)


def _rank(job: Job) -> tuple[float, float, float, int]:
    status: Status = job.status
    if isinstance(status, Active):
        return 0, 0, 0, job.id
    if isinstance(status, Queued):
        return 1, -job.priority, job.position, job.id
    if isinstance(status, Paused):
        return 2, -job.priority, job.position, job.id
    if isinstance(status, Stashed):
        return 3, -job.priority, job.position, job.id
    return 4, -status.finished, 0, job.id


def place(jobs: Mapping[int, Job], job_id: int) -> int | None:
    """A waiting job's place, 1 at the front; none for one that does not wait."""
    waiting = [job.id for job in in_order(jobs.values()) if isinstance(job.status, Queued)]
    return waiting.index(job_id) + 1 if job_id in waiting else None
