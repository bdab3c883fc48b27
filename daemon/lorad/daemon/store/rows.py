"""Rows of the database and the values that they stand for."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from lorad.shared.jobs import Job, Progress, Status
from lorad.shared.messages import AnyReply, EndReport, Point, SamplePicture
from lorad.shared.recipe import Recipe

encode = msgspec.msgpack.encode
statuses: msgspec.msgpack.Decoder[Status] = msgspec.msgpack.Decoder(Status)
progresses = msgspec.msgpack.Decoder(Progress)
pictures = msgspec.msgpack.Decoder(SamplePicture)
endings = msgspec.msgpack.Decoder(EndReport)
replies: msgspec.msgpack.Decoder[AnyReply] = msgspec.msgpack.Decoder(AnyReply)

JOB = (
    "id, name, status, folder, max_train_steps, created, priority, position, progress,"
    " in_group, after, start_after, gpus, retries, after_reboot"
)
"""The columns that `job` takes."""
POINT = "step, time, loss, learning_rate, grad_norm, images_per_second"
"""The columns that `point` takes."""


class Attempt(NamedTuple):
    """One process's try at a job."""

    job_id: int
    number: int
    token: str
    """Known to the process alone, so that no other can report in its name."""
    fresh: bool
    acknowledged: int
    saved: bool
    ending: EndReport | None


class NewJob(NamedTuple):
    """What is known of a job before it has a number."""

    recipe: Recipe
    recipe_text: str
    recipe_folder: Path
    stash: bool
    priority: int
    terms: Mapping[str, Any] = {}
    """What it waits for, by the names of a job's fields."""


class StoredRecipe(NamedTuple):
    """A job's recipe as it was added, and what happened to it since."""

    text: str
    folder: str
    changes: dict[str, str]
    """By key in full, values as TOML."""
    revision: int
    """Counts the changes."""
    samples: int
    """Counts the calls for pictures."""
    saves: int
    """Counts the calls for a checkpoint."""


def job(row: tuple[Any, ...]) -> Job:
    id_, name, status, folder, steps, created, priority, position, progress, *terms = row
    group, after, start_after, gpus, retries, after_reboot = terms
    return Job(
        id=id_,
        name=name,
        status=statuses.decode(status),
        folder=folder,
        max_train_steps=steps or None,  # 0 where only the data tell
        created=created,
        priority=priority,
        position=position,
        progress=progresses.decode(progress),
        group=group,
        after=tuple(json.loads(after)) if after != "[]" else (),
        start_after=start_after,
        gpus=tuple(json.loads(gpus)) if gpus != "[]" else (),
        retries=retries,
        after_reboot=after_reboot,
    )


def point(row: tuple[Any, ...]) -> Point:
    step, at, loss, learning_rate, grad_norm, images_per_second = row
    return Point(
        step=step,
        time=at,
        loss=math.nan if loss is None else loss,  # SQLite has no NaN and keeps null instead
        learning_rate=learning_rate,
        grad_norm=math.nan if grad_norm is None else grad_norm,
        images_per_second=images_per_second,
    )
