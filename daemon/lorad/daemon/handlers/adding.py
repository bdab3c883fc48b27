"""A new job, and the folder that it writes to."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from lorad.daemon.handlers.grouping import read_terms
from lorad.daemon.rows import NewJob
from lorad.daemon.terms import refuse_too_wide
from lorad.shared.errors import (
    BadRequest,
    FolderTaken,
    FolderUsed,
    NotWritable,
)
from lorad.shared.messages import (
    Added,
    AddJob,
)
from lorad.shared.recipe import parse_recipe

if TYPE_CHECKING:
    from lorad.daemon.service import Service


def add_job(service: Service, request: AddJob, actor: str) -> Added:
    folder = Path(request.folder)
    if not folder.is_absolute():
        raise BadRequest(why="the recipe's folder must be an absolute path")
    recipe = parse_recipe(request.recipe)
    refuse_too_wide(recipe.train.num_processes, service.gauges.newest.gpus)
    new = NewJob(
        recipe=recipe,
        recipe_text=request.recipe,
        recipe_folder=folder,
        stash=request.stash,
        priority=request.priority,
        terms=read_terms(service, request, recipe),
    )
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
