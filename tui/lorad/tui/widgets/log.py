"""The log of the selected job: its end, or anywhere in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from lorad.tui.format import fit
from lorad.tui.widgets.painting import Row, Span, centred, heading
from lorad.tui.widgets.scrolling import Scrolling

WORSE = ("error", "traceback", "exception", "out of memory")
"""Words that make a line worth seeing from afar."""


class LogView(Scrolling, can_focus=True):
    """Follows the end until somebody scrolls up, and again once they are back there."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll(1)", "down", show=False, id="log.down"),
        Binding("k,up", "scroll(-1)", "up", show=False, id="log.up"),
        Binding("pagedown,ctrl+d", "page(1)", "page down", show=False, id="log.page_down"),
        Binding("pageup,ctrl+u", "page(-1)", "page up", show=False, id="log.page_up"),
        Binding("g,home", "top", "to the top", show=False, id="log.top"),
        Binding("G,end", "bottom", "follow the end", show=False, id="log.bottom"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: Sequence[str] = ()
        self._top: int | None = None
        """None: follow."""

    def show(self, lines: Sequence[str]) -> None:
        """Draw these lines."""
        self._lines = lines
        self.repaint()

    @property
    def following(self) -> bool:
        """Whether new lines come into view by themselves."""
        return self._top is None

    def paint(self, width: int, height: int) -> list[Row]:
        """As many lines as there is room for."""
        room = height - 1
        top = self._first(room)
        shown = self._lines[top : top + room]
        right = "" if self.following else f"{top + len(shown)} of {len(self._lines)}"
        head = heading("Log", right, width, self.has_focus)
        if not self._lines:
            return [head, *centred([[Span("nothing said yet", "dim")]], width, room)]
        return [head, *(self._row(line, width) for line in shown)]

    def _row(self, line: str, width: int) -> Row:
        lowered = line.lower()
        tone = "bad" if any(word in lowered for word in WORSE) else "dim"
        return [Span(fit(line, width), tone)]

    def _first(self, room: int) -> int:
        last = max(0, len(self._lines) - room)
        return last if self._top is None else min(self._top, last)

    def action_scroll(self, lines: int) -> None:
        room = max(1, self.content_size.height - 1)
        self._top = max(0, self._first(room) + lines)
        self._settle(room)

    def action_page(self, pages: int) -> None:
        self.action_scroll(pages * max(1, self.content_size.height - 2))

    def action_top(self) -> None:
        self._top = 0
        self.repaint()

    def action_bottom(self) -> None:
        self._top = None
        self.repaint()

    def _settle(self, room: int) -> None:
        """At the end it follows again."""
        if self._top is not None and self._top >= len(self._lines) - room:
            self._top = None
        self.repaint()
