"""What keys do to jobs beyond a plain verb: hold, save, settings, copies, undo."""

from __future__ import annotations

import time

from lorad.shared import lifecycle
from lorad.shared.errors import NothingToUndo
from lorad.shared.jobs import Job
from lorad.shared.messages import GetUndo, SaveJob, Undo, Undoable, Undone
from lorad.tui.format import duration
from lorad.tui.messages import Answered
from lorad.tui.screens.base import LoradScreen


class Editing(LoradScreen):
    """Actions for a screen that knows which job is selected."""

    def _job(self) -> Job | None:
        raise NotImplementedError

    def _added(self, job_id: int | None) -> None:
        raise NotImplementedError

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

    def edit_answered(self, event: Answered) -> None:
        """What shows late, or nowhere else."""
        if isinstance(event.request, SaveJob):
            self.lorad.tell(f"Job {event.request.id} saves after this step.")
        elif isinstance(event.reply, Undoable):
            self._ask_undo(event.reply)
        elif isinstance(event.reply, Undone):
            self.lorad.tell(f"Undone: {event.reply.said}.")

    def _ask_undo(self, undoable: Undoable) -> None:
        if not undoable.number:
            self.lorad.tell(str(NothingToUndo()), "warning")
            return
        from lorad.tui.screens.confirm import Confirm

        ago = duration(time.time() - undoable.time)
        question = f"Undo that {undoable.said}?"
        note = f"That was {ago} ago, by {undoable.actor}."
        number = undoable.number
        self.app.push_screen(Confirm(question, note), lambda yes: self._undo_if(yes, number))

    def _undo_if(self, yes: bool | None, number: int) -> None:
        if yes:
            self.lorad.link.ask(Undo(number=number))
