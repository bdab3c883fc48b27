"""One function a request: what it does to the queue, and the reply."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lorad.daemon import chart, scheduler
from lorad.daemon.logs import read_log
from lorad.daemon.rows import NewJob
from lorad.shared.codec import Header
from lorad.shared.errors import (
    BadRequest,
    FolderTaken,
    FolderUsed,
    NoPrompts,
    NotWritable,
    RecipeError,
    StaleEpoch,
    UnsupportedProtocol,
)
from lorad.shared.jobs import Finishing, Job, Queued
from lorad.shared.lifecycle import REMOVABLE, Verb, can, impossible
from lorad.shared.messages import (
    PROTOCOL,
    QUEUE_TOPIC,
    Accepted,
    Added,
    AddJob,
    AnyReply,
    AnyRequest,
    CancelJob,
    Changed,
    Chart,
    EnqueueJob,
    GetChart,
    GetLog,
    GetMetrics,
    GetNotes,
    GetRecipe,
    GetSamples,
    GetStatus,
    Hello,
    JobRemoved,
    Log,
    Metrics,
    MoveJob,
    Notes,
    PauseJob,
    RecipeText,
    Removed,
    RemoveJob,
    RestartJob,
    ResumeJob,
    SampleJob,
    SampleNow,
    Samples,
    SetJob,
    SetPriority,
    ShutDown,
    ShuttingDown,
    StashJob,
    Status,
    Welcome,
    Why,
    WhyJob,
)
from lorad.shared.recipe import parse_recipe
from lorad.shared.recipe.changes import changed_source

if TYPE_CHECKING:
    from lorad.daemon.service import Service

MAX_POINTS = 20_000
MAX_WIDTH = 2000
MAX_LOG_BYTES = 1 << 18
MAX_NOTES = 1000


def hello(service: Service, request: Hello, actor: str) -> Welcome:
    if not request.protocol_min <= PROTOCOL <= request.protocol_max:
        theirs = f"{request.protocol_min} to {request.protocol_max}"
        raise UnsupportedProtocol(theirs=theirs, ours=PROTOCOL)
    return Welcome(protocol=PROTOCOL, daemon=service.info)


def get_status(service: Service, request: GetStatus, actor: str) -> Status:
    reading = service.gauges.newest
    return Status(
        daemon=service.info,
        gpus=reading.gpus,
        host=reading.host,
        jobs=service.store.jobs(),
        heads=service.events.heads(),
    )


def add_job(service: Service, request: AddJob, actor: str) -> Added:
    folder = Path(request.folder)
    if not folder.is_absolute():
        raise BadRequest(why="the recipe's folder must be an absolute path")
    new = NewJob(
        recipe=parse_recipe(request.recipe),
        recipe_text=request.recipe,
        recipe_folder=folder,
        stash=request.stash,
        priority=request.priority,
    )
    service.queue.refuse_too_wide(new.recipe)
    job = service.store.add(new, actor, lambda job_id: _claim(service, new, job_id))
    service.logs.remove(job.id)  # of a job of that number in an earlier queue
    service.queue.tell(job, "add")
    return Added(job=job)


def _claim(service: Service, new: NewJob, job_id: int) -> Path:
    """An output folder that no other run writes to, made now: mkdir is atomic, on NFS too."""
    wanted = new.recipe.output.folder
    try:
        if wanted is not None:
            return _claim_exactly(service, Path(os.path.realpath(new.recipe_folder / wanted)))
        parent = Path(os.path.realpath(new.recipe_folder / "output"))
        service.make_output(parent)
        # Numbers are unique in one queue, but a box may have had another one.
        for again in itertools.count(1):
            suffix = f"-{again}" if again > 1 else ""
            folder = parent / f"{new.recipe.name}-{job_id}{suffix}"
            if not folder.exists():
                service.make_output(folder)
                return folder
    except OSError as error:
        where = new.recipe_folder / (wanted or "output")
        raise NotWritable(path=where, why=error.strerror) from error
    raise AssertionError("count never ends")


def _claim_exactly(service: Service, folder: Path) -> Path:
    if (writer := service.store.writer(folder)) is not None:
        raise FolderTaken(id=writer, folder=folder)
    if any(folder.glob("checkpoint-*")):
        raise FolderUsed(folder=folder)
    service.make_output(folder)
    return folder


def why_job(service: Service, request: WhyJob, actor: str) -> Why:
    return Why(sentence=service.queue.why(service.store.job(request.id)))


def pause_job(service: Service, request: PauseJob, actor: str) -> Accepted:
    return Accepted(job=_steered(service, request.id, "pause", actor))


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
    return Changed(job=_changed(service, request.id, "resume", actor))


def stash_job(service: Service, request: StashJob, actor: str) -> Changed:
    return Changed(job=_changed(service, request.id, "stash", actor))


def enqueue_job(service: Service, request: EnqueueJob, actor: str) -> Changed:
    return Changed(job=_changed(service, request.id, "enqueue", actor))


def restart_job(service: Service, request: RestartJob, actor: str) -> Changed:
    _changed(service, request.id, "restart", actor)
    service.store.begin_again(request.id)
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
    others = [j for j in scheduler.in_order(service.store.jobs()) if j.id != job.id]
    place = max(0, min(request.to - 1, len(others)))
    before = others[place - 1] if place else None
    after = others[place] if place < len(others) else None
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


def remove_job(service: Service, request: RemoveJob, actor: str) -> Removed:
    job = service.store.job(request.id)
    if job.state not in REMOVABLE:
        raise impossible(job, "rm")
    service.store.remove(job, actor)
    service.queue.forget(job.id)
    service.store.after_commit(lambda: service.logs.remove(job.id))
    service.queue.publish(QUEUE_TOPIC, JobRemoved(id=job.id))
    return Removed(id=job.id)


def get_recipe(service: Service, request: GetRecipe, actor: str) -> RecipeText:
    stored = service.store.recipe(request.id)
    text = stored.text
    if stored.changes:
        try:
            text = changed_source(text, stored.changes)
        except RecipeError:  # another version took it: whoever repairs it needs to see it
            lines = [f"# lorad set: {key} = {value}" for key, value in stored.changes.items()]
            text = "\n".join([text.rstrip("\n"), *lines, ""])
    return RecipeText(recipe=text, folder=stored.folder)


def get_metrics(service: Service, request: GetMetrics, actor: str) -> Metrics:
    service.store.job(request.id)
    limit = max(1, min(request.limit, MAX_POINTS))
    return Metrics(
        points=service.store.points(request.id, request.after, limit),
        validations=service.store.validations(request.id, request.after, limit),
    )


def get_chart(service: Service, request: GetChart, actor: str) -> Chart:
    service.store.job(request.id)
    width = max(1, min(request.width, MAX_WIDTH))
    return Chart(
        columns=chart.columns(service.store.losses(request.id), width),
        validations=service.store.validations(request.id, 0, MAX_POINTS),
    )


def get_samples(service: Service, request: GetSamples, actor: str) -> Samples:
    service.store.job(request.id)
    return Samples(pictures=service.store.samples(request.id, newest=request.newest))


def get_notes(service: Service, request: GetNotes, actor: str) -> Notes:
    service.store.job(request.id)
    limit = max(1, min(request.limit, MAX_NOTES))
    return Notes(notes=service.store.notes(request.id, limit))


def get_log(service: Service, request: GetLog, actor: str) -> Log:
    if request.id:
        service.store.job(request.id)
        path = service.home.log(request.id)
    else:
        path = service.home.daemon_log
    limit = max(1, min(request.limit, MAX_LOG_BYTES))
    return read_log(path, request.offset, limit)


def shut_down(service: Service, request: ShutDown, actor: str) -> ShuttingDown:
    return ShuttingDown(pausing=service.go_down(leave_runs=request.leave_runs))


HANDLERS: dict[type, Callable[[Service, Any, str], AnyReply]] = {
    Hello: hello,
    GetStatus: get_status,
    AddJob: add_job,
    WhyJob: why_job,
    PauseJob: pause_job,
    ResumeJob: resume_job,
    CancelJob: cancel_job,
    RestartJob: restart_job,
    StashJob: stash_job,
    EnqueueJob: enqueue_job,
    MoveJob: move_job,
    SetPriority: set_priority,
    SetJob: set_job,
    SampleJob: sample_job,
    RemoveJob: remove_job,
    GetRecipe: get_recipe,
    GetMetrics: get_metrics,
    GetChart: get_chart,
    GetSamples: get_samples,
    GetNotes: get_notes,
    GetLog: get_log,
    ShutDown: shut_down,
}

READING = (
    Hello, GetStatus, WhyJob, GetRecipe, GetMetrics, GetChart, GetSamples, GetNotes, GetLog,
)  # fmt: skip
"""Requests that change nothing: nothing to remember of them."""


def handle(service: Service, request: AnyRequest, header: Header, actor: str) -> AnyReply:
    """The reply, and the request's effect exactly once however often it is sent.

    Raises:
        LoradError: why it is refused; nothing was changed.
    """
    handler = HANDLERS[type(request)]
    if isinstance(request, READING):
        return handler(service, request, actor)
    if not header.id:
        raise BadRequest(why="a request that changes something needs an id of its own")
    if reply := service.store.recall(header.id):
        return reply
    if header.epoch not in ("", service.info.epoch):
        raise StaleEpoch
    with service.store.transaction():
        reply = handler(service, request, actor)
        service.store.remember(header.id, reply)
    return reply
