"""All keys of a screen, from the bindings themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import Static

from lorad.tui.keys import bound, shown
from lorad.tui.screens.base import Dialogue

SECTIONS = {
    "job": "Jobs", "view": "Views", "pane": "Views", "queue": "Queue", "wall": "Samples",
    "app": "Everywhere",
}  # fmt: skip
"""By the first word of a binding's id; other keys stand under their screen's or pane's name."""


class HelpScreen(Dialogue):
    """Grouped by what the keys are for."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1,enter", "dismiss", "close", id="help.close"),
    ]

    def __init__(self, below: Screen[Any]) -> None:
        super().__init__()
        self._below = below

    def compose(self) -> ComposeResult:
        """A list that scrolls where it must."""
        with Vertical(classes="dialogue", id="help"), VerticalScroll(id="help-scroll"):
            yield Static(help_text(self._below), id="help-text")


def help_text(screen: Screen[Any]) -> Text:
    """The list of what works on this screen, in any of its panes."""
    sections: dict[str, dict[str, tuple[list[str], str]]] = {}
    for title, binding in _bindings(screen):
        lines = sections.setdefault(title, {})
        what = binding.tooltip or binding.description.capitalize()
        keys, _ = lines.setdefault(binding.action, ([], what))
        if (key := shown(binding.key)) not in keys:
            keys.append(key)
    text = Text()
    everywhere = sections.pop(SECTIONS["app"], {})
    for title, lines in [*sections.items(), (SECTIONS["app"], everywhere)]:
        text.append(f"{title}\n", "bold")
        for keys, what in lines.values():
            text.append(f"  {' '.join(keys):<16}")
            text.append(f"{what}\n", "dim")
        text.append("\n")
    text.right_crop(2)
    return text


def _bindings(screen: Screen[Any]) -> Iterator[tuple[str, Binding]]:
    """Each binding that has words, with its section. A pane that has the keys goes before."""
    app, kinds = screen.app, []
    for node in (screen, *screen.focus_chain, app):
        if type(node) in kinds:
            continue
        kinds.append(type(node))
        taken = bound(screen.focused) if node is screen and screen.focused else ()
        for key, some in bound(node).items():
            for binding in some if key not in taken else ():
                if binding.id and (binding.tooltip or binding.show):
                    yield _section(node, binding), binding


def _section(node: DOMNode, binding: Binding) -> str:
    first = (binding.id or "").partition(".")[0]
    return SECTIONS.get(first) or node.BINDING_GROUP_TITLE or first.capitalize()
