"""Several changes as one, and the newest taken back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lorad.daemon.handlers.adding import remove_empty
from lorad.daemon.scheduler.terms import refuse_circle
from lorad.daemon.store import rows
from lorad.daemon.store.edited import Edit, Look
from lorad.shared.clean import clean_line
from lorad.shared.errors import (
    CannotUndo,
    NothingToUndo,
    UndoneMeanwhile,
    UnknownJob,
    WaitsForItself,
)
from lorad.shared.jobs import Ended, Finishing, Job, state_of
from lorad.shared.messages import (
    QUEUE_TOPIC,
    Added,
    AddJob,
    AnyReply,
    AnyRequest,
    Batch,
    Batched,
    CancelJob,
    CopyJob,
    EnqueueJob,
    GetUndo,
    JobRemoved,
    JobRequest,
    MoveJob,
    RemoveJob,
    ResumeJob,
    SetJob,
    SetPriority,
    StashJob,
    Undo,
    Undoable,
    Undone,
    UpdateJob,
)

if TYPE_CHECKING:
    from lorad.daemon.service import Service

DONE_TO: dict[type[AnyRequest], str] = {
    AddJob: "added",
    CopyJob: "added",
    MoveJob: "moved",
    SetPriority: "given another priority",
    SetJob: "changed",
    UpdateJob: "updated",
    StashJob: "stashed",
    EnqueueJob: "enqueued",
    ResumeJob: "resumed",
    CancelJob: "cancelled",
    RemoveJob: "removed",
}
"""What can be taken back of a job without a process, and how sentences call it."""
OF_RECIPES = frozenset({"changes", "max_train_steps"})
"""Columns that may change while it runs: a run takes an older recipe as it takes a newer one."""
NAMED = 5
"""Jobs that a sentence names; the others are counted."""


class Before(NamedTuple):
    """A job as a command finds it."""

    name: str
    look: Look | None
    runs: bool
    """It has a process: of what is done to it only the recipe can be taken back."""


# -- keeping -------------------------------------------------------------------------------------


def look_before(service: Service, request: AnyRequest) -> dict[int, Before]:
    """The jobs that the request may change, as they are now; of one that runs, its recipe."""
    found = {}
    for one in _each(request):
        if type(one) in DONE_TO and isinstance(one, JobRequest) and not isinstance(one, CopyJob):
            try:
                job = service.store.job(one.id)
            except UnknownJob:
                continue  # the handler says so
            runs = job.process is not None
            if not runs or isinstance(one, SetJob):
                found[job.id] = Before(job.name, service.store.look(job.id), runs)
    return found


def keep_edit(
    service: Service,
    request: AnyRequest,
    reply: AnyReply,
    before: dict[int, Before],
    actor: str,
) -> None:
    """Remember what the request did, and forget for good what nobody can bring back."""
    done: dict[str, dict[int, str]] = {}
    looks: dict[int, tuple[Look, Look]] = {}
    replies = reply.replies if isinstance(reply, Batched) else [reply]
    for one, answer in zip(_each(request), replies, strict=True):
        if isinstance(answer, Added):
            id, name = answer.job.id, answer.job.name
            if (after := service.store.look(id)) is not None:
                looks[id] = (_removed(after, answer.job.created), after)
        elif isinstance(one, JobRequest) and (was := before.get(one.id)) is not None:
            if was.runs and not isinstance(one, SetJob):
                continue
            id, name = one.id, was.name
            if was.look is not None and (after := service.store.look(id)) is not None:
                looks[id] = (was.look, _recipe_alone(was.look, after) if was.runs else after)
        else:
            continue
        if type(one) in DONE_TO:
            done.setdefault(DONE_TO[type(one)], {})[id] = name
    if not looks:
        return
    said = ", ".join(_sentence(jobs, word) for word, jobs in done.items())
    service.store.keep_edit(said, actor, looks)
    for id in service.store.forget_removed():
        service.store.after_commit(lambda id=id: service.logs.remove(id))  # type: ignore[misc]


def _each(request: AnyRequest) -> Iterable[AnyRequest]:
    return request.requests if isinstance(request, Batch) else [request]


def _recipe_alone(before: Look, after: Look) -> Look:
    changed = {name: after.columns[name] for name in OF_RECIPES}
    return Look({**before.columns, **changed}, after.attempts)


def _removed(look: Look, when: float) -> Look:
    return Look({**look.columns, "removed": when}, look.attempts)


def _sentence(jobs: dict[int, str], word: str) -> str:
    first, last = min(jobs), max(jobs)
    if len(jobs) > 2 and last - first == len(jobs) - 1:
        names = f"{clean_line(jobs[first])} to {clean_line(jobs[last])}"
        return f"jobs {first} to {last} ({names}) were {word}"
    named = [f"{id} ({clean_line(name)})" for id, name in list(jobs.items())[:NAMED]]
    if len(jobs) > NAMED:
        named.append(f"{len(jobs) - NAMED} more")
    if len(named) == 1:
        return f"job {named[0]} was {word}"
    return f"jobs {', '.join(named[:-1])} and {named[-1]} were {word}"


# -- taking back ---------------------------------------------------------------------------------


def get_undo(service: Service, request: GetUndo, actor: str) -> Undoable:
    edit = service.store.newest_edit()
    if edit is None:
        return Undoable(number=0, said="", actor="", time=0.0)
    return Undoable(number=edit.number, said=edit.said, actor=edit.actor, time=edit.time)


def undo(service: Service, request: Undo, actor: str) -> Undone:
    edit = service.store.newest_edit()
    if request.number and (edit is None or request.number != edit.number):
        raise UndoneMeanwhile
    if edit is None:
        raise NothingToUndo
    edited = service.store.edited(edit.number)
    for job_id, before, after in edited:
        why = _moved_on(service, job_id, before, after) or _too_late(service, edit, job_id, before)
        if why:
            raise CannotUndo(edit.number, edit.said, why)
    states = {job_id: _state_now(service, job_id) for job_id, _, _ in edited}
    jobs = [_put_back(service, edit, job_id, before, actor) for job_id, before, _ in edited]
    if gone := [job_id for (job_id, _, _), job in zip(edited, jobs, strict=True) if job is None]:
        # One line for all of them: nobody looks for the history of a job that is gone.
        only = gone[0] if len(gone) == 1 else 0
        service.store.log_undo(only, states[gone[0]] if only else "", "", edit.said, actor)
    service.store.drop_edit(edit.number)
    return Undone(said=edit.said, jobs=[job for job in jobs if job is not None])


def _moved_on(service: Service, job_id: int, before: Look, after: Look) -> str:
    """Why a job cannot go back; empty if it can."""
    now = service.store.look(job_id)
    if now is None:
        return f"job {job_id} is forgotten"
    if now.columns["removed"] is not None and "removed" not in after.columns:
        return f"job {job_id} was removed"
    if now.attempts != after.attempts and not after.columns.keys() <= OF_RECIPES:
        return f"job {job_id} was started since"
    for column, value in after.columns.items():
        if column == "status":
            state, then = _state(now), _state(after)
            if state != then:
                return f"job {job_id} is {state} now"
        elif now.columns[column] != value:
            return f"job {job_id} was changed since"
    return _unfit(service, job_id, {**now.columns, **before.columns}, after)


def _unfit(service: Service, job_id: int, columns: dict[str, Any], after: Look) -> str:
    """Why a job cannot be as it was, whatever became of itself; empty if it can."""
    group = columns["in_group"]
    if columns["removed"] is None and all(group != one.name for one in service.store.groups()):
        return f"its group {group} is gone"
    try:
        refuse_circle(job_id, json.loads(columns["after"]), service.store.jobs())
    except WaitsForItself:
        return f"job {job_id} would wait for one that waits for it now"
    if after.columns.get("removed") and (writer := _writer(service, job_id)) is not None:
        return f"job {writer} writes to the folder of job {job_id} now"
    return ""


def _too_late(service: Service, edit: Edit, job_id: int, before: Look) -> str:
    """Why a job cannot have its earlier recipe any more; empty if it can."""
    if not before.columns.keys() & OF_RECIPES or "removed" in before.columns:
        return ""
    job = service.store.job(job_id)
    if isinstance(job.status, Finishing):
        return f"job {job_id} takes no step any more"
    if isinstance(job.status, Ended) and job.status.finished > edit.time:
        return f"job {job_id} ended since: it is {job.state}"
    steps = before.columns.get("max_train_steps")
    if job.process and steps and job.progress.step > steps:
        return f"job {job_id} is at step {job.progress.step}, past the {steps} that it had"
    return ""


def _state(look: Look) -> str:
    status = look.columns["status"]
    assert isinstance(status, bytes)
    return state_of(rows.statuses.decode(status))


def _writer(service: Service, job_id: int) -> int | None:
    """Who took the folder of a job that was removed."""
    return service.store.writer(Path(service.store.folder(job_id)))


def _put_back(service: Service, edit: Edit, job_id: int, before: Look, actor: str) -> Job | None:
    """The job as it was; none where it is gone with that."""
    store, queue = service.store, service.queue
    was = _state_now(service, job_id)
    store.put_back(job_id, before)
    queue.forget_recipe(job_id)
    now = _state_now(service, job_id)
    if now:
        store.log_undo(job_id, was, now, edit.said, actor)
        job = store.job(job_id)
        if job.process and "changes" in before.columns:
            store.after_commit(lambda: service.runs.change(job))
        queue.tell(job, "undo")
        return job
    folder = Path(store.folder(job_id))
    store.after_commit(lambda: remove_empty(folder))
    queue.forget(job_id)
    queue.publish(QUEUE_TOPIC, JobRemoved(id=job_id))
    return None


def _state_now(service: Service, job_id: int) -> str:
    try:
        return service.store.job(job_id).state
    except UnknownJob:
        return ""
