"""TOML that somebody else wrote: what is none is one kind of error."""

from __future__ import annotations

import tomllib
from typing import Any


class NoToml(ValueError):
    """A text is no TOML; says where and why."""


def read_toml(text: str) -> dict[str, Any]:
    """The tables in a text.

    Raises:
        NoToml: there are none in it.
    """
    try:
        return tomllib.loads(text)
    # Not all are TOMLDecodeError: dates that are none, numbers without end, brackets in brackets.
    except (ValueError, RecursionError) as error:
        raise NoToml(str(error)) from error


def read_value(text: str) -> Any:
    """The one value in a text.

    Raises:
        NoToml: there is none in it, or more than one.
    """
    found = read_toml(f"value = {text}")
    if set(found) != {"value"}:
        raise NoToml("it is more than one value")
    return found["value"]
