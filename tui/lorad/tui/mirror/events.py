"""Events go in; the next mirror comes out, and what the event shows to be missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from msgspec import structs

from lorad.shared.clean import clean_line
from lorad.shared.jobs import Queued, Turn
from lorad.shared.messages import (
    QUEUE_TOPIC,
    Beat,
    Ending,
    Event,
    GroupsChanged,
    JobChanged,
    JobRemoved,
    LogAppended,
    MachineSampled,
    Mark,
    MarkAdded,
    Note,
    NoteAdded,
    PointsAdded,
    SampleDrawn,
    TurnsChanged,
    ValidationAdded,
    job_topic,
)
from lorad.shared.metrics import of_cards
from lorad.tui.mirror.state import (
    EVERYTHING,
    NOTES,
    NOTHING,
    Detail,
    Mirror,
    Needs,
    bounded,
    grown,
    lengthened,
    marked,
    with_point,
)


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
        case GroupsChanged(groups=groups, draining=draining):
            mirror, more = replace(mirror, groups=tuple(groups), draining=draining), NOTHING
        case TurnsChanged(turns=turns):
            mirror, more = _turns_changed(mirror, turns), NOTHING
        case MachineSampled():
            mirror, more = _machine_sampled(mirror, event), NOTHING
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
        return Needs(points_after=detail.curve("loss").last_step)
    if topic == job_topic(detail.id, "samples"):
        return Needs(samples=True, notes=True)  # each round is a mark on the curves, too
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


def _turns_changed(mirror: Mirror, turns: Mapping[int, Turn]) -> Mirror:
    waiting = [
        job for id in turns if (job := mirror.jobs.get(id)) and isinstance(job.status, Queued)
    ]
    changed = {job.id: structs.replace(job, turn=turns[job.id]) for job in waiting}
    return replace(mirror, jobs={**mirror.jobs, **changed})


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
            detail = grown(detail, look.step, {"validation_loss": look.loss})
        case NoteAdded(note=note):
            # A refill that was asked for meanwhile may have it already.
            if (note.step, note.kind, note.text) not in map(_note_key, detail.notes):
                detail = replace(detail, notes=(*detail.notes, note)[-NOTES:])
            detail = marked(detail, Mark(step=note.step, kind=note.kind, text=note.text))
        case MarkAdded(mark=mark):
            detail = marked(detail, mark)
        case SampleDrawn(picture=picture):
            samples = bounded({**detail.samples, (picture.step, picture.index): picture})
            detail = replace(detail, samples=samples)
            detail = marked(detail, Mark(step=picture.step, kind="sample"))
        case LogAppended():
            detail, needs = _log_appended(detail, event)
    return replace(mirror, detail=detail), needs


def _note_key(note: Note) -> tuple[int, str, str]:
    """What makes it the same one; the daemon's store keeps no two of these."""
    return note.step, note.kind, note.text


def _points_added(detail: Detail, event: PointsAdded) -> tuple[Detail, Needs]:
    for point in event.points:
        known = detail.curve("loss")
        if known.columns and point.step > known.last_step + 1:
            return detail, Needs(points_after=known.last_step)
        detail = with_point(detail, point)
    return detail, NOTHING


def _machine_sampled(mirror: Mirror, event: MachineSampled) -> Mirror:
    """The gauges, and those of the selected job's cards as its step has them."""
    mirror = replace(mirror, gpus=tuple(event.gpus), host=event.host)
    detail = mirror.detail
    job = mirror.jobs.get(detail.id) if detail else None
    if detail is None or job is None or detail.newest is None or job.process is None:
        return mirror
    figures, step = of_cards(event.gpus, job.process.gpus), detail.newest.step
    if figures is None or detail.curve("gpu_memory").last_step == step:
        return mirror  # once a step, as the daemon keeps them
    return replace(mirror, detail=grown(detail, step, figures))


def _log_appended(detail: Detail, event: LogAppended) -> tuple[Detail, Needs]:
    tail = detail.log
    if event.next <= tail.next:
        return detail, NOTHING
    if event.offset != tail.next:
        return detail, Needs(log_from=tail.next)
    return replace(detail, log=lengthened(tail, event.text, event.next)), NOTHING
