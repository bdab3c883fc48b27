"""All pictures of one job: a line for each prompt, a column for each step."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from lorad.shared.jobs import Job
from lorad.tui.mirror import Mirror
from lorad.tui.screens.base import LoradScreen
from lorad.tui.widgets.header import Header, Hints
from lorad.tui.widgets.wall import SampleWall

HINTS = (
    ("← →", "step"),
    ("↑ ↓", "prompt"),
    ("enter", "enlarge"),
    ("esc", "back"),
)


class SamplesScreen(LoradScreen):
    """Stays on the newest step until somebody looks back."""

    AUTO_FOCUS = "SampleWall"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "left,h,left_square_bracket",
            "step(-1)",
            "earlier",
            id="wall.earlier",
            tooltip="Earlier",
        ),
        Binding(
            "right,right_square_bracket", "step(1)", "later", id="wall.later", tooltip="Later step"
        ),
        Binding("up,k", "prompt(-1)", "prompt above", id="wall.up"),
        Binding("down,j", "prompt(1)", "prompt below", id="wall.down"),
        Binding("enter", "enlarge", "enlarge", id="wall.enlarge", tooltip="One picture alone"),
        Binding("escape,s", "back", "back", id="wall.back", tooltip="Back to the queue"),
    ]

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job
        self.header = Header(id="header")
        self.wall = SampleWall(f"Samples of job {job.id}", job.name, id="wall")

    def compose(self) -> ComposeResult:
        """The wall."""
        yield self.header
        yield self.wall
        yield Hints(HINTS, id="hints")

    def show(self, mirror: Mirror) -> None:
        """Draw this."""
        self.header.show(mirror)
        if mirror.detail is not None and mirror.detail.id == self._job.id:
            self.wall.show(mirror.detail)

    def action_step(self, by: int) -> None:
        self.wall.step(by)

    def action_prompt(self, by: int) -> None:
        self.wall.prompt(by)

    def action_enlarge(self) -> None:
        self.wall.enlarge()

    def action_back(self) -> None:
        if not self.wall.leave_one():
            self.dismiss()
