"""A new job, and the folder that it writes to."""

from __future__ import annotations

import contextlib
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from lorad.daemon.handlers.grouping import read_terms
from lorad.daemon.scheduler.terms import refuse_too_wide
from lorad.daemon.store.rows import NewJob
from lorad.shared.errors import (
    BadRequest,
    FolderTaken,
    FolderUsed,
    NotWritable,
    RecipeFolderMissing,
    TooManyJobs,
)
from lorad.shared.messages import (
    Added,
    AddJob,
    CopyJob,
)
from lorad.shared.recipe import parse_recipe
from lorad.shared.recipe.changes import changed_source
from lorad.shared.recipe.copies import copied_source, free_name

if TYPE_CHECKING:
    from lorad.daemon.service import Service

MOST_JOBS = int(os.environ.get("LORAD_MOST_JOBS", "10000"))
"""Each is in every answer about the queue."""


def add_job(service: Service, request: AddJob, actor: str) -> Added:
    folder = Path(request.folder)
    if not folder.is_absolute():
        raise BadRequest(why="the recipe's folder must be an absolute path")
    recipe = parse_recipe(request.recipe)
    refuse_too_wide(recipe.train.num_processes, service.gauges.newest.gpus)
    if not os.path.isdir(folder):  # false as well where it is too long or cannot be looked at
        raise RecipeFolderMissing(folder=folder, host=service.info.hostname)
    new = NewJob(
        recipe=recipe,
        recipe_text=request.recipe,
        recipe_folder=folder,
        stash=request.stash,
        priority=request.priority,
        terms=read_terms(service, request, recipe),
    )
    return _added(service, new, actor)


def copy_job(service: Service, request: CopyJob, actor: str) -> Added:
    job, stored = service.store.job(request.id), service.store.recipe(request.id)
    names = {other.name for other in service.store.jobs()}
    name = request.name or free_name(job.name, names)
    text = copied_source(changed_source(stored.text, stored.changes), request.changes, name)
    new = NewJob(
        recipe=parse_recipe(text),
        recipe_text=text,
        recipe_folder=Path(stored.folder),
        stash=request.stash,
        priority=request.priority,
        terms={
            "group": job.group,
            "gpus": job.gpus,
            "retries": job.retries,
            "after_reboot": job.after_reboot,
        },
    )
    refuse_too_wide(new.recipe.train.num_processes, service.gauges.newest.gpus)
    return _added(service, new, actor)


def _added(service: Service, new: NewJob, actor: str) -> Added:
    if service.store.count() >= MOST_JOBS:
        raise TooManyJobs(most=MOST_JOBS)
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
                return _made(service, folder)
    except (OSError, ValueError) as error:  # NUL is a character of TOML and of no path
        where = new.recipe_folder / (wanted or "output")
        raise NotWritable(path=where, why=getattr(error, "strerror", error)) from error
    raise AssertionError("count never ends")


def _claim_exactly(service: Service, folder: Path) -> Path:
    if (writer := service.store.writer(folder)) is not None:
        raise FolderTaken(id=writer, folder=folder)
    if any(folder.glob("checkpoint-*")):
        raise FolderUsed(folder=folder)
    return _made(service, folder)


def _made(service: Service, folder: Path) -> Path:
    if not folder.exists():
        service.store.after_rollback(lambda: remove_empty(folder))
    service.make_output(folder)
    return folder


def remove_empty(folder: Path) -> None:
    """A folder that was made for a job which is none any more, unless something is in it."""
    with contextlib.suppress(OSError):
        folder.rmdir()
