"""The order in which people look for jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lorad.shared.jobs import Active, Job, Paused, Queued, Stashed, Status


def in_order(jobs: Iterable[Job]) -> list[Job]:
    """As people look for them: what trains, what waits in its order, what is kept, what ended."""
    return sorted(jobs, key=_rank)


def _rank(job: Job) -> tuple[float, float, float, int]:
    status: Status = job.status
    if isinstance(status, Active):
        return 0, 0, 0, job.id
    if isinstance(status, Queued):
        return 1, -job.priority, job.position, job.id
    if isinstance(status, Paused):
        return 2, -job.priority, job.position, job.id
    if isinstance(status, Stashed):
        return 3, -job.priority, job.position, job.id
    return 4, -status.finished, 0, job.id


def place(jobs: Mapping[int, Job], job_id: int) -> int | None:
    """A waiting job's place, 1 at the front; none for one that does not wait."""
    waiting = [job.id for job in in_order(jobs.values()) if isinstance(job.status, Queued)]
    return waiting.index(job_id) + 1 if job_id in waiting else None
