"""A log of any length, drawn from a window that is filled as somebody moves through it."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from lorad.shared.clean import clean
from lorad.shared.messages import LogLine
from lorad.tui.format import fit
from lorad.tui.logwindow import LogWindow
from lorad.tui.widgets.painting import Row, Span, centred, heading
from lorad.tui.widgets.scrolling import Scrolling

TONES = {"info": "dim", "warning": "warn", "error": "bad"}
NEAR = 50
"""So few lines beyond the view are a reason to fetch more."""
ASIDE = 20
"""Columns that one key goes to the side."""


class LogPages(Scrolling, can_focus=True):
    """Follows the end until somebody scrolls up, and again once they are back there."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll(1)", "down", show=False, id="pages.down"),
        Binding("k,up", "scroll(-1)", "up", show=False, id="pages.up"),
        Binding("pagedown,ctrl+d", "page(1)", "page down", show=False, id="pages.page_down"),
        Binding("pageup,ctrl+u", "page(-1)", "page up", show=False, id="pages.page_up"),
        Binding("right", "aside(1)", "to the right", show=False, id="pages.right"),
        Binding("left", "aside(-1)", "to the left", show=False, id="pages.left"),
    ]

    class Wanted(Message):
        """The view is near an end of the window, and the log goes on there."""

        def __init__(self, back: bool) -> None:
            super().__init__()
            self.back = back

    def __init__(self, title: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.title = title
        self.remark = ""
        """What else the heading says."""
        self.following = True
        """Whether the end stays in view."""
        self.found = ""
        """Text that is shown where it stands."""
        self._window = LogWindow()
        self._top = 0
        self._aside = 0

    @property
    def window(self) -> LogWindow:
        """What it holds."""
        return self._window

    def show(self, window: LogWindow) -> None:
        """Hold this; the line at the top of the view stays there."""
        before, self._window = self._window, window
        if not self.following and before.lines:
            top = before.lines[min(self._top, len(before.lines) - 1)].offset
            self._top = window.line_at(top)
        self._settle()

    def go_to(self, offset: int) -> None:
        """Bring the line that begins there into view, if it is held."""
        number = self._window.line_at(offset)
        room = self._room()
        if not self._top <= number < self._top + room or self.following:
            self._top = number - room // 3
        self.following = False
        self._settle()

    def follow(self) -> None:
        """Keep the end in view from now on."""
        self.following = True
        self._settle()

    def view(self) -> tuple[int, int]:
        """Where the lines in view begin and end, in bytes."""
        lines = self._window.lines[self._top : self._top + self._room()]
        after = self._top + len(lines)
        more = self._window.lines[after : after + 1]
        end = more[0].offset if more else max(self._window.end, self._window.size)
        return (lines[0].offset, end) if lines else (self._window.begin, end)

    def paint(self, width: int, height: int) -> list[Row]:
        """As many lines as there is room for."""
        head = heading(self.title, self._place(), width, self.has_focus)
        lines = self._window.lines[self._top : self._top + height - 1]
        if not lines:
            what = "nothing here" if self._window.loaded else "…"
            return [head, *centred([[Span(what, "dim")]], width, height - 1)]
        return [head, *(self._row(line, width) for line in lines)]

    def _place(self) -> str:
        window = self._window
        parts = [self.remark] if self.remark else []
        if self.following:
            parts.append("following")
        elif window.size:
            parts.append(f"{min(1.0, self.view()[1] / window.size):.0%}")
        return "  ".join(parts)

    def _row(self, line: LogLine, width: int) -> Row:
        shown = line.text.rstrip("\r").rsplit("\r", 1)[-1].expandtabs(4)
        text = fit(clean(shown).replace("\n", " ")[self._aside :], width)
        tone = TONES[line.level]
        row: Row = []
        lowered, at = text.lower(), 0
        sought = self.found.lower()
        # Where lower case is longer than what it was, the places would not be the same.
        while sought and len(lowered) == len(text) and (here := lowered.find(sought, at)) >= 0:
            row += [Span(text[at:here], tone), Span(text[here : here + len(sought)], "key+cursor")]
            at = here + len(sought)
        return [*row, Span(text[at:], tone)]

    # -- moving -------------------------------------------------------------------------------

    def _room(self) -> int:
        return max(1, self.content_size.height - 1)

    def _last(self) -> int:
        """The top of the view when its bottom is the end of what is held."""
        return max(0, len(self._window.lines) - self._room())

    def _settle(self) -> None:
        self._top = self._last() if self.following else min(max(0, self._top), self._last())
        self._want_more()
        self.repaint()

    def _want_more(self) -> None:
        window = self._window
        if not window.loaded:
            return
        if self._top < NEAR and not window.at_begin:
            self.post_message(self.Wanted(back=True))
        elif self._top + self._room() + NEAR > len(window.lines) and not window.at_end:
            self.post_message(self.Wanted(back=False))

    def action_scroll(self, lines: int) -> None:
        self._top += lines
        there = self._top >= self._last() and self._window.at_end
        self.following = lines > 0 and there
        self._settle()

    def action_page(self, pages: int) -> None:
        self.action_scroll(pages * max(1, self._room() - 1))

    def action_aside(self, by: int) -> None:
        self._aside = max(0, self._aside + by * ASIDE)
        self.repaint()

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        self._settle()
