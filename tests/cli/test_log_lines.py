"""`lorad log --grep --level`, `lorad gpu` and `lorad health`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.conftest import Lorad
from cli.test_with_daemon import end_daemon

from lorad.shared.endpoints import Home, find_home
from lorad.tui.commands._log import Piece, Pieces, Sieve, Text, of_file, only, sifted

TEXT = "fine\nWARNING: hot\nERROR: broken\n  at line 3\nfine again\nhalf an Err"


def pieces(text: str, at: int = 0) -> Iterator[Piece]:
    """A few bytes at a time."""
    for begin in range(0, len(text), 5):
        part = text[begin : begin + 5]
        yield Piece(at + begin, at + begin + len(part), part)


def kept(sieve: Sieve, lines: int | None = None, more: str = "") -> str:
    log = Pieces(lambda: pieces(TEXT), lambda at: pieces(more, at))
    return "".join(piece.text for piece in only(log, sieve, lines))


@pytest.mark.parametrize(
    ("sieve", "lines", "found"),
    [
        (Sieve("info", "FINE"), None, "fine\nfine again\n"),
        (Sieve("warning", ""), None, "WARNING: hot\nERROR: broken\n  at line 3\n"),
        (Sieve("error", "line"), None, "  at line 3\n"),
        (Sieve("warning", ""), 2, "ERROR: broken\n  at line 3\n"),
        (Sieve("info", "err"), None, "ERROR: broken\nhalf an Err"),
        (Sieve("info", "zebra"), 3, ""),
    ],
)
def test_only_lines_that_fit_are_kept(sieve: Sieve, lines: int | None, found: str) -> None:
    assert kept(sieve, lines) == found


class Uncopied(str):
    """A piece that nobody may put behind what came before it: that would copy all of it again."""

    def __radd__(self, other: str) -> str:
        raise AssertionError("copied again")


def test_a_long_line_is_put_together_once(capsys: pytest.CaptureFixture[str]) -> None:
    parts = [Piece(n * 100, n * 100 + 100, Uncopied("x" * 100)) for n in range(200)]
    parts.append(Piece(20_000, 20_008, Uncopied("y\nend\nno")))
    found = "".join(piece.text for piece in sifted(parts, Sieve("info", "xy")))
    assert found == "x" * 20_000 + "y\n"
    text = Text()
    for piece in parts:
        text.write(piece)
    text.end()
    first, *others = capsys.readouterr().out.splitlines()
    assert (len(first), others) == (4096, ["end", "no"])


def test_a_line_that_is_followed_to_its_end_is_one() -> None:
    assert (
        kept(Sieve("info", "err"), None, "or\nmore\nerr\n") == "ERROR: broken\nhalf an Error\nerr\n"
    )
    assert kept(Sieve("info", "again"), 1, "\nonce again\nmore\n") == "fine again\nonce again\n"


def test_a_file_is_sifted_as_a_jobs_log_is(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(TEXT)
    found = [piece.text for piece in only(of_file(path, False), Sieve("error", ""), None)]
    assert "".join(found) == "ERROR: broken\n  at line 3\n"


@pytest.fixture
def daemon(lorad: Lorad, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setenv("LORAD_HOME", str(home))
    monkeypatch.setenv("LORAD_FAKE_GPUS", "1")
    place = find_home()
    assert lorad("up").returncode == 0
    try:
        yield place
    finally:
        end_daemon(place)


def test_the_machine_and_the_daemon_are_told(lorad: Lorad, daemon: Home, work: Path) -> None:
    cards = lorad("gpu").stdout
    assert "GPU 0 Fake RTX: 0 %, 1.0/24.0 GiB" in cards
    assert "not ours" in cards
    told = json.loads(lorad("gpu", "--json").stdout)
    assert list(told) == ["schema", "gpus", "host"]
    assert told["gpus"][0]["processes"][0]["pid"] == 1
    assert told["host"]["disks"]
    health = json.loads(lorad("health", "--json").stdout)
    assert health["daemon"]["pid"] == daemon.daemon_pid()
    assert health["database_bytes"] > 0
    text = (Path(__file__).parents[2] / "docs" / "cli-json.md").read_text()
    named = [*health, *told["host"], *told["gpus"][0], *told["gpus"][0]["processes"][0]]
    assert [name for name in named if f"`{name}`" not in text and name != "schema"] == []
    words = lorad("health").stdout
    assert f"pid {daemon.daemon_pid()}" in words
    assert "events" in words


def test_the_daemons_log_is_sifted(lorad: Lorad, daemon: Home) -> None:
    whole = lorad("log", "--daemon", "--grep", "IS UP").stdout
    assert whole.count("\n") == 1
    assert "INFO daemon" in whole
    assert lorad("log", "--daemon", "--level", "error").stdout == ""
    found = json.loads(lorad("log", "--daemon", "--grep", "is up", "--json").stdout)
    assert found["text"] == whole
    assert lorad("log", "--daemon", "--level", "worse").returncode == 2
