"""A box that is ticked or not."""

from __future__ import annotations

from textual.widgets import Checkbox


class Tick(Checkbox):
    """Seen without colours, too: textual's own shows the same letter in another shade."""

    def __init__(self, label: str, *, id: str) -> None:
        super().__init__(label, id=id, compact=True)
        self.BUTTON_INNER = " "

    def watch_value(self) -> None:
        self.BUTTON_INNER = "x" if self.value else " "
        super().watch_value()
