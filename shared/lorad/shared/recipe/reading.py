"""From TOML to a recipe, every mistake named by its key."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
from msgspec import Struct

from lorad.shared.errors import (
    NotToml,
    RecipeMissing,
    RecipeUnreadable,
    UnknownKey,
    WrongValue,
)
from lorad.shared.recipe.sections import Recipe
from lorad.shared.recipe.sense import check_sense


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
        tables = tomllib.loads(source)
    except (tomllib.TOMLDecodeError, RecursionError) as error:  # brackets within brackets within
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
    _refuse_unknown(tables, Recipe, "")
    try:
        recipe = msgspec.convert(tables, Recipe)
    except msgspec.ValidationError as error:
        raise _translated(error, several=several) from error
    check_sense(recipe)
    return recipe


def _refuse_unknown(tables: dict[str, Any], section: type[Struct], prefix: str) -> None:
    """Raise UnknownKey for the first key that no field of the section has."""
    fields = {field.name: _section(field.type) for field in msgspec.structs.fields(section)}
    for key, value in tables.items():
        if key not in fields:
            raise UnknownKey(key=prefix + key, hint=_hint(key, section, prefix))
        if (inner := fields[key]) is not None:
            for table in value if isinstance(value, list) else [value]:
                if isinstance(table, dict):
                    _refuse_unknown(table, inner, f"{prefix}{key}.")


def _section(kind: Any) -> type[Struct] | None:
    """The section in a field's type, alone or in a list."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        return kind
    inner = [found for part in get_args(kind) if (found := _section(part)) is not None]
    return inner[0] if inner else None


def _hint(key: str, section: type[Struct], prefix: str) -> str:
    """The nearest name there is: in the same table first, then in any other."""
    here = {name: prefix + name for name in section.__struct_fields__}
    elsewhere = {
        name: f"{table.name}.{name}"
        for table in msgspec.structs.fields(Recipe)
        if (inner := _section(table.type)) is not None
        for name in inner.__struct_fields__
    }
    if key in elsewhere:
        return f" Did you mean `{elsewhere[key]}`?"
    for names in (here, elsewhere):
        if close := difflib.get_close_matches(key, names, n=1, cutoff=0.6):
            return f" Did you mean `{names[close[0]]}`?"
    return f" There are: {', '.join(sorted(here.values()))}."


def _translated(error: msgspec.ValidationError, *, several: bool) -> WrongValue:
    """The sentence of msgspec, with the key in the recipe's own spelling."""
    why, _, where = str(error).partition(" - at `$.")
    where = where.rstrip("`")
    if not several:
        where = where.replace("data[0]", "data")
    # msgspec writes `[...]` for the place in a list of several kinds.
    where = where.replace("[...]", "")
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", why):
        key = ".".join(filter(None, [where, missing.group(1)]))
        return WrongValue(key=key, why="it is missing")
    if why.startswith("Invalid enum value"):
        why = f"Expected one of {', '.join(_choices(where))}"
    why = re.sub(r"`(\w+)`", lambda found: _WORDS.get(found.group(1), found.group(0)), why)
    why = re.sub(r"`(\w+) \| (\w+)`", _either, why).replace(" or null", "")
    return WrongValue(key=where or "recipe", why=why[:1].lower() + why[1:])


def _either(found: re.Match[str]) -> str:
    return " or ".join(_WORDS.get(word, word) for word in found.groups())


def _choices(key: str) -> list[str]:
    """The words that a key takes, as TOML has them."""
    kind: Any = Recipe
    for part in re.sub(r"\[\d*\]", "", key).split("."):
        section = _section(kind)
        assert section is not None, key
        kind = next(f.type for f in msgspec.structs.fields(section) if f.name == part)
    return _words(kind)


def _words(kind: Any) -> list[str]:
    if kind is bool:
        return ["true", "false"]
    if get_origin(kind) is None:
        return [f'"{kind}"'] if isinstance(kind, str) else []
    return [word for part in get_args(kind) for word in _words(part)]


_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text in quotes",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "date": "a date",
    "time": "a time",
    "datetime": "a date and time",
}
