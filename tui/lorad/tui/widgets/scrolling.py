"""A painting with more lines than it has room for."""

from __future__ import annotations

from textual import events

from lorad.tui.widgets.painting import Painting

WHEEL_LINES = 3


class Scrolling(Painting):
    """The wheel goes through it; its keys are each subclass's own."""

    def action_scroll(self, lines: int) -> None:
        """Go down, or up by a negative number."""
        raise NotImplementedError

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_scroll(WHEEL_LINES)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_scroll(-WHEEL_LINES)
