"""A letter over each pane: one key goes there."""

from __future__ import annotations

from typing import Any

from textual import events
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from lorad.tui.screens.base import Dialogue

LETTERS = "asdfghjklqwertyuiopzxcvbnm"


class JumpScreen(Dialogue):
    """Over the screen as it is; any other key closes it."""

    def __init__(self, below: Screen[Any]) -> None:
        super().__init__()
        self._panes = dict(zip(LETTERS, panes(below), strict=False))

    def compose(self) -> ComposeResult:
        """The letters where the panes begin."""
        for letter, pane in self._panes.items():
            # As wide as the rule that a pane's title begins behind.
            label = Static(f"{letter} ", classes="jump", markup=False)
            label.styles.offset = (pane.content_region.x, pane.region.y)
            yield label

    def on_key(self, event: events.Key) -> None:
        event.stop()
        pane = self._panes.get(event.key)
        self.dismiss()
        if pane is not None:
            pane.focus()


def panes(screen: Screen[Any]) -> list[Widget]:
    """What can have the keys and is in sight, as it is read."""
    found = [widget for widget in screen.focus_chain if widget.region.area and widget.display]
    return sorted(found, key=lambda widget: (widget.region.y, widget.region.x))
