"""The status that an event leads to, with the data that it has. Values in, values out."""

from __future__ import annotations

import time

from lorad.shared.jobs import (
    Cancelled,
    Done,
    Failed,
    Finishing,
    Held,
    Job,
    Paused,
    Pausing,
    Process,
    Queued,
    Running,
    Starting,
    Stashed,
    State,
    Status,
)
from lorad.shared.lifecycle import Event, next_state


def wants_cancel(job: Job) -> bool:
    """Whether it ends because somebody wanted it to."""
    return isinstance(job.status, Finishing) and job.status.outcome == "cancelled"


def status_after(job: Job, event: Event, cause: str, process: Process | None) -> Status:
    """The status that an event leads to, with the data that it has.

    Raises:
        ImpossibleAction: the table of states has no such move.
    """
    state: State = next_state(job, event)
    now = time.time()
    if event in ("died", "left") and wants_cancel(job):
        return Cancelled(finished=now)
    process = process or job.process
    match state:
        case "stashed":
            return Stashed()
        case "queued":
            return Queued(cause=cause if event in ("died", "retry") else "")
        case "paused":
            return Paused(cause=cause)
        case "done":
            return Done(finished=now, cause=cause)
        case "failed":
            return Failed(finished=now, reason=cause)
        case "cancelled":
            return Cancelled(finished=now)
    assert process is not None
    return _with_process(state, event, cause, process)


def _with_process(state: State, event: Event, cause: str, process: Process) -> Status:
    match state:
        case "starting":
            return Starting(process=process)
        case "running":
            return Running(process=process)
        case "held":
            return Held(process=process)
        case "pausing":
            return Pausing(process=process, cause=cause)
    return Finishing(process=process, outcome="cancelled" if event == "cancel" else "done")
