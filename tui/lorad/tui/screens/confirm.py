"""A question before something that is hard to take back."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static

from lorad.shared.clean import clean_line
from lorad.tui.screens.base import Dialogue


class Confirm(Dialogue):
    """Yields true for yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter", "answer(True)", "yes", id="confirm.yes"),
        Binding("n,escape,q", "answer(False)", "no", id="confirm.no"),
    ]

    def __init__(self, question: str, note: str) -> None:
        super().__init__()
        self._question = question
        self._note = note

    def compose(self) -> ComposeResult:
        """Question, what it means, keys."""
        with Vertical(classes="dialogue"):
            yield Static(clean_line(self._question, 400), classes="headline", markup=False)
            yield Static(clean_line(self._note, 400), classes="quiet", markup=False)
            yield Static("y yes   n no", classes="keys", markup=False)

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)
