"""Text that is no TOML, of every kind, is one error."""

from __future__ import annotations

import pytest

from lorad.shared.recipe.writing import with_key
from lorad.shared.toml import NoToml, read_toml, read_value
from lorad.tui.screens.prompts import as_value

NONE = {
    "words": "a = b",
    "a number without end": "a = " + "9" * 5000,
    "brackets in brackets": "a = " + "[" * 5000,
    "a date that is none": "a = 2026-02-30",
}


@pytest.mark.parametrize("text", NONE.values(), ids=NONE)
def test_what_is_none(text: str) -> None:
    with pytest.raises(NoToml, match=r"."):
        read_toml(text)
    with pytest.raises(NoToml):
        read_value(text.removeprefix("a = "))


def test_one_value_and_no_more() -> None:
    assert read_value('[1, "two"]') == [1, "two"]
    with pytest.raises(NoToml, match="more than one"):
        read_value("1\nb = 2")


def test_where_people_type_it() -> None:
    with pytest.raises(ValueError, match="Line 2 is no table"):
        as_value("a cat\n{ prompt = " + "[" * 5000)
    deep = "a = " + "[" * 5000 + "]" * 5000
    assert "a = 1" in with_key(deep, "", "a", "1")
