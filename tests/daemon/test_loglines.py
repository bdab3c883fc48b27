"""Pieces of a log of any length, forwards, backwards and sifted."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorad.daemon import loglines
from lorad.daemon.loglines import read_lines
from lorad.shared.levels import LEVELS, level_of
from lorad.shared.messages import GetLogLines, LogLines


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that short logs are long ones."""
    monkeypatch.setattr(loglines, "REACHES", (16, 64))


def ask(text: bytes, offset: int, **more: Any) -> LogLines:
    return read_lines(io.BytesIO(text), GetLogLines(id=1, offset=offset, **more))


def forwards(text: bytes, **more: Any) -> list[str]:
    """Asked on until nothing comes."""
    at, found = 0, []
    while True:
        reply = ask(text, at, **more)
        # The last line is told again as long as it may grow.
        found = [known for known in found if known[0] < at]
        found += [(line.offset, line.text) for line in reply.lines]
        if reply.end <= at:
            break
        at = reply.end
    assert [offset for offset, _ in found] == sorted({offset for offset, _ in found})
    return [line for _, line in found]


def backwards(text: bytes, **more: Any) -> list[str]:
    at, found = -1, []
    while True:
        reply = ask(text, at, back=True, **more)
        found = [line.text for line in reply.lines] + found
        if reply.begin == 0:
            return found
        assert at < 0 or reply.begin < at
        at = reply.begin


LINES = st.lists(st.sampled_from(["", "a", "short", "x" * 14, "y" * 15, "long " * 30]), max_size=30)


@given(LINES, st.booleans(), st.integers(1, 7))
def test_every_line_comes_once_whichever_way_one_reads(
    lines: list[str], ended: bool, limit: int
) -> None:
    loglines.REACHES = (16, 64)
    text = "\n".join(lines) + ("\n" if ended and lines else "")
    whole = text.split("\n")
    if whole and not whole[-1]:
        whole.pop()
    found = forwards(text.encode(), limit=limit)
    assert [line[:16] for line in found] == [line[:16] for line in whole]
    assert [line[:16] for line in backwards(text.encode(), limit=limit)] == [
        line[:16] for line in whole
    ]


def test_only_what_is_sought_is_told_and_where_it_stands() -> None:
    text = b"one\nTwo\nthree\ntwo\nfour\n"
    assert forwards(text, find="two") == ["Two", "two"]
    assert backwards(text, find="two") == ["Two", "two"]
    (line,) = ask(text, -1, back=True, limit=1, find="TWO").lines
    assert (line.offset, line.text) == (14, "two")
    (line,) = ask(text, line.offset, back=True, limit=1, find="two").lines
    assert line.offset == 4


def test_levels_leave_out_what_is_better() -> None:
    text = b"begin\nWARNING: hot\nERROR: broken\n  at line 3\nfine again\n"
    assert forwards(text, level="warning") == ["WARNING: hot", "ERROR: broken", "  at line 3"]
    assert backwards(text, level="error") == ["ERROR: broken", "  at line 3"]


def test_the_last_line_may_have_no_end_yet() -> None:
    reply = ask(b"one\ntw", 0)
    assert [line.text for line in reply.lines] == ["one", "tw"]
    assert reply.end == 4, "it is asked for again when it has grown"
    assert [line.text for line in ask(b"one\ntwo\n", 4).lines] == ["two"]
    assert ask(b"one\ntw", -1, back=True).end == 4


def test_a_place_within_a_line_means_the_next_one() -> None:
    assert [line.text for line in ask(b"one\ntwo\nthree\n", 1).lines] == ["two", "three"]


def test_a_line_of_any_length_is_cut_and_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loglines, "REACHES", (1 << 16,))
    text = b"first\n" + b"z" * (10 << 20) + b"\nlast\n"
    assert [line[:5] for line in forwards(text)] == ["first", "zzzzz", "last"]
    found = backwards(text)
    assert [line[:5] for line in found] == ["first", "zzzzz", "last"]
    assert max(map(len, found)) == loglines.LINE_LIMIT


def test_beyond_the_end_there_is_nothing() -> None:
    reply = ask(b"one\n", 99)
    assert (reply.lines, reply.begin, reply.end, reply.size) == ([], 4, 4, 4)
    assert ask(b"", -1, back=True).lines == []


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("2026-01-02 03:04:05,678 INFO job 3: queued -> starting", "info"),
        ("2026-01-02 03:04:05,678 WARNING no error here", "warning"),
        ("2026-01-02 03:04:05,678 ERROR settling went wrong", "error"),
        ("WARNING: It goes on without torch.compile", "warning"),
        ("Traceback (most recent call last):", "error"),
        ("torch.OutOfMemoryError: CUDA out of memory.", "error"),
        ("ValueError: no", "error"),
        ("/lib/x.py:3: FutureWarning: soon", "warning"),
        ("Step 3: drew 4 pictures", "info"),
        ("terror and forewarnings", "info"),
        ("", "info"),
    ],
)
def test_what_a_line_says_of_itself(line: str, level: str) -> None:
    assert level_of(line) == level


def test_an_indented_line_goes_with_the_one_before() -> None:
    for before in LEVELS:
        assert level_of('  File "x.py", line 3', before) == before
        assert level_of("2026-01-02 03:04:05,678 INFO fine", before) == "info"
    assert level_of("Step 4", "error") == "info"
