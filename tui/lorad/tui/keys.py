"""How keys are called, and which ones the person has set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import Screen

KEYS = {
    "question_mark": "?",
    "slash": "/",
    "colon": ":",
    "asterisk": "*",
    "plus": "+",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "minus": "-",
    "escape": "esc",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "shift+tab": "⇧tab",
    "shift+left": "⇧←",
    "shift+right": "⇧→",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    **{f"f{n}": f"F{n}" for n in range(1, 13)},
}


def shown(key: str) -> str:
    """A key as people know it."""
    return KEYS.get(key, key)


def bound(node: DOMNode) -> Mapping[str, Sequence[Binding]]:
    """What it binds, by key, as the person has set them."""
    bindings = node._bindings.copy()
    bindings.apply_keymap(node.app._keymap)
    return bindings.key_to_bindings


def as_set(hint: str, screen: Screen[Any]) -> str:
    """The keys of a hint, such as `[ ]`, with those that the person has given to the same."""
    keymap = screen.app._keymap
    if not keymap:
        return hint
    nodes = (screen, *screen.focus_chain, screen.app)
    new = {
        shown(key): shown(keymap[id].partition(",")[0])
        for node in reversed(nodes)
        for key, bindings in node._bindings.key_to_bindings.items()
        for binding in bindings
        if (id := binding.id or "") in keymap
    }
    return " ".join(new.get(word, word) for word in hint.split(" "))
