"""The log of changes, told again from its first line: it must lead to the queue as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from lorad.shared.jobs import Job

if TYPE_CHECKING:
    from lorad.daemon.store import Store


class Line(NamedTuple):
    """One line of the log."""

    number: int
    job: int
    """0 is the daemon."""
    before: str
    after: str
    """The job's state; empty where there is no such job."""
    priority: int | None
    """After this line, as `position`; none in lines of before version 4 of the database."""
    position: float | None


class Standing(NamedTuple):
    """Where the log leaves a job."""

    state: str
    priority: int | None = None
    position: float | None = None


def replay(lines: Iterable[Line]) -> tuple[dict[int, Standing], list[str]]:
    """Where the lines, in their order, leave each job; and where one does not follow another.

    A job that was removed is not among them.
    """
    standing: dict[int, Standing] = {}
    gaps = []
    for line in lines:
        if not line.job:
            continue
        was = standing.get(line.job, Standing(""))
        if line.before != was.state:
            gaps.append(
                f"Line {line.number} of the log takes job {line.job} from {_word(line.before)},"
                f" but it was {_word(was.state)}."
            )
        priority = was.priority if line.priority is None else line.priority
        position = was.position if line.position is None else line.position
        standing[line.job] = Standing(line.after, priority, position)
    return {id: one for id, one in standing.items() if one.state}, gaps


def differences(standing: Mapping[int, Standing], jobs: Iterable[Job]) -> list[str]:
    """What the log and the table of jobs tell differently, a sentence each; none if all agrees."""
    there = {job.id: Standing(job.state, job.priority, job.position) for job in jobs}
    return [
        f"Job {id} is {_told(there.get(id))} in the table and {_told(standing.get(id))} in the log."
        for id in sorted(there.keys() | standing.keys())
        if there.get(id) != standing.get(id)
    ]


def check_log(store: Store) -> list[str]:
    """Whether the log leads to the queue as it is: a sentence for each thing that does not agree.

    It reads every line: for tests and for whoever looks after a queue, not for each start.
    """
    standing, gaps = replay(store.lines())
    return [*gaps, *differences(standing, store.jobs())]


def _word(state: str) -> str:
    return state or "not there"


def _told(one: Standing | None) -> str:
    if one is None:
        return "not there"
    return f"{one.state} (priority {one.priority}, place {one.position!r})"
