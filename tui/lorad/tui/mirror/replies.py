"""Replies go in, the next mirror comes out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace

from lorad.shared.messages import (
    Chart,
    Happenings,
    Log,
    Mark,
    Metric,
    Note,
    Point,
    SamplePicture,
    Validation,
)
from lorad.shared.messages import Status as StatusReply
from lorad.tui.curve import Curve
from lorad.tui.mirror.state import (
    ABSENCES,
    MAIN_METRICS,
    NOTES,
    Absence,
    Away,
    Detail,
    Mirror,
    Tail,
    bounded,
    grown,
    lengthened,
    marked,
    with_point,
)

GAUGELESS = tuple(one.name for one in fields(Mirror) if one.name not in ("gpus", "host", "seqs"))


def only_gauges(before: Mirror, mirror: Mirror) -> bool:
    """Whether nothing but the machine's figures may be another than before."""
    same = (name for name in GAUGELESS if getattr(mirror, name) is not getattr(before, name))
    return next(same, None) is None


def with_status(mirror: Mirror, status: StatusReply, now: float = 0.0) -> Mirror:
    """The daemon, the machine and the queue anew.

    Of the job streams no number is taken over: their events of this moment may still be on
    their way, and steps and offsets show what they miss.
    """
    heads = {topic: seq for topic, seq in status.heads.items() if not topic.startswith("job/")}
    other = mirror.daemon is None or mirror.daemon.epoch != status.daemon.epoch
    return replace(
        _answering(mirror, now, other=other),
        daemon=status.daemon,
        gpus=tuple(status.gpus),
        host=status.host,
        jobs={job.id: job for job in status.jobs},
        groups=tuple(status.groups),
        draining=status.draining,
        seqs=heads if other else {**mirror.seqs, **heads},
    )


def with_selected(mirror: Mirror, job_id: int | None) -> Mirror:
    """Look at another job; nothing is known of it yet."""
    seqs = {topic: seq for topic, seq in mirror.seqs.items() if not topic.startswith("job/")}
    detail = None if job_id is None else Detail(job_id)
    return replace(mirror, detail=detail, seqs=seqs)


def _detail_of(mirror: Mirror, job_id: int) -> Detail | None:
    """What is known of a job, if it is still the one that is looked at."""
    return mirror.detail if mirror.detail is not None and mirror.detail.id == job_id else None


def with_chart(
    mirror: Mirror,
    job_id: int,
    chart: Chart,
    newest: Sequence[Point] = (),
    metrics: tuple[Metric, ...] = MAIN_METRICS,
) -> Mirror:
    """The curves as the daemon draws them together; the newest point for the figures beside."""
    detail = _detail_of(mirror, job_id)
    if detail is None:
        return mirror
    curves = {metric: Curve(tuple(columns)) for metric, columns in chart.lines.items()}
    point = newest[-1] if newest else detail.newest
    detail = replace(detail, metrics=metrics, curves=curves, newest=point, loaded=True)
    return replace(mirror, detail=detail)


def with_points(mirror: Mirror, job_id: int, points: Sequence[Point]) -> Mirror:
    """Steps that were missed, as the daemon's store has them."""
    detail = _detail_of(mirror, job_id)
    if detail is None:
        return mirror
    for point in points:
        detail = with_point(detail, point)
    return replace(mirror, detail=detail)


def with_validations(mirror: Mirror, job_id: int, looks: Iterable[Validation]) -> Mirror:
    """Looks at what is held out; those that are known stay."""
    detail = _detail_of(mirror, job_id)
    if detail is None:
        return mirror
    for look in looks:
        if look.step > detail.curve("validation_loss").last_step:
            detail = grown(detail, look.step, {"validation_loss": look.loss})
    return replace(mirror, detail=detail)


def with_notes(mirror: Mirror, job_id: int, notes: Iterable[Note]) -> Mirror:
    """What happened to the job, as the daemon's store has it."""
    detail = _detail_of(mirror, job_id)
    if detail is None:
        return mirror
    return replace(mirror, detail=replace(detail, notes=tuple(notes)[-NOTES:]))


def with_marks(mirror: Mirror, job_id: int, marks: Iterable[Mark]) -> Mirror:
    """What happened on the job's curves, as the daemon's store has it."""
    detail = _detail_of(mirror, job_id)
    if detail is None:
        return mirror
    return replace(mirror, detail=marked(replace(detail, marks=()), *marks))


def with_samples(mirror: Mirror, job_id: int, pictures: Iterable[SamplePicture]) -> Mirror:
    """The pictures so far."""
    detail = _detail_of(mirror, job_id)
    if detail is None:
        return mirror
    samples = bounded({(picture.step, picture.index): picture for picture in pictures})
    return replace(mirror, detail=replace(detail, samples=samples))


def with_log(mirror: Mirror, job_id: int, log: Log) -> Mirror:
    """A piece of the log: going on where the tail ends, or a new tail."""
    detail = _detail_of(mirror, job_id)
    if detail is None:
        return mirror
    tail = detail.log if log.offset == detail.log.next else Tail()
    tail = lengthened(tail, log.text, log.next)
    return replace(mirror, detail=replace(detail, log=tail))


def back(mirror: Mirror, now: float = 0.0) -> Mirror:
    """Something came after a silence, on the same connection: nothing was lost."""
    return mirror if mirror.stale_since is None else _answering(mirror, now, other=False)


def _answering(mirror: Mirror, now: float, *, other: bool) -> Mirror:
    """Somebody answers; where nobody did, that is over."""
    absences = mirror.absences
    if absences and absences[-1].until is None:
        absences = (*absences[:-1], replace(absences[-1], until=now, other=other))
    return replace(mirror, stale_since=None, trouble="", none_runs=False, absences=absences)


def with_more_samples(mirror: Mirror, job_id: int, pictures: Iterable[SamplePicture]) -> Mirror:
    """Some pictures beside those that are known."""
    detail = _detail_of(mirror, job_id)
    if detail is None:
        return mirror
    more = {(picture.step, picture.index): picture for picture in pictures}
    return replace(mirror, detail=replace(detail, samples=bounded({**detail.samples, **more})))


def with_away(mirror: Mirror, since: float, news: Happenings) -> Mirror:
    """What happened since somebody left."""
    away = Away(since, tuple(news.happenings), news.steps)
    return replace(mirror, away=away)


def gone(mirror: Mirror, now: float, trouble: str, *, none_runs: bool = False) -> Mirror:
    """Nobody answers; what was known stays on screen with its age.

    Whoever never answered is not gone.
    """
    since = now if mirror.stale_since is None else mirror.stale_since
    absences = mirror.absences
    if mirror.stale_since is None and mirror.daemon is not None:
        absences = (*absences, Absence(since, trouble))[-ABSENCES:]
    elif absences and absences[-1].until is None:
        absences = (*absences[:-1], replace(absences[-1], trouble=trouble))
    return replace(
        mirror, stale_since=since, trouble=trouble, none_runs=none_runs, absences=absences
    )
