"""Every binding of the dashboard by its id, for whoever gives one another key."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import combinations

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import KEY_NAME_REPLACEMENTS, Keys

import lorad.tui.screens
import lorad.tui.widgets
from lorad.shared.clean import clean_line
from lorad.tui.app import LoradApp
from lorad.tui.screens.base import Dialogue, LoradScreen

KEY_NAMES = {*(key.value for key in Keys), *KEY_NAME_REPLACEMENTS.values()}
MODIFIERS = {"ctrl", "shift", "alt", "super", "hyper", "meta"}


def bindings() -> dict[str, Binding]:
    """All of them; where several keys do the same, as one."""
    found: dict[str, Binding] = {}
    for package in (lorad.tui.screens, lorad.tui.widgets):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    kinds: list[type[DOMNode]] = [LoradApp, *_kinds(DOMNode)]
    for kind in kinds:
        if kind.__module__.startswith("lorad."):
            for binding in kind.BINDINGS:
                if isinstance(binding, Binding) and binding.id:
                    found[binding.id] = binding
    return found


def _kinds(base: type[DOMNode]) -> Iterator[type[DOMNode]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)


def unknown(keys: Mapping[str, str]) -> list[str]:
    """A sentence for each id in `[keys]` that no binding has."""
    known = bindings() if keys else {}
    sentences = []
    for id in keys:
        if id not in known:
            close = difflib.get_close_matches(id, known, n=1, cutoff=0.5)
            hint = f" Did you mean `{close[0]}`?" if close else " `lorad config --keys` lists them."
            sentences.append(f"The settings give a key to `{id}`, which there is not.{hint}")
    return sentences


def strange(keys: Mapping[str, str]) -> list[str]:
    """A sentence for each key in `[keys]` that no terminal has."""
    return [
        f"The settings put `{id}` on `{clean_line(key.strip(), 40)}`, which is no key. Keys are"
        " called f5, ctrl+x, x, question_mark, comma and so on."
        for id, text in keys.items()
        for key in text.split(",")
        if not _is_key(key.strip())
    ]


def _is_key(name: str) -> bool:
    """Whether it is one as Textual calls them: a character, its name, or another key's."""
    *modifiers, last = name.split("+")
    if not set(modifiers) <= MODIFIERS:
        return False
    return len(last) == 1 or last in KEY_NAMES or last in map(_name, range(0x20, 0x530))


def _name(code: int) -> str:
    """A character's, as Textual calls its key."""
    return unicodedata.name(chr(code), "").lower().replace("-", "_").replace(" ", "_")


def doubled(keys: Mapping[str, str]) -> list[str]:
    """A sentence for each two ids that `[keys]` puts on one key of the same screen or pane.

    A pane's key goes before its screen's, and a dialogue's before the app's: that is no mistake.
    """
    told: dict[str, None] = {}
    bindings()  # imports them all
    everywhere = _by_key(LoradApp, keys)
    for kind in _kinds(DOMNode):
        if not kind.__module__.startswith("lorad."):
            continue
        found = _by_key(kind, keys)
        if issubclass(kind, LoradScreen) and not issubclass(kind, Dialogue):
            found = {key: [*ids, *everywhere.get(key, [])] for key, ids in found.items()}
        for key, ids in found.items():
            for one, other in combinations(dict.fromkeys(ids), 2):
                if one in keys or other in keys:
                    told[_doubled(key, one, other)] = None
    return list(told)


def _doubled(key: str, one: str, other: str) -> str:
    return (
        f"`{one}` and `{other}` are both on the key `{key}`, so only one of them works. Give one"
        " of them another key in the settings' `[keys]`."
    )


def _by_key(kind: type[DOMNode], keys: Mapping[str, str]) -> dict[str, list[str]]:
    """The ids of what it binds, by key, as the settings have it."""
    found: dict[str, list[str]] = {}
    for binding in kind.BINDINGS:
        if isinstance(binding, Binding) and binding.id:
            for key in keys.get(binding.id, binding.key).split(","):
                found.setdefault(key.strip(), []).append(binding.id)
    return found
