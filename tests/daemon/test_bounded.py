"""A run that prints without end does not fill the disk, and whoever reads its log reads on."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import eventually

from lorad.daemon import bounded
from lorad.daemon.bounded import bound
from lorad.daemon.loglines import lines_of
from lorad.daemon.logs import read_log
from lorad.shared.messages import GetLog, GetLogLines

from .scripted import Make, add

LINE = b"%07d all is well\n"
MANY = 20_000


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that short logs are long ones."""
    monkeypatch.setattr(bounded, "MOST", 256 << 10)
    monkeypatch.setattr(bounded, "KEPT", 128 << 10)


def on_disk(path: Path) -> int:
    return path.stat().st_blocks * 512


@pytest.fixture
def cut(tmp_path: Path, small: None) -> Path:
    path = tmp_path / "log.txt"
    path.write_bytes(b"".join(LINE % number for number in range(MANY)))
    size = path.stat().st_size
    assert bound(path) > 0
    assert path.stat().st_size == size
    assert on_disk(path) <= bounded.KEPT + 2 * bounded.PAGE
    return path


def test_a_short_log_and_no_log_are_left_alone(tmp_path: Path) -> None:
    assert bound(tmp_path / "none") == 0
    (tmp_path / "short").write_bytes(b"a\n" * 1000)
    assert bound(tmp_path / "short") == 0


def test_it_is_cut_again_when_it_has_grown_again(cut: Path) -> None:
    assert bound(cut) == 0
    with cut.open("ab") as file:
        file.write(b"more\n" * 100_000)
    assert bound(cut) > 0
    assert on_disk(cut) <= bounded.KEPT + 2 * bounded.PAGE


def test_places_stay_what_they_were(cut: Path) -> None:
    at = (MANY - 10) * len(LINE % 0)
    assert read_log(cut, at, 1000).text.startswith("0019990 all")
    with cut.open("ab") as file:
        file.write(b"the end\n")
    assert read_log(cut, cut.stat().st_size - 8, 100).text == "the end\n"


def test_from_the_beginning_is_from_what_is_kept(cut: Path) -> None:
    piece = read_log(cut, 0, 1 << 20)
    assert "\0" not in piece.text
    assert piece.offset > 0
    assert piece.text.endswith("0019999 all is well\n")


def test_lines_before_what_is_kept_are_none(cut: Path) -> None:
    found = lines_of(cut, GetLogLines(id=1, offset=0, limit=5))
    assert [line.text[7:] for line in found.lines] == [" all is well"] * 5
    first = found.lines[0].offset
    back = lines_of(cut, GetLogLines(id=1, offset=first, back=True, limit=5))
    assert (back.lines, back.begin) == ([], 0)
    last = lines_of(cut, GetLogLines(id=1, offset=-1, back=True, limit=3))
    assert [line.text[:7] for line in last.lines] == ["0019997", "0019998", "0019999"]
    every = lines_of(cut, GetLogLines(id=1, offset=-1, back=True, limit=1000, find="0019"))
    assert every.lines[-1].text.startswith("0019999")


CHATTY = """
def train(task, line, looking=None):
    line.report(ReadyReport(step=1, last_step=40), point(1))
    for number in range(160):
        print("x" * (1 << 20))
    while line.wanted == "run":
        time.sleep(0.01)
    return EndReport(outcome="yielded")
"""


def test_a_run_that_prints_without_end_is_bounded(make: Make, tmp_path: Path) -> None:
    daemon = make(CHATTY)
    job = add(daemon, tmp_path)
    path = daemon.home.log(job.id)
    eventually(lambda: path.exists() and path.stat().st_size > 160 << 20)
    eventually(lambda: on_disk(path) < 100 << 20)
    assert "prints very much" in daemon.home.daemon_log.read_text()
    told = daemon.client().ask(GetLog(id=job.id, offset=0, limit=10_000))
    assert told.offset > 0
    assert set(told.text) <= {"x", "\n"}
