"""New recipes out of one: a copy with changes, and a sweep over several values."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from lorad.shared.errors import NoSweep, SweepTooLarge
from lorad.shared.recipe.changes import apply_changes, changed_source, full_key, plain_changes
from lorad.shared.recipe.reading import parse_recipe
from lorad.shared.recipe.sections import Recipe
from lorad.shared.recipe.writing import NONE, as_toml

MOST = 100
"""Jobs of one sweep: what a batch carries in one message, and what a queue still shows."""
NAME_LENGTH = 64
SHORT_NAMES = {
    "learning_rate": "lr",
    "text_encoder_lr": "telr",
    "max_train_steps": "steps",
    "num_train_epochs": "epochs",
    "train_batch_size": "batch",
    "optimizer_type": "optimizer",
}
"""How a key is called in the name of a job, where its own is long."""


class Variant(NamedTuple):
    """One recipe of a sweep."""

    name: str
    changes: dict[str, str]
    """By key in full, values as TOML."""


def copied_source(source: str, changes: Mapping[str, str], name: str) -> str:
    """The recipe's text under another name and with changes of any of its keys.

    Its output goes to a folder of its own, unless the changes name one.

    Raises:
        RecipeError: there is no such key, or the value does not fit.
    """
    recipe = parse_recipe(source)
    wanted = {"name": as_toml(name)} | plain_changes(recipe, changes, free=True)
    if recipe.output.folder is not None:
        wanted.setdefault("output.folder", NONE)
    return changed_source(source, wanted, free=True)


def free_name(name: str, taken: Collection[str]) -> str:
    """The name with the first number behind it that no other has: `cat`, `cat-2`, `cat-3`."""
    if (found := re.fullmatch(r"(.+)-\d+", name)) and found[1] in taken:
        name = found[1]
    for number in itertools.count(2):
        tried = f"{name[: NAME_LENGTH - 1 - len(str(number))]}-{number}"
        if tried not in taken:
            return tried
    raise AssertionError("count never ends")


def is_sweep(changes: Mapping[str, str]) -> bool:
    """Whether one of the keys has several values."""
    return any(len(split_values(text)) > 1 for text in changes.values())


def variants(recipe: Recipe, axes: Mapping[str, str]) -> list[Variant]:
    """A recipe for each combination of the values, which commas part; the last key turns fastest.

    Raises:
        RecipeError: there is no such key, or a value or a combination does not fit.
        NoSweep: no key has several values.
        SweepTooLarge: there are too many.
    """
    said = {key: split_values(text) for key, text in axes.items()}
    plain_changes(recipe, {key: some[0] for key, some in said.items()}, free=True)  # none twice
    values = {full_key(recipe, key, free=True): some for key, some in said.items()}
    count = 1
    for some in values.values():
        count *= len(some)
    if count == 1:
        raise NoSweep
    if count > MOST:
        raise SweepTooLarge(count=count, most=MOST)
    found: list[Variant] = []
    names: set[str] = set()
    for combination in itertools.product(*values.values()):
        changes = dict(zip(values, combination, strict=True))
        apply_changes(recipe, changes, free=True)
        swept = {key: value for key, value in changes.items() if len(values[key]) > 1}
        name = _name(recipe.name, swept)
        if name in names:
            name = free_name(name, names)
        names.add(name)
        found.append(Variant(name, changes))
    return found


def split_values(text: str, mark: str = ",") -> list[str]:
    """What commas (or another character) part, but none in quotes or brackets."""
    parts, depth, quote = [""], 0, ""
    for one in text:
        if quote:
            quote = "" if one == quote else quote
        elif one in "\"'":
            quote = one
        elif one in "[{":
            depth += 1
        elif one in "]}":
            depth -= 1
        elif one == mark and depth == 0:
            parts.append("")
            continue
        parts[-1] += one
    return [part.strip() for part in parts if part.strip()] or [text]


def _name(name: str, swept: Mapping[str, str]) -> str:
    """`cat-lr1e-4-rank8`: what it is and what it tries."""
    label = "".join(f"-{_short(key)}{_plain(value)}" for key, value in swept.items())
    kept = name[: max(8, NAME_LENGTH - len(label))]
    return (kept + label)[:NAME_LENGTH].rstrip("-.")


def _short(key: str) -> str:
    field = key.rpartition(".")[2]
    return SHORT_NAMES.get(field, field.replace("_", ""))


def _plain(value: str) -> str:
    """A value as a name may have it."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", value).strip("-.")[:24]
