"""What a failure leads to: another try, or the end of the job and perhaps a stop of its group."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from lorad.daemon.statuses import wants_cancel
from lorad.shared.jobs import Held, Job, Pausing

if TYPE_CHECKING:
    from lorad.daemon.queue import Queue

RETRY_SECONDS = 30.0
"""Before the first other try; twice as long before each one after it."""
MAX_RETRY_SECONDS = 3600.0
LASTING = "what is wrong with it would be so again"
"""Why a failure is not tried again, where the run says that it is lasting."""


def has_tries(queue: Queue, job: Job) -> bool:
    """Whether it is to be tried again, and was not as often as it was to be."""
    leaves = isinstance(job.status, Pausing | Held) or wants_cancel(job)
    return not leaves and queue.store.retried(job.id) < job.retries


def try_again(queue: Queue, job: Job, reason: str) -> bool:
    """Put a job that failed back into the queue for a later time; false where it has had its tries.

    One that was asked to leave or to stand still is not: nobody waits for it.
    """
    if not has_tries(queue, job):
        return False
    tried = queue.store.retried(job.id)
    seconds = min(RETRY_SECONDS * 2**tried, MAX_RETRY_SECONDS)
    cause = f"try {tried + 1} of {job.retries} after it failed: {reason}"
    with queue.store.transaction():
        queue.store.write_terms(job.id, {"start_after": time.time() + seconds})
        queue.change(job, "retry", actor="daemon", cause=cause)
    return True


def stop_group(queue: Queue, job: Job, reason: str) -> None:
    """Pause the group of a job that failed, where the group wants that."""
    group = next((one for one in queue.store.groups() if one.name == job.group), None)
    if group is None or group.on_failure != "stop" or group.paused:
        return
    cause = f"job {job.id} ({job.name}) failed: {reason}"
    queue.store.set_group(msgspec.structs.replace(group, paused=True, cause=cause))
    queue.tell_groups()
