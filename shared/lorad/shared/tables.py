"""Tables of TOML against the structs that they should fill: what is wrong, in words.

Recipes and settings are read alike and refused in sentences of their own.
"""

from __future__ import annotations

import difflib
import re
from typing import Any, NamedTuple, get_args, get_origin

import msgspec
from msgspec import Struct


class Unknown(NamedTuple):
    """A key that nobody knows."""

    key: str
    """In full: `train.seed`."""
    hint: str
    """A sentence with the nearest one, after a space."""


class Wrong(NamedTuple):
    """A value that does not fit."""

    key: str
    """In full, with its place in a list: `data[0].path`; empty for the whole."""
    why: str
    """The end of a sentence."""


def unknown_key(tables: dict[str, Any], root: type[Struct]) -> Unknown | None:
    """The first key that no field of `root` or of the sections in it has."""
    return _unknown(tables, root, root, "")


def _unknown(
    tables: dict[str, Any], section: type[Struct], root: type[Struct], prefix: str
) -> Unknown | None:
    fields = {field.name: field.type for field in msgspec.structs.fields(section)}
    for key, value in tables.items():
        if key not in fields:
            return Unknown(prefix + key, _hint(key, section, root, prefix))
        if (inner := _section(fields[key])) is not None:
            for name, table in _tables(key, value, named=get_origin(fields[key]) is dict):
                found = _unknown(table, inner, root, f"{prefix}{name}.")
                if found is not None:
                    return found
    return None


def _tables(key: str, value: Any, *, named: bool) -> list[tuple[str, dict[str, Any]]]:
    """The tables in a value, with their names: itself, those of a list, or those that it names."""
    if named and isinstance(value, dict):
        found = [(f"{key}.{name}", table) for name, table in value.items()]
    else:
        found = [(key, table) for table in (value if isinstance(value, list) else [value])]
    return [(name, table) for name, table in found if isinstance(table, dict)]


def _section(kind: Any) -> type[Struct] | None:
    """The section in a field's type, alone or in a list."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        return kind
    inner = [found for part in get_args(kind) if (found := _section(part)) is not None]
    return inner[0] if inner else None


def _hint(key: str, section: type[Struct], root: type[Struct], prefix: str) -> str:
    """The nearest name there is: in the same table first, then in any other."""
    here = {name: prefix + name for name in section.__struct_fields__}
    elsewhere = {
        name: f"{table.name}.{name}"
        for table in msgspec.structs.fields(root)
        if (inner := _section(table.type)) is not None and get_origin(table.type) is not dict
        for name in inner.__struct_fields__
    }
    if key in elsewhere:
        return f" Did you mean `{elsewhere[key]}`?"
    for names in (here, elsewhere):
        if close := difflib.get_close_matches(key, names, n=1, cutoff=0.6):
            return f" Did you mean `{names[close[0]]}`?"
    return f" There are: {', '.join(sorted(here.values()))}."


def wrong_value(error: msgspec.ValidationError, root: type[Struct]) -> Wrong:
    """The sentence of msgspec, with the key in the file's own spelling."""
    why, _, where = str(error).partition(" - at `$.")
    # msgspec writes `[...]` for the place in a list of several kinds.
    where = where.rstrip("`").replace("[...]", "")
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", why):
        return Wrong(".".join(filter(None, [where, missing.group(1)])), "it is missing")
    if why.startswith("Invalid enum value"):
        why = f"Expected one of {', '.join(_choices(where, root))}"
    why = re.sub(r"`(\w+)`", lambda found: _WORDS.get(found.group(1), found.group(0)), why)
    why = re.sub(r"`(\w+) \| (\w+)`", _either, why).replace(" or null", "")
    return Wrong(where, why[:1].lower() + why[1:])


def _either(found: re.Match[str]) -> str:
    return " or ".join(_WORDS.get(word, word) for word in found.groups())


def _choices(key: str, root: type[Struct]) -> list[str]:
    """The words that a key takes, as TOML has them."""
    kind: Any = root
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
