"""What keys do to jobs: to the marked ones, else to the one under the cursor."""

from __future__ import annotations

from collections.abc import Sequence

from lorad.shared.jobs import Job
from lorad.shared.messages import AnyRequest, SetPriority
from lorad.tui.screens import bulk
from lorad.tui.screens.base import LoradScreen
from lorad.tui.widgets.queue import QueueList


class Steering(LoradScreen):
    """A screen with the queue's list on it."""

    queue: QueueList

    def targets(self) -> list[Job]:
        """The jobs that a key means; the person is told when there is none."""
        marked = self.queue.marked
        if marked:
            return marked
        job = self.queue.selected
        if job is None:
            self.lorad.tell("No job is selected.", "warning")
        return [] if job is None else [job]

    def send(self, requests: Sequence[AnyRequest]) -> None:
        """Ask for all of these."""
        for request in requests:
            self.lorad.link.ask(request)
        self.queue.clear_marks()

    def order(self, verb: str) -> None:
        """The verb on all that is meant, after a question where something could be lost."""
        jobs = self.targets()
        if jobs:
            self._carry_out(bulk.plan(jobs, verb))

    def _carry_out(self, plan: bulk.Plan) -> None:
        if plan.left_out:
            self.lorad.tell(plan.left_out, "warning")
        if not plan.requests:
            return
        if not plan.question:
            self.send(plan.requests)
            return
        from lorad.tui.screens.confirm import Confirm

        def answered(yes: bool | None) -> None:
            if yes:
                self.send(plan.requests)

        self.app.push_screen(Confirm(plan.question, plan.note), answered)

    def action_pause_or_resume(self) -> None:
        jobs = self.targets()
        if jobs:
            self._carry_out(bulk.plan(jobs, bulk.pause_or_resume(jobs)))

    def action_hold(self) -> None:
        jobs = self.targets()
        if jobs:
            self._carry_out(bulk.plan(jobs, bulk.hold_or_resume(jobs)))

    def action_save(self) -> None:
        self.order("save")

    def action_sample_now(self) -> None:
        self.order("sample")

    def action_stash(self) -> None:
        jobs = self.targets()
        if jobs:
            self._carry_out(bulk.plan(jobs, bulk.stash_or_enqueue(jobs)))

    def action_restart(self) -> None:
        self.order("restart")

    def action_cancel(self) -> None:
        self.order("cancel")

    def action_remove(self) -> None:
        self.order("rm")

    def action_prioritise(self, more: int) -> None:
        jobs, many = self.targets(), bool(self.queue.marked)
        self.send([SetPriority(id=job.id, priority=job.priority + more) for job in jobs])
        if many:
            self.queue.mark(jobs)  # one key press is seldom enough
