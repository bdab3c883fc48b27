"""What keys do to jobs, the same on every screen that shows some."""

from __future__ import annotations

from collections.abc import Sequence

from textual.binding import Binding, BindingType
from textual.widgets import Input, TextArea

from lorad.shared import lifecycle
from lorad.shared.errors import NothingToUndo, TooManyRuns
from lorad.shared.jobs import Job
from lorad.shared.messages import (
    AnyRequest,
    Batch,
    GetUndo,
    OneRequest,
    SampleJob,
    SaveJob,
    Undo,
    Undoable,
    Undone,
    Why,
    WhyJob,
)
from lorad.tui.format import duration
from lorad.tui.messages import Answered
from lorad.tui.mirror import in_order
from lorad.tui.screens import bulk
from lorad.tui.screens.base import LoradScreen

JOB_BINDINGS: list[BindingType] = [
    Binding(
        "p",
        "pause_or_resume",
        "pause/resume",
        id="job.pause",
        tooltip="Pause (the GPU is freed) or resume",
    ),
    Binding("H", "hold", "hold", id="job.hold", tooltip="Hold between two steps, or let go on"),
    Binding("x", "cancel", "cancel", id="job.cancel", tooltip="Cancel: save and end it"),
    Binding("n", "sample_now", "draw now", id="job.sample", tooltip="Draw its prompts now"),
    Binding("v", "save", "save now", id="job.save", tooltip="Write a checkpoint now"),
    Binding("e", "change", "change", id="job.change", tooltip="Change its rate, length or prompts"),
    Binding("y", "copy", "copy", id="job.copy", tooltip="Copy with changes, or sweep"),
    Binding("R", "restart", "restart", id="job.restart", tooltip="Train again from step 1"),
    Binding("S", "stash", "stash", id="job.stash", tooltip="Stash, or put back in the queue"),
    Binding("w", "why", "why", id="job.why", tooltip="Why it waits, or what it does"),
    Binding("z", "undo", "undo", id="job.undo", tooltip="Undo the newest change of the queue"),
    Binding("s", "samples", "samples", id="view.samples", tooltip="All pictures, large"),
    Binding("l", "log", "log", id="view.log", tooltip="The whole log"),
    Binding("c", "compare", "compare", id="view.compare", tooltip="Compare runs"),
]


