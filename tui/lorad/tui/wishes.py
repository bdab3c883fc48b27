"""What keys changed and no event has told yet: the next relative key reckons from there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lorad.shared.jobs import Job
from lorad.shared.messages import AnyRequest
from lorad.tui.mirror import waiting


class Wishes:
    """Priorities and the order of those that wait, as they will be."""

    def __init__(self) -> None:
        """Nothing is wished."""
        self._priorities: dict[int, int] = {}
        self._order: list[int] = []
        self._asked: AnyRequest | None = None
        self._done = False

    def higher(self, jobs: Iterable[Job], more: int) -> dict[int, int]:
        """The priorities of these jobs after one more key press."""
        found = {job.id: self._priorities.get(job.id, job.priority) + more for job in jobs}
        self._priorities |= found
        self._order = []  # which follows from the priorities, once they are told
        return found

    def moved(self, jobs: Mapping[int, Job], job_id: int, rows: int) -> int | None:
        """A waiting job's place after one more key press, 1 at the front; none: it has no other."""
        order = waiting(jobs)
        if self._order:
            known = set(order)
            kept = [id for id in self._order if id in known]
            order = [*kept, *(id for id in order if id not in set(kept))]
        at = order.index(job_id)
        if not 0 <= (to := at + rows) < len(order):
            return None
        order.insert(to, order.pop(at))
        self._order = order
        self._priorities.pop(job_id, None)  # it takes that of those among whom it comes
        return to + 1

    def sent(self, request: AnyRequest | None) -> None:
        """This was asked for, last of all."""
        self._asked, self._done = request, False

    def done(self, request: AnyRequest, told: Mapping[int, Job]) -> bool:
        """Whether it was the last one; it is done, and its event is here or on its way."""
        if request is not self._asked:
            return False
        self._done = True
        self.settle(told)
        return True

    def settle(self, jobs: Mapping[int, Job]) -> None:
        """Keep nothing that these jobs tell by now."""
        if not self._done:
            return
        known = all(id not in jobs or jobs[id].priority == p for id, p in self._priorities.items())
        if known and (not self._order or self._order == waiting(jobs)):
            self.forget()

    def forget(self, request: AnyRequest | None = None) -> None:
        """Keep nothing; with a request, unless there is a later one."""
        if request is None or request is self._asked:
            self._priorities, self._order, self._asked = {}, [], None
