"""Groups, what jobs wait for, and draining."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from lorad.daemon.scheduler.rules import named
from lorad.daemon.scheduler.terms import find_cards, refuse_circle, refuse_too_few, refuse_unfit
from lorad.daemon.store.grouped import COLUMNS
from lorad.shared.errors import BadRequest, GroupThere, GroupUsed, StillAwaited
from lorad.shared.jobs import DEFAULT_GROUP, Done, Ended, Group, Job
from lorad.shared.messages import (
    AddGroup,
    AddJob,
    Changed,
    Drain,
    Groups,
    PauseGroup,
    RemoveGroup,
    ResumeGroup,
    SetGroup,
    UpdateJob,
)
from lorad.shared.recipe import Recipe

if TYPE_CHECKING:
    from lorad.daemon.service import Service

MAX_RETRIES = 1000
LAST_TIME = 32_503_680_000.0
"""The year 3000, in seconds since the epoch: a time that every clock can write."""


def add_group(service: Service, request: AddGroup, actor: str) -> Groups:
    group = Group(
        name=request.name,
        slots=request.slots,
        gpus=find_cards(request.gpus, service.gauges.newest.gpus),
        on_failure=request.on_failure,
    )
    refuse_unfit(group)
    if any(other.name == group.name for other in service.store.groups()):
        raise GroupThere(name=group.name)
    return _stored(service, group)


def set_group(service: Service, request: SetGroup, actor: str) -> Groups:
    group = service.store.group(request.name)
    if request.slots is not None:
        group = replace(group, slots=request.slots)
    if request.gpus is not None:
        group = replace(group, gpus=find_cards(request.gpus, service.gauges.newest.gpus))
    if request.on_failure is not None:
        group = replace(group, on_failure=request.on_failure)
    refuse_unfit(group)
    return _stored(service, group)


def remove_group(service: Service, request: RemoveGroup, actor: str) -> Groups:
    group = service.store.group(request.name)
    if group.name == DEFAULT_GROUP:
        raise GroupUsed(name=group.name, why="it is there for whoever names none")
    jobs = [job for job in service.store.jobs() if job.group == group.name]
    if jobs:
        verb = "is" if len(jobs) == 1 else "are"
        hint = f"`lorad update ID --group {DEFAULT_GROUP}` takes one out"
        raise GroupUsed(name=group.name, why=f"{named(jobs, 3)} {verb} in it. {hint}")
    service.store.remove_group(group.name)
    return _told(service)


def pause_group(service: Service, request: PauseGroup, actor: str) -> Groups:
    group = service.store.group(request.name)
    return _stored(service, replace(group, paused=True, cause=""))


def resume_group(service: Service, request: ResumeGroup, actor: str) -> Groups:
    group = service.store.group(request.name)
    return _stored(service, replace(group, paused=False, cause=""))


def drain(service: Service, request: Drain, actor: str) -> Groups:
    service.store.set_draining(not request.end)
    return _told(service)


def _stored(service: Service, group: Group) -> Groups:
    service.store.set_group(group)
    return _told(service)


def _told(service: Service) -> Groups:
    service.queue.tell_groups()
    return Groups(groups=service.store.groups(), draining=service.store.draining())


def update_job(service: Service, request: UpdateJob, actor: str) -> Changed:
    job = service.store.job(request.id)
    terms = read_terms(service, request, service.queue.readable(job.id), job)
    new = {name: value for name, value in terms.items() if value != getattr(job, name)}
    if new:
        cause = ", ".join(told(name, value) for name, value in new.items())
        job = service.store.set_terms(job, new, cause=cause, actor=actor)
        service.queue.tell(job, "update")
    return Changed(job=job)


def told(name: str, value: Any) -> str:
    """A job's new term, for people."""
    if name == "start_after" and value is not None:
        value = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(value))
    elif isinstance(value, tuple):
        value = ", ".join(map(str, value))
    none = "any" if name == "gpus" else "none"
    return f"{name.replace('_', ' ')} = {none if value in (None, '') else value}"


def read_terms(
    service: Service, request: AddJob | UpdateJob, recipe: Recipe | None, job: Job | None = None
) -> dict[str, Any]:
    """What is asked for, by the names of a job's fields; cards by their UUIDs.

    Raises:
        UnknownGroup: there is no such group.
        UnknownCard: there is no such card.
        UnknownJob: it would wait for one that is not there.
        WaitsForItself: it would wait for one that waits for it.
        TooFewNamed: it wants more cards at once than it may have.
    """
    terms = {name: value for name in COLUMNS if (value := getattr(request, name)) is not None}
    if not 0 <= terms.get("retries", 0) <= MAX_RETRIES:
        raise BadRequest(why=f"a job is tried again from 0 to {MAX_RETRIES} times")
    if "gpus" in terms:
        terms["gpus"] = find_cards(terms["gpus"], service.gauges.newest.gpus)
    if not 0 <= terms.get("start_after", 0) <= LAST_TIME:
        raise BadRequest(why="there is no such time to start after")
    if terms.get("start_after") == 0:
        terms["start_after"] = None
    if "after" in terms:
        terms["after"] = tuple(service.store.job(id).id for id in dict.fromkeys(terms["after"]))
    if job is not None:
        refuse_circle(job.id, terms.get("after", ()), service.store.jobs())
    group = service.store.group(terms.get("group", job.group if job else DEFAULT_GROUP))
    if recipe is not None:
        gpus = terms.get("gpus", job.gpus if job else ())
        refuse_too_few(recipe.train.num_processes, group, gpus)
    return terms


def release(service: Service, job: Job, actor: str) -> None:
    """Let nobody wait for a job that goes.

    Raises:
        StillAwaited: it is not done, and others wait until it is.
    """
    after = [other for other in service.store.jobs() if job.id in other.after]
    waiting = [other for other in after if not isinstance(other.status, Ended)]
    if waiting and not isinstance(job.status, Done):
        verb = "waits" if len(waiting) == 1 else "wait"
        raise StillAwaited(id=job.id, names=named(waiting), verb=verb)
    for other in after:
        left = tuple(id for id in other.after if id != job.id)
        cause = f"job {job.id} was removed"
        other = service.store.set_terms(other, {"after": left}, cause=cause, actor=actor)
        service.queue.tell(other, "update")
