"""A draft as TOML: only what differs from lorad's defaults, and what everybody wants to see."""

from __future__ import annotations

from typing import Any

import msgspec

from lorad.shared.clean import clean_line
from lorad.shared.recipe import Data, Recipe
from lorad.shared.recipe.writing import as_toml
from lorad.tui.imports.draft import Draft

SHOWN = frozenset({
    "lora.rank", "train.train_batch_size", "train.resolution", "train.learning_rate",
    "train.seed", "train.mixed_precision", "schedule.lr_scheduler", "objective.snr_gamma",
})  # fmt: skip
"""Written even where they are as lorad has them."""


def write_recipe(draft: Draft, name: str, head: list[str]) -> str:
    """The recipe's text; `head` are its first lines, as comments."""
    lines = [f"# {clean_line(line)}" for line in head]
    lines += [f"name = {write_value(name)}"]
    sections = sorted(msgspec.structs.fields(Recipe), key=lambda field: field.name != "model")
    for section in sections:
        if section.name == "data":
            mark = "[[data]]" if len(draft.data) > 1 else "[data]"
            for table in draft.data:
                lines += ["", mark, *_keys("data", table, Data)]
        elif section.name != "name":
            prefix = f"{section.name}."
            table = {
                key.removeprefix(prefix): value
                for key, value in draft.values.items()
                if key.startswith(prefix)
            }
            if keys := _keys(section.name, table, type(section.default)):
                lines += ["", f"[{section.name}]", *keys]
    return "\n".join(lines) + "\n"


def _keys(section: str, table: dict[str, Any], kind: type[msgspec.Struct]) -> list[str]:
    """The lines of one table, in the order of `sections.py`."""
    lines = []
    for field in msgspec.structs.fields(kind):
        if field.name not in table:
            continue
        value = table[field.name]
        if value != field.default or f"{section}.{field.name}" in SHOWN:
            lines.append(f"{field.name} = {write_value(value)}")
    return lines


def write_value(value: Any) -> str:
    """A value as TOML has it; long lists and lists of tables with one entry a line."""
    if isinstance(value, list | tuple):
        items = [as_toml(item) for item in value]
        if sum(map(len, items)) > 70 or any(isinstance(item, dict) for item in value):
            return "\n".join(["[", *(f"  {item}," for item in items), "]"])
    return as_toml(value)
