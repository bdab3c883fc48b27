from __future__ import annotations

import unicodedata

import pytest
from hostile_text import OBEYED, TEXTS

from lorad.shared.clean import clean, clean_line

HOSTILE = [chr(code) for code in [*range(9), *range(11, 32), *range(127, 160)]] + [
    "\u202e", "\u2066", "\u2028", "\ud800", "\ue000", "\x1b]52;c;eA==\x07", "\x1b[2J",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    cleaned = clean(f"a{text}b")
    assert all((ord(c) >= 32 and not 127 <= ord(c) < 160) or c in "\n\t" for c in cleaned)
    assert not any(c in cleaned for c in "\u202e\u2066\u2028\ud800\ue000")
    assert cleaned.startswith("a")
    assert cleaned.endswith("b")


def test_there_are_enough_of_them() -> None:
    assert len(TEXTS) >= 300
    assert all("PWN" in text for text in TEXTS)
    assert any(ord(char) > 0xFFFF for text in TEXTS for char in text)


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_nothing_hostile_is_left_but_its_letters(text: str) -> None:
    for shown in (clean(text), clean_line(text)):
        hidden = {"Cc", "Cf", "Zl", "Zp", "Co", "Cs"}
        left = {char for char in shown if unicodedata.category(char) in hidden}
        assert not left - {"\n", "\t", "\u200c", "\u200d"}
        assert "PWN" in shown
        assert not any(one in shown for one in OBEYED)
        marks = "".join("m" if unicodedata.combining(char) else " " for char in shown)
        assert "mmmm" not in marks, "no tower of marks"
    assert not {*"\n\t"} & {*clean_line(text)}


def test_ordinary_text_stays() -> None:
    text = "Zoë’s 猫 [/b] (smile:1.2)\n\tčšž"
    assert clean(text) == text


def test_length_and_marks_are_bounded() -> None:
    assert len(clean("x" * 10_000, 100)) == 100
    assert len(clean("e" + "\u0301" * 500)) == 4


def test_line_has_no_breaks() -> None:
    assert clean_line("a\r\nb\n c") == "a b c"
