"""The machine over the whole terminal: cards, who is on them, the box, the daemon."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from lorad.shared.messages import GetHealth, Health
from lorad.tui.messages import Answered, Declined
from lorad.tui.mirror import Mirror
from lorad.tui.screens.base import LoradScreen
from lorad.tui.widgets.header import Header, Hints
from lorad.tui.widgets.machine import MachineView

HINTS = (("j k", "scroll"), ("l", "daemon's log"), ("esc", "back"), ("?", "all keys"))
ASK_SECONDS = 2.0


class MachineScreen(LoradScreen):
    """Asks for the daemon's health for as long as somebody looks."""

    AUTO_FOCUS = "MachineView"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "log", "log", id="machine.log", tooltip="The daemon's own log"),
        Binding("escape,m", "dismiss", "back", id="machine.back", tooltip="Back to the queue"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.header = Header(id="header")
        self.view = MachineView(id="machine")
        self._asked: GetHealth | None = None

    def compose(self) -> ComposeResult:
        """All in one view."""
        yield self.header
        yield self.view
        yield Hints(HINTS, id="hints")

    def on_mount(self) -> None:
        self._ask()
        self.set_interval(ASK_SECONDS, self._ask)

    def _ask(self) -> None:
        if self._asked is None and self.is_current:
            self._asked = GetHealth()
            self.lorad.link.ask(self._asked)

    def show(self, mirror: Mirror) -> None:
        """Draw this."""
        self.header.show(mirror)
        self.view.show(mirror)

    def answered(self, event: Answered) -> bool:
        """The health."""
        if not isinstance(event.reply, Health):
            return False
        self._asked = None
        self.view.tell(event.reply)
        return True

    def declined(self, event: Declined) -> bool:
        """The header says already that nobody answers."""
        if event.request is not self._asked:
            return False
        self._asked = None
        return True

    def action_log(self) -> None:
        from lorad.tui.screens.log import LogScreen

        self.app.push_screen(LogScreen(None))
