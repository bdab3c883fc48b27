"""The prompts of a job, to be changed while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static, TextArea

from lorad.shared.clean import clean
from lorad.shared.errors import RecipeError
from lorad.shared.jobs import Job
from lorad.shared.messages import RecipeText, SetJob
from lorad.shared.recipe import parse_recipe
from lorad.shared.recipe.writing import as_toml
from lorad.shared.toml import NoToml, read_value
from lorad.tui.messages import Answered
from lorad.tui.screens.form import Form

KEY = "sample.prompts"
LARGEST = 100_000
"""Characters."""


def as_lines(prompts: Sequence[Any]) -> str:
    """A prompt a line; one with settings of its own, or that would read as one, as a table."""
    return "\n".join(_line(msgspec.to_builtins(prompt)) for prompt in prompts)


def _line(prompt: Any) -> str:
    if isinstance(prompt, str):
        plain = prompt.isprintable() and prompt.strip() == prompt and prompt
        if plain and not prompt.startswith("{"):
            return prompt
        prompt = {"prompt": prompt}
    return as_toml(prompt)


def as_value(lines: str) -> str:
    """The recipe's value for these lines.

    Raises:
        ValueError: a table that is none, in a sentence.
    """
    prompts: list[Any] = []
    for number, line in enumerate(lines.splitlines(), 1):
        text = line.strip()
        if text.startswith("{"):
            try:
                prompts.append(read_value(text))
            except NoToml as error:
                raise ValueError(f"Line {number} is no table: {error}.") from error
        elif text:
            prompts.append(text)
    return as_toml(prompts)


class PromptsScreen(Form):
    """Yields true when they were changed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "submit", "save", id="prompts.save", priority=True),
        Binding("escape", "dismiss(False)", "close", id="prompts.close", priority=True),
    ]

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job
        self.field = TextArea("", id="prompts", soft_wrap=True, tab_behavior="focus")

    def compose(self) -> ComposeResult:
        """A prompt a line."""
        note = 'One prompt a line. With settings of its own: { prompt = "a cat", seed = 7 }'
        with Vertical(classes="dialogue"):
            yield Static(f"Prompts of job {self._job.id}", classes="headline", markup=False)
            yield Static(note, classes="quiet", markup=False)
            yield self.field
            yield Static("", id="trouble", classes="trouble", markup=False)
            yield Static("ctrl+s save   esc close", classes="keys", markup=False)

    def on_mount(self) -> None:
        """What they are now is asked for: somebody else may have changed them."""
        self.field.disabled = True
        self.want_recipe(self._job.id)

    def _fill(self, recipe: str) -> None:
        try:
            prompts = parse_recipe(recipe).sample.prompts
        except RecipeError as error:
            self.complain(str(error))
            return
        self.field.load_text(clean(as_lines(prompts), LARGEST))
        self.field.disabled = False
        self.field.focus()

    def filled(self) -> SetJob | None:
        """The prompts as they are to be."""
        if self.field.disabled:
            return None
        try:
            value = as_value(self.field.text)
        except ValueError as error:
            self.complain(str(error))
            return None
        return SetJob(id=self._job.id, changes={KEY: value})

    def answered(self, event: Answered) -> bool:
        """The recipe, or that it was changed."""
        if self.wanted_recipe(event.request) and isinstance(event.reply, RecipeText):
            self._fill(event.reply.recipe)
            return True
        if event.request is self._sent:
            self.dismiss(True)
            return True
        return False
