"""Choose one job among others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from lorad.shared.clean import clean_line
from lorad.shared.jobs import Job
from lorad.tui.format import LOOKS, fit, steps
from lorad.tui.screens.base import Dialogue


class ChooseJob(Dialogue):
    """Enter gives the job's number back, escape none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "back", id="choose.leave", tooltip="Choose none"),
        Binding("j", "move('down')", "down", show=False, id="choose.down"),
        Binding("k", "move('up')", "up", show=False, id="choose.up"),
    ]

    def __init__(self, question: str, jobs: Sequence[Job]) -> None:
        super().__init__()
        self._question = question
        self._jobs = jobs

    def compose(self) -> ComposeResult:
        """A line a job."""
        with Vertical(classes="dialogue"):
            yield Static(self._question, classes="headline", markup=False)
            yield OptionList(*map(_option, self._jobs), id="choice", markup=False)
            yield Static("enter choose   esc back", classes="keys", markup=False)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(int(event.option.id or 0))

    def action_move(self, way: str) -> None:
        choice = self.query_one(OptionList)
        choice.action_cursor_down() if way == "down" else choice.action_cursor_up()


def _option(job: Job) -> Option:
    sign, _ = LOOKS[job.state]
    name = fit(clean_line(job.name), 32)
    return Option(f"{job.id:>4}  {name}  {sign} {job.state:<9}  {steps(job)}", id=str(job.id))
