"""A training script's arguments as a table, and a command line read against it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from lorad.shared.errors import CannotImport
from lorad.tui.imports.draft import Draft, told

Kind = Literal["text", "whole", "number", "steps", "switch", "truth", "list"]
"""steps: a whole number, or a share of the run. truth: python's `bool` of a text, so that only an
empty one is false. list: words up to the next argument."""

Table = Mapping[str, "Argument"]

LARGEST = 2**63 - 1
"""The largest whole number: TOML promises no larger one, and the rules reckon with floats."""


class Argument(NamedTuple):
    """One argument of a script."""

    kind: Kind
    default: Any = None
    """The script's own."""
    to: str = ""
    """The recipe's key where it lands as it is, its default too; empty: a rule's, or nobody's."""
    note: str = ""
    """What is said where somebody gave it."""


def left_out(why: str, *, switches: str = "", values: str = "") -> dict[str, Argument]:
    """Arguments without a counterpart, by their names; one reason for all of them."""
    table = {name: Argument("switch", note=why) for name in switches.split()}
    return table | {name: Argument("text", note=why) for name in values.split()}


class Arguments:
    """What was given, over the script's defaults."""

    def __init__(self, table: Table, given: dict[str, Any]) -> None:
        self.table = table
        self.given = given

    def __getitem__(self, name: str) -> Any:
        """What holds; None for what this script does not have."""
        if name in self.given:
            return self.given[name]
        return self.table[name].default if name in self.table else None

    def land(self, draft: Draft) -> None:
        """Put what has a place of its own into the draft, and say what has none."""
        for name, argument in self.table.items():
            if argument.to:
                draft.put(argument.to, self[name], f"--{name}" if name in self.given else "")
            if argument.note and name in self.given:
                draft.remark(f"--{name}", argument.note)


def read_words(words: list[str], table: Table, draft: Draft) -> dict[str, Any]:
    """The values by name; what the script does not know is remarked and left out.

    Raises:
        CannotImport: a value is missing or is not of its argument's kind.
    """
    given: dict[str, Any] = {}
    rest, before = list(words), "the script"
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            # The word itself is not told: it could be a token that slipped.
            draft.remark(f"A word after {before}", "it belongs to no argument; it is left out.")
            continue
        name, equals, value = word[2:].partition("=")
        before = f"--{name}"
        values = ([value] if equals else []) + _take(rest, table, name, begun=bool(equals))
        known = find_name(name, table)
        if known is None:
            draft.remark(f"--{name}", f"the script has no such argument.{_near(name, table)}")
        else:
            given[known] = _value_of_words(known, table[known].kind, values)
    return given


def _take(rest: list[str], table: Table, name: str, *, begun: bool) -> list[str]:
    """The words that belong to an argument; of an unknown one, all up to the next."""
    known = find_name(name, table)
    kind = table[known].kind if known else "list"
    if kind == "switch" or (begun and kind != "list"):
        return []
    most = len(rest) if kind == "list" else 1
    taken: list[str] = []
    while rest and len(taken) < most and not rest[0].startswith("--"):
        taken.append(rest.pop(0))
    return taken


def find_name(name: str, table: Iterable[str]) -> str | None:
    """The argument of this name, or the only one that begins so, as argparse has it."""
    if name in table:
        return name
    begun = [known for known in table if name and known.startswith(name)]
    return begun[0] if len(begun) == 1 else None


def _near(name: str, table: Table) -> str:
    close = difflib.get_close_matches(name, table, n=1, cutoff=0.6)
    return f" Did you mean --{close[0]}?" if close else ""


def _value_of_words(name: str, kind: Kind, words: list[str]) -> Any:
    if kind == "list":
        return words
    if kind == "switch":
        return True
    if not words:
        raise CannotImport(what=f"The argument --{name}", why="its value is missing")
    return convert(name, kind, words[0])


def convert(name: str, kind: Kind, value: Any) -> Any:
    """A word of a command line or a value of a TOML file as the argument's kind.

    Raises:
        CannotImport: it is none.
    """
    try:
        if isinstance(value, list | dict) and kind != "list":
            raise TypeError  # a text would take it, and so would a truth
        return _CONVERTERS[kind](value)
    except OverflowError:
        why = f"{told(value)} is too large a number"
    except (TypeError, ValueError):
        why = f"{told(value)} is no {_KINDS[kind]}"
    raise CannotImport(what=f"The argument --{name}", why=why)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError
    if abs(number := int(value)) > LARGEST:
        raise OverflowError
    return number


def _number(value: Any) -> float:
    number = float(value)
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError
    return number


def _steps(value: Any) -> int | float:
    """As kohya's int_or_float (library/train_util.py): below 1, and with `%`, it is a share."""
    if isinstance(value, str) and value.endswith("%"):
        return _number(value[:-1]) / 100
    number = _number(value)
    return _whole(number) if number >= 1 or number == 0 else number


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _words(value: Any) -> list[str]:
    return [str(word) for word in value] if isinstance(value, list) else [str(value)]


_CONVERTERS: dict[Kind, Callable[[Any], Any]] = {
    "text": str,
    "whole": _whole,
    "number": _number,
    "steps": _steps,
    "switch": _switch,
    "truth": bool,
    "list": _words,
}
_KINDS = {
    "text": "text",
    "whole": "whole number",
    "number": "number",
    "steps": "number of steps",
    "switch": "true or false",
    "truth": "true or false",
    "list": "list",
}
