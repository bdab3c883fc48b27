"""Adding a recipe by its path."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input, Static

from lorad.shared.clean import clean, clean_line
from lorad.shared.errors import RecipeError
from lorad.shared.messages import Added, AddJob
from lorad.shared.recipe import load_recipe
from lorad.tui.messages import Answered, Declined
from lorad.tui.screens.base import Dialogue

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

    class Completed(Message):
        """There may be more than one way to go on."""

    def action_complete(self) -> None:
        if found := candidates(self.value):
            self.value = _shared(found)
            self.cursor_position = len(self.value)


class AddScreen(Dialogue):
    """Yields the new job's id."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "close", id="add.close"),
    ]

    def compose(self) -> ComposeResult:
        """A path, what it could be, and what is wrong with it."""
        with Vertical(classes="dialogue"):
            yield Static("Add a recipe", classes="headline", markup=False)
            yield PathInput(placeholder="recipe.toml", id="path", select_on_focus=False)
            yield Static("", id="offers", classes="quiet", markup=False)
            yield Static("", id="trouble", classes="trouble", markup=False)
            yield Static("enter add   tab complete   esc close", classes="keys", markup=False)

    def on_mount(self) -> None:
        self._offer("")

    @on(Input.Changed, "#path")
    def _typed(self, event: Input.Changed) -> None:
        self._offer(event.value)
        self._complain("")

    def _offer(self, text: str) -> None:
        found = candidates(text)
        names = [clean_line(path.rstrip("/").rpartition("/")[2], 60) for path in found]
        lines = [
            name + ("/" if path.endswith("/") else "")
            for path, name in zip(found, names, strict=True)
        ]
        if len(lines) > CANDIDATES:
            lines = [*lines[: CANDIDATES - 1], f"and {len(lines) - CANDIDATES + 1} more"]
        self.query_one("#offers", Static).update("\n".join(lines))

    def _complain(self, sentence: str) -> None:
        self.query_one("#trouble", Static).update(clean(sentence, 1000))

    @on(Input.Submitted, "#path")
    def _submit(self, event: Input.Submitted) -> None:
        path = Path(event.value.strip() or ".").expanduser().absolute()
        if path.is_dir():
            self.query_one(PathInput).action_complete()
            self._complain(f"{event.value or 'This'} is a folder. Choose a recipe in it.")
            return
        try:
            _, text = load_recipe(path)
        except RecipeError as error:
            self._complain(str(error))
            return
        self.lorad.link.ask(AddJob(recipe=text, folder=str(path.parent)))

    def answered(self, event: Answered) -> bool:
        """It is in the queue."""
        if isinstance(event.reply, Added):
            self.dismiss(event.reply.job.id)
            return True
        return False

    def declined(self, event: Declined) -> bool:
        """The daemon's sentence, where it is looked for."""
        if isinstance(event.request, AddJob):
            self._complain(event.sentence)
            return True
        return False
