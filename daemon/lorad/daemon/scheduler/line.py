"""How those that wait stand, as it was told last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from lorad.daemon.scheduler.board import Now
from lorad.daemon.scheduler.rules import IN_LINE, turns
from lorad.shared.jobs import Job, Queued, Turn

AT_ONCE = 1000
"""Jobs in one event: none is larger than a message may be."""


class Line:
    """Knows what was told, and tells what is another now."""

    def __init__(self) -> None:
        """Nothing was told."""
        self._told: Mapping[int, Turn] = {}
        self._cards: object = None
        self._until = 0.0
        """When the next job may start by its time."""
        self.stirred = True
        """Something changed since the last look."""

    def standing(self, job: Job) -> Job:
        """The job with what was told of it last."""
        turn = self._told.get(job.id) if isinstance(job.status, Queued) else None
        return job if turn is None else replace(job, turn=turn)

    def is_old(self, now: Now) -> bool:
        """Whether they may stand otherwise, also where nobody changed anything."""
        return self.stirred or now.time >= self._until or self._cards != _cards(now)

    def look(self, now: Now) -> Iterator[dict[int, Turn]]:
        """What is another than it was told, in pieces."""
        before, self._told, self.stirred = self._told, turns(now), False
        self._cards = _cards(now)
        times = [job.start_after for job in now.jobs if job.start_after is not None]
        self._until = min((at for at in times if at > now.time), default=float("inf"))
        # Who is new is in line for everybody until something else is said.
        new = [id for id, turn in self._told.items() if before.get(id, IN_LINE) != turn]
        for first in range(0, len(new), AT_ONCE):
            yield {id: self._told[id] for id in new[first : first + AT_ONCE]}


def _cards(now: Now) -> object:
    return tuple((gpu.uuid, gpu.memory_total_bytes) for gpu in now.gpus)
