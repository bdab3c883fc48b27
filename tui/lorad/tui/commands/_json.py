"""The JSON that verbs print, as docs/cli-json.md says."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any, get_args

import msgspec

from lorad.shared.jobs import Active, Job, Queued, State, Turn
from lorad.shared.messages import Happening, Metrics, Notes, SamplePicture, Status

SCHEMA = 1
"""Counts up when a field goes or changes its meaning; new fields may come at any time."""


def document(*, indent: int | None = 2, **fields: Any) -> str:
    """A document of this schema. ASCII, so that no terminal obeys anything in it."""
    return json.dumps({"schema": SCHEMA, **_finite(fields)}, indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    """The value without what JSON has no word for: NaN and infinity are null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return value


def job_fields(job: Job) -> dict[str, Any]:
    """One job; every field is there in every state."""
    progress, process = job.progress, job.process
    unsound = progress.loss is not None and not math.isfinite(progress.loss)
    return {
        "id": job.id,
        "name": job.name,
        "state": job.state,
        "step": progress.step,
        "max_train_steps": job.max_train_steps,
        "loss": progress.loss,
        "loss_nonfinite": progress.loss_nonfinite or unsound,
        "images_per_second": progress.images_per_second,
        "eta_seconds": progress.eta_seconds,
        "priority": job.priority,
        "pid": process.pid if process else None,
        "gpu": process.gpus[0] if process and process.gpus else None,
        "gpus": list(process.gpus) if process else [],
        "folder": job.folder,
        "reason": job.reason or None,
        "phase": progress.phase or None,
        "validation_loss": progress.validation_loss,
        "best_step": progress.best_step,
        "note": progress.note or None,
        "group": job.group,
        "after": list(job.after),
        "start_after": job.start_after,
        "wanted_gpus": list(job.gpus),
        "retries": job.retries,
        "after_reboot": job.after_reboot,
        "saved_step": progress.saved_step,
        "saved": progress.saved,
        "trend": list(progress.trend),
        "seconds_per_step": progress.seconds_per_step,
        "turn": _turn_fields(job.turn),
    }


def _turn_fields(turn: Turn | None) -> dict[str, Any] | None:
    if turn is None:
        return None
    return {"kind": turn.kind, "words": turn.words or None, "lasting": turn.lasting}


def history_fields(metrics: Metrics, notes: Notes) -> dict[str, Any]:
    """What one job looked at and what happened to it."""
    return {
        "validations": msgspec.to_builtins(metrics.validations),
        "notes": msgspec.to_builtins(notes.notes),
    }


def status_fields(status: Status) -> dict[str, Any]:
    """The daemon, the machine and the queue."""
    return {
        "daemon": msgspec.to_builtins(status.daemon),
        "gpus": msgspec.to_builtins(status.gpus),
        "host": msgspec.to_builtins(status.host),
        "jobs": [job_fields(job) for job in status.jobs],
        **groups_fields(status),
    }


def groups_fields(status: Status) -> dict[str, Any]:
    """The groups, with how many of their jobs run and wait, and whether the queue is drained."""
    counts = Counter(
        (job.group, job.process is not None)
        for job in status.jobs
        if isinstance(job.status, Active | Queued)
    )
    groups = [
        {
            "name": group.name,
            "slots": group.slots,
            "gpus": list(group.gpus),
            "on_failure": group.on_failure,
            "paused": group.paused,
            "cause": group.cause or None,
            "running": counts[group.name, True],
            "queued": counts[group.name, False],
        }
        for group in status.groups
    ]
    return {"groups": groups, "draining": status.draining}


def totals_fields(status: Status) -> dict[str, Any]:
    """The queue as a whole."""
    from lorad.tui.totals import totals  # with rich behind it, which most verbs do without

    found = totals(status.jobs, len(status.gpus))
    return {
        "states": {state: found.states.get(state, 0) for state in get_args(State)},
        "eta_seconds": found.eta_seconds,
        "eta_complete": found.eta_complete,
        "lasting": found.lasting,
    }


def happening_fields(line: Happening) -> dict[str, Any]:
    """One line of what happened."""
    return {
        "seq": line.number,
        "time": line.time,
        "id": line.id or None,
        "name": line.name or None,
        "event": line.event,
        "before": line.before or None,
        "after": line.after or None,
        "text": line.text or None,
        "actor": line.actor,
    }


def picture_fields(picture: SamplePicture) -> dict[str, Any]:
    """One picture, without its bytes: `path` has them."""
    names = ("step", "index", "prompt", "seed", "sha256", "path", "width", "height")
    return {name: getattr(picture, name) for name in names}
