"""From TOML to a recipe, every mistake named by its key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from lorad.shared.errors import (
    NotToml,
    RecipeMissing,
    RecipeUnreadable,
    UnknownKey,
    WrongValue,
)
from lorad.shared.recipe.sections import Recipe
from lorad.shared.recipe.sense import check_sense
from lorad.shared.tables import unknown_key, wrong_value
from lorad.shared.toml import NoToml, read_toml


def load_recipe(path: Path) -> tuple[Recipe, str]:
    """The recipe in a file, and the file's text.

    Raises:
        RecipeError: it is missing, unreadable, no TOML, or does not say what a recipe may say.
    """
    try:
        source = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeMissing(path=path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeUnreadable(path=path, why=error) from error
    return parse_recipe(source, str(path)), source


def parse_recipe(source: str, path: str = "the recipe") -> Recipe:
    """The recipe in a text; `path` only names it in errors.

    Raises:
        RecipeError: as `load_recipe`.
    """
    try:
        tables = read_toml(source)
    except NoToml as error:
        raise NotToml(path=path, why=error) from error
    return convert_recipe(tables)


def convert_recipe(tables: dict[str, Any]) -> Recipe:
    """The recipe in TOML's tables.

    Raises:
        RecipeError: they do not say what a recipe may say.
    """
    several = isinstance(tables.get("data"), list)
    if not several:
        tables = {**tables, "data": [tables.get("data", {})]}
    if (unknown := unknown_key(tables, Recipe)) is not None:
        raise UnknownKey(key=unknown.key, hint=unknown.hint)
    try:
        recipe = msgspec.convert(tables, Recipe)
    except msgspec.ValidationError as error:
        wrong = wrong_value(error, Recipe)
        # A recipe with one set of pictures need not write it as a list.
        key = wrong.key if several else wrong.key.replace("data[0]", "data")
        raise WrongValue(key=key or "recipe", why=wrong.why) from error
    check_sense(recipe)
    return recipe
