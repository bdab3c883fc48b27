"""A path that is typed, completed like a shell does it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from lorad.shared.clean import clean_line
from lorad.shared.codec import MAX_MESSAGE
from lorad.shared.errors import RecipeMissing, RecipeUnreadable

CANDIDATES = 8
GONE = "the folder in which this was started is there no longer"
SHOWN = 200
"""Characters of a path in a sentence about it."""


def recipe_path(text: str) -> Path | None:
    """The file that is typed, whole, if it could be a recipe; none for a folder.

    It is looked at before anybody reads it: this is done with every key.

    Raises:
        RecipeError: it is no path, not there, not ours, no file, or longer than any recipe.
    """
    shown = clean_line(text, SHOWN)
    try:
        path = Path(text or ".").expanduser().absolute()
    except FileNotFoundError:
        raise RecipeUnreadable(path=shown or ".", why=GONE) from None
    except (OSError, RuntimeError, ValueError) as error:
        raise RecipeUnreadable(path=shown, why=error) from error
    try:
        about = path.stat()
    except FileNotFoundError:
        raise RecipeMissing(path=shown) from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise RecipeUnreadable(path=shown, why=why) from error
    if stat.S_ISDIR(about.st_mode):
        return None
    if not stat.S_ISREG(about.st_mode):
        raise RecipeUnreadable(path=shown, why="it is no file")
    if about.st_size > MAX_MESSAGE:
        raise RecipeUnreadable(path=shown, why="it is too long for a recipe")
    return path


def working_folder() -> Path:
    """Where relative paths start.

    Raises:
        RecipeUnreadable: somebody removed it.
    """
    try:
        return Path.cwd()
    except OSError:
        raise RecipeUnreadable(path=".", why=GONE) from None


def candidates(text: str) -> list[str]:
    """Folders and recipes whose path begins like this, as it would be typed."""
    folder, _, begun = text.rpartition("/")
    prefix = text[: len(text) - len(begun)]
    try:
        entries = sorted(os.scandir(Path(folder + "/" if prefix else ".").expanduser()), key=_name)
    except (OSError, RuntimeError, ValueError):
        return []  # a folder or a user that is not there, or not ours: nothing to offer
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
