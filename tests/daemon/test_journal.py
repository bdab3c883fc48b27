from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lorad.daemon.journal import Journal, read_journal
from lorad.shared import failpoints
from lorad.shared.messages import PhaseReport


def phases(*names: str) -> list[PhaseReport]:
    return [PhaseReport(phase=name) for name in names]


def test_reports_come_back_by_number(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.append(phases("a", "b"))
    journal.append(phases("c"))
    journal.close()
    assert read_journal(path) == phases("a", "b", "c")
    assert read_journal(path, after=2) == phases("c")
    assert read_journal(path, after=3) == []


def test_a_torn_end_is_as_if_it_had_not_been(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.append(phases("a", "b"))
    journal.close()
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        assert read_journal(path) == phases("a", "b")[: len(read_journal(path))]
    assert len(read_journal(path)) == 1


def test_zeros_at_the_end_are_as_a_torn_end(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.append(phases("a"))
    journal.close()
    path.write_bytes(path.read_bytes() + bytes(64))
    assert read_journal(path) == phases("a")


def test_a_new_journal_forgets_an_old_one_of_its_name(tmp_path: Path) -> None:
    for name in ("old", "new"):
        journal = Journal(tmp_path / "journal")
        journal.append(phases(name))
        journal.close()
    assert read_journal(tmp_path / "journal") == phases("new")


def test_no_journal_is_no_report(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "none") == []


@pytest.mark.parametrize("fault", ["enospc", "eio", "short"])
def test_what_a_full_disk_took_of_a_frame_is_cut_off_again(tmp_path: Path, fault: str) -> None:
    journal = Journal(tmp_path / "journal")
    journal.append(phases("a"))
    failpoints.arm(f"journal.append:{fault}")
    with pytest.raises(OSError, match=r"No space left|Input/output"):
        journal.append(phases("b", "c"))
    failpoints.arm("")
    journal.append(phases("b", "c"))
    journal.close()
    assert read_journal(tmp_path / "journal") == phases("a", "b", "c")


def test_a_box_without_room_for_its_file_gets_it_later(tmp_path: Path) -> None:
    path = tmp_path / "run" / "journal"
    journal = Journal(path)
    with pytest.raises(OSError, match="No such file"):
        journal.append(phases("a"))
    path.parent.mkdir()
    journal.append(phases("a", "b"))
    journal.close()
    assert read_journal(path) == phases("a", "b")


def test_stacks_go_to_the_log_where_there_is_no_room_for_their_file() -> None:
    code = (
        "import os, signal; from pathlib import Path; from lorad.daemon import stacks; "
        "stacks.answer(Path('/nowhere')); os.kill(os.getpid(), signal.SIGUSR1); print('lives')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "lives\n"
    assert 'File "<string>", line 1' in done.stderr
