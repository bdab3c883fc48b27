from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lorad.shared import failpoints
from lorad.shared.errors import FailpointUnknown
from lorad.shared.failpoints import DAEMON, POINTS, RUN

SOURCES = Path(__file__).parents[2] / "daemon"


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.arm("")


def test_nothing_fails_where_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(failpoints.VARIABLE, raising=False)
    failpoints.arm()
    for name in POINTS:
        failpoints.passed(name)


def test_a_place_fails_once_and_at_the_pass_that_is_asked_for() -> None:
    failpoints.arm("save.begun:enospc@3, save.staged:eio")
    failpoints.passed("save.begun")
    failpoints.passed("save.begun")
    with pytest.raises(OSError, match="No space left") as full:
        failpoints.passed("save.begun")
    assert full.value.errno == errno.ENOSPC
    failpoints.passed("save.begun")
    with pytest.raises(OSError, match="Input/output error"):
        failpoints.passed("save.staged")


def test_a_full_disk_takes_half_and_a_short_write_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    failpoints.arm("save.file:short")
    failpoints.wrote("save.file", path)
    assert path.stat().st_size == 50
    failpoints.arm("save.file:enospc")
    with pytest.raises(OSError, match="No space left"):
        failpoints.wrote("save.file", path)
    assert path.stat().st_size == 25
    failpoints.arm("journal.append:short")
    assert failpoints.taken("journal.append", b"1234") == b"12"
    assert failpoints.taken("journal.append", b"1234") == b"1234"


def test_kill_is_sigkill() -> None:
    code = "from lorad.shared import failpoints as f; f.arm(); f.passed('end.told'); print('on')"
    env = os.environ | {failpoints.VARIABLE: "end.told:kill"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"")


def test_a_fault_in_a_file_is_for_one_process_alone(tmp_path: Path) -> None:
    path = tmp_path / "fault"
    path.write_text("save.begun:eio\n")
    failpoints.arm(f"@{path}")
    assert not list(tmp_path.iterdir())
    with pytest.raises(OSError, match="Input/output error"):
        failpoints.passed("save.begun")
    failpoints.arm(f"@{path}")
    failpoints.passed("save.begun")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("save.nowhere:kill", "there is no place save.nowhere"),
        ("save.begun:melt", "what can happen at save.begun is kill, enospc, eio"),
        ("end.told:eio", "what can happen at end.told is kill"),
        ("save.begun", "it is not written as"),
        ("save.begun:kill@0", "it is not written as"),
    ],
)
def test_what_is_unknown_is_refused_with_a_sentence(given: str, why: str) -> None:
    with pytest.raises(FailpointUnknown, match=why):
        failpoints.arm(f"save.file:kill,{given}")


def test_a_daemon_that_is_asked_for_the_unknown_does_not_begin(tmp_path: Path) -> None:
    env = os.environ | {"LORAD_HOME": str(tmp_path / "home"), failpoints.VARIABLE: "no.place:kill"}
    done = subprocess.run([sys.executable, "-m", "lorad.daemon"], env=env, capture_output=True)
    assert done.returncode == 2
    assert b"LORAD_FAILPOINT says `no.place:kill`: there is no place no.place." in done.stderr


def test_every_name_of_the_table_is_somewhere_in_the_code() -> None:
    code = "".join(path.read_text() for path in SOURCES.rglob("*.py"))
    for name in POINTS:
        group, _, place = name.rpartition(".")
        # write_atomically is given the first half.
        wanted = f'"{group}"' if place in ("aside", "placed") else f'"{name}"'
        assert wanted in code, name
    assert RUN.keys().isdisjoint(DAEMON)
