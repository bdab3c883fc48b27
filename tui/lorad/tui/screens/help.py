"""All keys, from the bindings themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from lorad.tui.screens.base import Dialogue

KEYS = {
    "question_mark": "?",
    "slash": "/",
    "plus": "+",
    "minus": "-",
    "escape": "esc",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "shift+tab": "⇧tab",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "f1": "F1",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
}


class HelpScreen(Dialogue):
    """Grouped by where the keys work."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1,enter", "dismiss", "close", id="help.close"),
    ]

    def compose(self) -> ComposeResult:
        """A list that scrolls where it must."""
        with Vertical(classes="dialogue", id="help"), VerticalScroll(id="help-scroll"):
            yield Static(help_text(), id="help-text")


def help_text() -> Text:
    """The list."""
    from lorad.tui.app import LoradApp
    from lorad.tui.screens.log import LogScreen
    from lorad.tui.screens.main import MainScreen
    from lorad.tui.screens.samples import SamplesScreen
    from lorad.tui.widgets.log import LogView
    from lorad.tui.widgets.loss import LossChart
    from lorad.tui.widgets.queue import QueueList

    main = list(Binding.make_bindings(MainScreen.BINDINGS))
    text = Text()
    groups: list[tuple[str, Iterable[BindingType]]] = [
        ("Jobs", [b for b in main if (b.id or "").startswith("job.")]),
        ("Views", [b for b in main if (b.id or "").startswith(("view.", "pane."))]),
        ("Queue", [*(b for b in main if (b.id or "").startswith("queue.")), *QueueList.BINDINGS]),
        ("Loss", LossChart.BINDINGS),
        ("Log", [*LogView.BINDINGS, *LogScreen.BINDINGS]),
        ("Samples", SamplesScreen.BINDINGS),
        ("Everywhere", LoradApp.BINDINGS),
    ]
    for title, bindings in groups:
        text.append(f"{title}\n", "bold")
        for keys, what in _merged(Binding.make_bindings(bindings)):
            text.append(f"  {keys:<16}")
            text.append(f"{what}\n", "dim")
        text.append("\n")
    text.right_crop(2)
    return text


def _merged(bindings: Iterable[Binding]) -> list[tuple[str, str]]:
    """One line an action, with all keys that lead to it."""
    lines: dict[str, tuple[list[str], str]] = {}
    for binding in bindings:
        what = binding.tooltip or binding.description.capitalize()
        keys, _ = lines.setdefault(binding.action, ([], what))
        keys.append(KEYS.get(binding.key, binding.key))
    return [(" ".join(keys), what) for keys, what in lines.values()]
