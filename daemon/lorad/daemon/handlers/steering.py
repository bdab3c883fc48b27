"""What changes a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lorad.daemon.handlers.grouping import release
from lorad.daemon.scheduler.board import in_order
from lorad.shared.errors import (
    NoPrompts,
)
from lorad.shared.jobs import Finishing, Job, Queued
from lorad.shared.lifecycle import REMOVABLE, Verb, can, impossible
from lorad.shared.messages import (
    QUEUE_TOPIC,
    Accepted,
    CancelJob,
    Changed,
    EnqueueJob,
    HoldJob,
    JobRemoved,
    MoveJob,
    PauseJob,
    Removed,
    RemoveJob,
    RestartJob,
    ResumeJob,
    SampleJob,
    SampleNow,
    SaveJob,
    SaveNow,
    SetJob,
    SetPriority,
    StashJob,
)

if TYPE_CHECKING:
    from lorad.daemon.service import Service


def pause_job(service: Service, request: PauseJob, actor: str) -> Accepted:
    return Accepted(job=_steered(service, request.id, "pause", actor))


def hold_job(service: Service, request: HoldJob, actor: str) -> Accepted:
    job = service.store.job(request.id)
    if can(job.state, "hold"):
        service.queue.note(job, eta_seconds=None)  # nobody knows when it goes on
    return Accepted(job=_steered(service, request.id, "hold", actor))


def cancel_job(service: Service, request: CancelJob, actor: str) -> Accepted | Changed:
    job = _steered(service, request.id, "cancel", actor)
    if request.force:
        service.store.after_commit(lambda: service.supervisor.kill(job.id))
    return Accepted(job=job) if job.process else Changed(job=job)


def _steered(service: Service, job_id: int, verb: Verb, actor: str) -> Job:
    job = service.store.job(job_id)
    if isinstance(job.status, Finishing) and job.status.outcome == verb + "led":
        return job  # said twice
    job = service.queue.change(job, verb, actor=actor)
    service.store.after_commit(lambda: service.runs.steer(job))
    return job


def resume_job(service: Service, request: ResumeJob, actor: str) -> Changed:
    if service.store.job(request.id).process is not None:
        return Changed(job=_steered(service, request.id, "resume", actor))
    return Changed(job=_changed(service, request.id, "resume", actor))


def stash_job(service: Service, request: StashJob, actor: str) -> Changed:
    return Changed(job=_changed(service, request.id, "stash", actor))


def enqueue_job(service: Service, request: EnqueueJob, actor: str) -> Changed:
    return Changed(job=_changed(service, request.id, "enqueue", actor))


def restart_job(service: Service, request: RestartJob, actor: str) -> Changed:
    _changed(service, request.id, "restart", actor)
    service.store.begin_again(request.id)
    service.queue.charts.forget(request.id)
    service.queue.forget(request.id)
    job = service.store.job(request.id)
    service.queue.tell(job, "restart")
    return Changed(job=job)


def _changed(service: Service, job_id: int, verb: Verb, actor: str) -> Job:
    return service.queue.change(service.store.job(job_id), verb, actor=actor)


def move_job(service: Service, request: MoveJob, actor: str) -> Changed:
    job = service.store.job(request.id)
    if not isinstance(job.status, Queued):
        raise impossible(job, "move")
    before, after = _neighbours(service, job, request.to)
    if _crowded(before, after):
        service.store.spread_places()
        for other in service.store.jobs():
            service.queue.tell(other, "move")
        before, after = _neighbours(service, job, request.to)
    # Priority comes before place: a job that passes one of another priority takes that on.
    neighbour = after or before
    if neighbour is None:
        return Changed(job=job)
    if before is None or before.priority != neighbour.priority:
        position = neighbour.position - 1
    elif after is None:
        position = before.position + 1
    else:
        position = (before.position + after.position) / 2
    job = service.store.set_place(job, neighbour.priority, position, "move", actor)
    service.queue.tell(job, "move")
    return Changed(job=job)


def _crowded(before: Job | None, after: Job | None) -> bool:
    """Whether no number is left between two places, as after fifty moves to the same one."""
    if before is None or after is None or before.priority != after.priority:
        return False
    return not before.position < (before.position + after.position) / 2 < after.position


def _neighbours(service: Service, job: Job, to: int) -> tuple[Job | None, Job | None]:
    """Those before and after a job that is to be at this place among the waiting ones."""
    others = [j for j in in_order(service.store.jobs()) if j.id != job.id]
    place = max(0, min(to - 1, len(others)))
    return (
        others[place - 1] if place else None,
        others[place] if place < len(others) else None,
    )


def set_priority(service: Service, request: SetPriority, actor: str) -> Changed:
    job = service.store.job(request.id)
    job = service.store.set_place(job, request.priority, job.position, "priority", actor)
    service.queue.tell(job, "priority")
    return Changed(job=job)


def set_job(service: Service, request: SetJob, actor: str) -> Accepted | Changed:
    job = service.store.job(request.id)
    if not can(job.state, "set"):
        raise impossible(job, "set")
    job = service.queue.set_recipe(job, request.changes, actor)
    service.store.after_commit(lambda: service.runs.change(job))
    return Accepted(job=job) if job.process else Changed(job=job)


def sample_job(service: Service, request: SampleJob, actor: str) -> Accepted:
    job = service.store.job(request.id)
    if not can(job.state, "sample"):
        raise impossible(job, "sample")
    if not service.queue.recipe(job.id).sample.prompts:
        raise NoPrompts(id=job.id)
    order = SampleNow(number=service.store.ask_samples(job, actor))
    service.store.after_commit(lambda: service.runs.order(job, order))
    return Accepted(job=job)


def save_job(service: Service, request: SaveJob, actor: str) -> Accepted:
    job = service.store.job(request.id)
    if not can(job.state, "save"):
        raise impossible(job, "save")
    order = SaveNow(number=service.store.ask_save(job, actor))
    service.store.after_commit(lambda: service.runs.order(job, order))
    return Accepted(job=job)


def remove_job(service: Service, request: RemoveJob, actor: str) -> Removed:
    job = service.store.job(request.id)
    if job.state not in REMOVABLE:
        raise impossible(job, "rm")
    release(service, job, actor)
    service.store.remove(job, actor)
    service.queue.charts.forget(job.id)
    service.queue.forget(job.id)
    service.queue.publish(QUEUE_TOPIC, JobRemoved(id=job.id))
    return Removed(id=job.id)
