"""What parts several recipes: the keys whose values are not the same in all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from lorad.shared.recipe.changes import tables
from lorad.shared.recipe.sections import Data, Recipe
from lorad.shared.recipe.writing import as_toml


class Difference(NamedTuple):
    """One key of the recipes that are compared."""

    key: str
    """In full: `train.seed`; `data.path` where every recipe has one set of pictures."""
    values: tuple[Any, ...]
    """In the recipes' order, as JSON has them; none where it is not set, and for no recipe."""


def differences(recipes: Sequence[Recipe | None]) -> list[Difference]:
    """The keys that are not the same in all recipes, in the order of the recipe's tables.

    One that is none, since it cannot be read, is left out of the comparison.
    """
    flat = [{} if recipe is None else dict(_keys(tables(recipe))) for recipe in recipes]
    known = [values for values in flat if values]
    plain = msgspec.to_builtins(Data())
    alone = all("data[1].path" not in values for values in known)
    keys = list(dict.fromkeys(key for values in known for key in values))
    keys.sort(key=_table)  # a second set of pictures stands beside the first
    found = []
    for key in keys:
        # Of a set that only some have, what it says itself: not the defaults too.
        usual = plain.get(key.partition(".")[2]) if key.startswith("data[") else None
        if len({as_toml(values.get(key, usual)) for values in known}) > 1:
            name = key.replace("data[0]", "data") if alone else key
            found.append(Difference(name, tuple(values.get(key) for values in flat)))
    return found


def _table(key: str) -> int:
    """The place of a key's table in a recipe."""
    name = key.partition(".")[0].partition("[")[0]
    return Recipe.__struct_fields__.index(name)


def _keys(recipe: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, table in recipe.items():
        if isinstance(table, dict):
            yield from ((f"{name}.{key}", value) for key, value in table.items())
        elif name == "data":
            for place, one in enumerate(table):
                yield from ((f"data[{place}].{key}", value) for key, value in one.items())
        else:
            yield name, table
