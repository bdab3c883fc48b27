"""The log of one job over the whole terminal."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from lorad.shared.clean import clean_line
from lorad.shared.jobs import Job
from lorad.tui.mirror import Mirror
from lorad.tui.screens.base import LoradScreen
from lorad.tui.widgets.header import Header, Hints
from lorad.tui.widgets.log import LogView

HINTS = (
    ("j k", "scroll"),
    ("g", "top"),
    ("G", "follow"),
    ("/", "search"),
    ("n", "next match"),
    ("esc", "back"),
)


class LogScreen(LoradScreen):
    """Follows until it is scrolled."""

    AUTO_FOCUS = "LogView"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "search", id="log.search", tooltip="Search upwards"),
        Binding("n", "next", "next match", id="log.next", tooltip="Next match"),
        Binding("escape,l", "back", "back", id="log.back", tooltip="Back to the queue"),
    ]

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job
        self.header = Header(id="header")
        self.log_view = LogView(f"Log of job {job.id} · {clean_line(job.name, 64)}", id="whole-log")
        self.field = Input(id="search", placeholder="text to find", select_on_focus=False)

    def compose(self) -> ComposeResult:
        """The log, and a field for searching when it is wanted."""
        yield self.header
        yield self.log_view
        yield self.field
        yield Hints(HINTS, id="hints")

    def show(self, mirror: Mirror) -> None:
        """Draw this."""
        self.header.show(mirror)
        if mirror.detail is not None and mirror.detail.id == self._job.id:
            self.log_view.show(mirror.detail.log.shown())

    def action_search(self) -> None:
        self.field.add_class("-open")
        self.field.focus()

    def action_next(self) -> None:
        self._find(self.field.value)

    @on(Input.Submitted, "#search")
    def _submitted(self, event: Input.Submitted) -> None:
        self._close_search()
        self._find(event.value)

    def _find(self, text: str) -> None:
        if text and not self.log_view.find(text):
            self.lorad.tell(f"`{text}` is not in these lines.", "warning")

    def _close_search(self) -> None:
        self.field.remove_class("-open")
        self.log_view.focus()

    def action_back(self) -> None:
        if self.field.has_focus:
            self._close_search()
        else:
            self.dismiss()
