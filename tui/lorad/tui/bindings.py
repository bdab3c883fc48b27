"""Every binding of the dashboard by its id, for whoever gives one another key."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterator, Mapping

from textual.binding import Binding
from textual.dom import DOMNode

import lorad.tui.screens
import lorad.tui.widgets
from lorad.tui.app import LoradApp


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
