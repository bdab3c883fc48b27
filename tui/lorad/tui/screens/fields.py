"""The rows of a form on a recipe: what is in them, and what was changed."""

from __future__ import annotations

import msgspec
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static, TextArea

from lorad.shared.errors import WrongValue
from lorad.shared.recipe import Prompt, Recipe
from lorad.shared.recipe.copies import split_values
from lorad.shared.recipe.writing import as_toml

LABELS = {"rate": "learning rate", "length": "steps", "rank": "rank", "prompts": "prompts"}
KEYS = {"rate": "train.learning_rate", "rank": "lora.rank", "prompts": "sample.prompts"}


class Fields(Vertical):
    """A line for each key that people change most, the prompts, and a line for any other keys."""

    def __init__(self, *names: str) -> None:
        """`names` are some of `LABELS`."""
        super().__init__(id="fields")
        self._names = names
        self._keys = dict(KEYS)
        self._before: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """Label and input, side by side."""
        for name in self._names:
            with Horizontal(classes="row"):
                yield Static(LABELS[name], id=f"label-{name}", classes="label", markup=False)
                if name == "prompts":
                    yield TextArea(id=name, compact=True)
                else:
                    yield Input(id=name, select_on_focus=False)
        with Horizontal(classes="row"):
            yield Static("more", classes="label", markup=False)
            yield Input(id="more", placeholder="any key=value of the recipe", select_on_focus=False)

    def fill(self, recipe: Recipe) -> None:
        """Show what the recipe has, where nothing was typed yet."""
        train = recipe.train
        epochs = train.num_train_epochs is not None
        self._keys["length"] = "train.num_train_epochs" if epochs else "train.max_train_steps"
        self._before = {
            "rate": as_toml(train.learning_rate),
            "length": as_toml(train.num_train_epochs if epochs else train.max_train_steps),
            "rank": as_toml(recipe.lora.rank),
            "prompts": "\n".join(map(prompt_line, recipe.sample.prompts)),
        }
        for name in self._names:
            field = self.query_one(f"#{name}")
            if isinstance(field, TextArea):
                field.text = field.text or self._before[name]
            elif isinstance(field, Input):
                field.value = field.value or self._before[name]
        if "length" in self._names:
            self.query_one("#label-length", Static).update("epochs" if epochs else "steps")

    def changes(self) -> dict[str, str]:
        """What is other than it was filled with, as `lorad set` takes it.

        Raises:
            WrongValue: a word of the last line is no key with a value.
        """
        found = {}
        for name in self._names:
            if name == "prompts":
                text = self.query_one(f"#{name}", TextArea).text
            else:
                text = self.query_one(f"#{name}", Input).value
            if text.strip() != self._before.get(name, "").strip():
                found[self._keys[name]] = prompts_value(text) if name == "prompts" else text.strip()
        return found | pairs(self.query_one("#more", Input).value)


def pairs(text: str) -> dict[str, str]:
    """`rank=8 lr=1e-4` as keys and values.

    Raises:
        WrongValue: a word is no key with a value.
    """
    found: dict[str, str] = {}
    for word in split_values(text, " "):
        if not word.strip():
            continue
        key, _, value = word.partition("=")
        if not (key and value):
            raise WrongValue(key=key or word, why="say it as key=value, without blanks around =")
        found[key] = value
    return found


def prompt_line(prompt: str | Prompt) -> str:
    """A prompt as a line of its own: its text, or a table where it is more than a line of text."""
    if isinstance(prompt, str):
        plain = prompt.isprintable() and prompt == prompt.strip() and prompt[:1] not in ("", "{")
        return prompt if plain else as_toml({"prompt": prompt})
    return as_toml(msgspec.to_builtins(prompt))


def prompts_value(text: str) -> str:
    """The lines as TOML."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"[{', '.join(line if line.startswith('{') else as_toml(line) for line in lines)}]"
