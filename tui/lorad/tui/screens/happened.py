"""What happened since somebody left, or lately."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from lorad.shared.messages import GetNews, Happening, Happenings
from lorad.tui.happenings import absence_lines, away_line, clock, newest_first, sentence
from lorad.tui.messages import Answered, Declined
from lorad.tui.mirror import Away
from lorad.tui.screens.base import Dialogue
from lorad.tui.widgets.since import SinceLine

LATELY = 200
"""Lines of the list where nobody was away."""


class HappenedScreen(Dialogue):
    """Newest first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,u,q,enter", "dismiss", "close", id="happened.close", tooltip="Close"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._asked: GetNews | None = None

    def compose(self) -> ComposeResult:
        """A headline and a list that scrolls where it must."""
        with Vertical(classes="dialogue", id="happened"):
            yield Static("What happened", classes="headline", markup=False, id="happened-title")
            with VerticalScroll(id="happened-list"):
                yield Static("…", id="happened-lines", markup=False)
            yield Static("esc close", classes="keys", markup=False)

    def on_mount(self) -> None:
        away = self.lorad.mirror.away
        for line in self.app.screen_stack[0].query(SinceLine):
            line.read()
        if away is None or not away_line(away):
            self._asked = GetNews(newest=True, limit=LATELY)
        else:
            self.query_one("#happened-title", Static).update(_headline(away))
            self._asked = GetNews(since=away.since, newest=True)
        self.lorad.link.ask(self._asked)

    def answered(self, event: Answered) -> bool:
        """The list."""
        if event.request is not self._asked or not isinstance(event.reply, Happenings):
            return False
        lines = [(line.time, _shown(line)) for line in newest_first(event.reply.happenings)]
        lines += [(at, Text(said)) for at, said in self._absences()]
        lines.sort(key=lambda line: line[0], reverse=True)
        text = Text()
        for at, said in lines:
            text.append(f"{clock(at)}  ", "dim").append_text(said).append("\n")
        text.right_crop(1)
        self.query_one("#happened-lines", Static).update(text if text else "Nothing yet.")
        return True

    def declined(self, event: Declined) -> bool:
        """Why there is no list."""
        if event.request is self._asked:
            said = [f"{clock(at)}  {line}" for at, line in self._absences()[::-1]]
            self.query_one("#happened-lines", Static).update(
                Text("\n".join([event.sentence, *said]))
            )
            return True
        return False

    def _absences(self) -> list[tuple[float, str]]:
        return absence_lines(self.lorad.mirror.absences)


def _shown(line: Happening) -> Text:
    ended = line.before != line.after and line.after in ("done", "failed")
    return Text(sentence(line), "bold" if ended else "")


def _headline(away: Away) -> str:
    line = away_line(away)
    return line[:1].upper() + line[1:]