class JobActions(LoradScreen):
    """A screen on which a job is selected, and perhaps some are marked."""

    def _job(self) -> Job | None:
        """The job under the cursor; where there is none, the person is told."""
        raise NotImplementedError

    def _added(self, job_id: int | None) -> None:
        """There is a new job, unless it is none."""

    def targets(self) -> list[Job]:
        """The jobs that a key means; where there is none, the person is told."""
        job = self._job()
        return [] if job is None else [job]

    def send(self, requests: Sequence[OneRequest]) -> AnyRequest | None:
        """Ask for all of these, or for none if one of them cannot be; what was asked with."""
        if not requests:
            return None
        request = Batch(requests=list(requests)) if len(requests) > 1 else requests[0]
        self.lorad.link.ask(request)
        return request

    def order(self, verb: str) -> None:
        """The verb on all that is meant."""
        if jobs := self.targets():
            self._carry_out(bulk.plan(jobs, verb))

    def _carry_out(self, plan: bulk.Plan) -> None:
        """After a question, where something could be lost."""
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

    def answered(self, event: Answered) -> bool:
        """The sentence of `why`, and what shows late; all else shows in the job."""
        if isinstance(event.reply, Why):
            self.lorad.tell(event.reply.sentence)
        elif isinstance(event.request, SampleJob):
            self.lorad.tell(f"Job {event.request.id} draws its prompts after this step.")
        elif isinstance(event.request, SaveJob):
            self.lorad.tell(f"Job {event.request.id} saves after this step.")
        elif isinstance(event.reply, Undoable):
            self._ask_undo(event.reply)
        elif isinstance(event.reply, Undone):
            self.lorad.tell(f"Undone: {event.reply.said}.")
        else:
            return False
        return True

    # -- verbs --------------------------------------------------------------------------------

    def action_pause_or_resume(self) -> None:
        if jobs := self.targets():
            self._carry_out(bulk.plan(jobs, bulk.pause_or_resume(jobs)))

    def action_hold(self) -> None:
        if jobs := self.targets():
            self._carry_out(bulk.plan(jobs, bulk.hold_or_resume(jobs)))

    def action_stash(self) -> None:
        if jobs := self.targets():
            self._carry_out(bulk.plan(jobs, bulk.stash_or_enqueue(jobs)))

    def action_save(self) -> None:
        self.order("save")

    def action_sample_now(self) -> None:
        self.order("sample")

    def action_restart(self) -> None:
        self.order("restart")

    def action_cancel(self) -> None:
        self.order("cancel")

    def action_remove(self) -> None:
        self.order("rm")

    def action_why(self) -> None:
        if job := self._job():
            self.lorad.link.ask(WhyJob(id=job.id))

    # -- changes ------------------------------------------------------------------------------

    def action_change(self) -> None:
        job = self._job()
        if job is None:
            return
        if not lifecycle.can(job.state, "set"):
            self.lorad.tell(str(lifecycle.impossible(job, "set")), "warning")
            return
        from lorad.tui.screens.change import ChangeScreen

        self.app.push_screen(ChangeScreen(job))

    def action_copy(self) -> None:
        if job := self._job():
            from lorad.tui.screens.change import CopyScreen

            self.app.push_screen(CopyScreen(job), self._added)

    def action_undo(self) -> None:
        self.lorad.link.ask(GetUndo())

    def _ask_undo(self, undoable: Undoable) -> None:
        if not undoable.number:
            self.lorad.tell(str(NothingToUndo()), "warning")
            return
        from lorad.tui.screens.confirm import Confirm

        if self.app.screen is not self or isinstance(self.focused, Input | TextArea):
            # Who types something by now would answer the question with it.
            self.lorad.tell(f"The newest change: {undoable.said}. `z` asks whether to undo it.")
            return
        ago = duration(self.now - undoable.time)
        question = f"Undo that {undoable.said}?"
        note = f"That was {ago} ago, by {undoable.actor}."
        number = undoable.number

        def answered(yes: bool | None) -> None:
            if yes:
                self.lorad.link.ask(Undo(number=number))

        self.app.push_screen(Confirm(question, note), answered)

    # -- other screens ------------------------------------------------------------------------

    def action_samples(self) -> None:
        if job := self._job():
            from lorad.tui.screens.samples import SamplesScreen

            self.app.push_screen(SamplesScreen(job))

    def action_log(self) -> None:
        if job := self._job():
            from lorad.tui.screens.log import LogScreen

            self.app.push_screen(LogScreen(job))

    def action_compare(self) -> None:
        """This job with another one, which is asked for."""
        job = self._job()
        if job is None:
            return
        others = [one for one in in_order(self.lorad.mirror.jobs.values()) if one.id != job.id]
        others = [one for one in others if one.progress.step]
        if not others:
            self.lorad.tell(
                "No other job has taken a step, so there is nothing to compare.", "warning"
            )
            return
        from lorad.tui.screens.choose import ChooseJob

        def chosen(other: int | None) -> None:
            if found := self.lorad.mirror.jobs.get(other or 0):
                self._compare([job, found])

        self.app.push_screen(ChooseJob(f"Compare job {job.id} with", others), chosen)

    def _compare(self, jobs: Sequence[Job]) -> None:
        from lorad.tui.screens.compare import CompareScreen

        try:
            self.app.push_screen(CompareScreen(jobs))
        except TooManyRuns as refused:
            self.lorad.tell(str(refused), "warning")
