"""A path that is typed, completed like a shell does it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from lorad.shared.clean import clean_line

CANDIDATES = 8


def candidates(text: str) -> list[str]:
    """Folders and recipes whose path begins like this, as it would be typed."""
    folder, _, begun = text.rpartition("/")
    prefix = text[: len(text) - len(begun)]
    try:
        entries = sorted(os.scandir(Path(folder + "/" if prefix else ".").expanduser()), key=_name)
    except OSError:
        return []  # a folder that is not there, or not ours: nothing to offer
    found = []
    for entry in entries:
        hidden = entry.name.startswith(".") and not begun.startswith(".")
        if hidden or not entry.name.startswith(begun):
            continue
        if _is_folder(entry):
            found.append(f"{prefix}{entry.name}/")
        elif entry.name.endswith(".toml"):
            found.append(prefix + entry.name)
    return found


def _shared(texts: list[str]) -> str:
    """The letters that all begin with."""
    shortest, longest = min(texts), max(texts)
    same = (a == b for a, b in zip(shortest, longest, strict=False))
    return shortest[: next((n for n, equal in enumerate(same) if not equal), len(shortest))]


def _name(entry: os.DirEntry[str]) -> tuple[bool, str]:
    return _is_folder(entry), entry.name  # recipes first


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link into a folder that is not ours


class PathInput(Input):
    """Tab completes as far as it is clear."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "complete", id="add.complete"),
    ]

    def action_complete(self) -> None:
        if found := candidates(self.value):
            self.value = _shared(found)
            self.cursor_position = len(self.value)


def offers(text: str) -> str:
    """What the text could be, a line each; what is too much is counted."""
    found = candidates(text)
    names = [clean_line(path.rstrip("/").rpartition("/")[2], 60) for path in found]
    lines = [
        name + ("/" if path.endswith("/") else "") for path, name in zip(found, names, strict=True)
    ]
    if len(lines) > CANDIDATES:
        lines = [*lines[: CANDIDATES - 1], f"and {len(lines) - CANDIDATES + 1} more"]
    return "\n".join(lines)
