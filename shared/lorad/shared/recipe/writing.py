"""From a recipe to TOML, and a key changed in a recipe's own text."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Struct

from lorad.shared.recipe.sections import Recipe
from lorad.shared.toml import NoToml, read_toml

MARK = "  # lorad set"
NONE = "none"


def as_toml(value: Any) -> str:
    """A value of strings, numbers, true and false, lists and tables, on one line.

    TOML has no word for none: in a table a key without a value is left out, and alone it is `none`,
    which only `lorad set` takes.
    """
    if value is None:
        return NONE
    if isinstance(value, str):
        return f'"{"".join(map(_character, value))}"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_toml, value))}]"
    if isinstance(value, dict):
        kept = {key: inner for key, inner in value.items() if inner is not None}
        inner = ", ".join(f"{_key(key)} = {as_toml(one)}" for key, one in kept.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else as_toml(name)


def _character(one: str) -> str:
    """A character in a basic string.

    What cannot be seen is escaped, so that a caption can neither break the file nor steer the
    terminal that the recipe is printed on. A lone surrogate, which TOML does not have, becomes the
    replacement character.
    """
    if one in '"\\':
        return f"\\{one}"
    if one.isprintable():
        return one
    if "\ud800" <= one <= "\udfff":
        return "\ufffd"
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return short.get(one) or (f"\\u{ord(one):04x}" if ord(one) < 0x10000 else f"\\U{ord(one):08x}")


def as_document(recipe: Recipe) -> str:
    """The recipe in its plainest form: every key that is not at its default."""
    lines = [f"name = {as_toml(recipe.name)}"]
    for name in Recipe.__struct_fields__:
        section = getattr(recipe, name)
        if name == "data":
            for data in section:
                lines += ["", "[[data]]", *_lines(data)]
        elif isinstance(section, Struct) and (keys := _lines(section)):
            lines += ["", f"[{name}]", *keys]
    return "\n".join([*lines, ""])


def _lines(section: Struct) -> list[str]:
    plain = type(section)()
    return [
        f"{key} = {as_toml(msgspec.to_builtins(getattr(section, key)))}"
        for key in section.__struct_fields__
        if getattr(section, key) not in (None, getattr(plain, key))
    ]


def with_key(source: str, table: str, field: str, value: str | None, mark: str = MARK) -> str:
    """The text with another value of TOML for a key of a table (`data[1]`); none: without.

    It goes by lines, so whoever calls it reads the text again and looks whether it came true.
    """
    lines = source.splitlines()
    header = _header(lines, table) if table else -1
    line = f"{field} = {value}{mark}"
    if header is None:
        return source if value is None else "\n".join([*lines, "", f"[{table}]", line, ""]).lstrip()
    end = next((n for n in range(header + 1, len(lines)) if _is_header(lines[n])), len(lines))
    for first in range(header + 1, end):
        if re.match(rf"\s*{re.escape(field)}\s*=", lines[first]):
            last = _last_line(lines, first)
            old = [f"# {gone}" for gone in lines[first : last + 1]]
            lines[first : last + 1] = old if value is None else [line]
            return "\n".join([*lines, ""])
    if value is not None:
        lines.insert(header + 1, line)
    return "\n".join([*lines, ""])


def _header(lines: list[str], table: str) -> int | None:
    """The line that opens a table: `[data]`, or the second `[[data]]` for `data[1]`."""
    name, _, number = table.rstrip("]").partition("[")
    pattern = re.compile(rf"\s*\[{{1,2}}\s*{name}\s*\]{{1,2}}\s*(#.*)?")
    found = [n for n, line in enumerate(lines) if pattern.fullmatch(line)]
    place = int(number or 0)
    return found[place] if place < len(found) else None


def _is_header(line: str) -> bool:
    return re.fullmatch(r"\s*\[{1,2}[\w\s.\"'-]+\]{1,2}\s*(#.*)?", line) is not None


def _last_line(lines: list[str], first: int) -> int:
    """Where a value that may go over several lines ends."""
    for last in range(first, len(lines)):
        try:
            read_toml("\n".join(lines[first : last + 1]))
        except NoToml:
            continue
        return last
    return first
