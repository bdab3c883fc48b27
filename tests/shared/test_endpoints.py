"""Where the sockets are: beside the queue, or in a short folder where that path is too long."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

import pytest

from lorad.shared.endpoints import find_home


def no_folder() -> str:
    raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")


@pytest.mark.parametrize(("name", "sockets"), [("short", "/home/short"), ("x" * 90, "/tmp")])
def test_a_full_disk_takes_no_home_away(
    monkeypatch: pytest.MonkeyPatch, name: str, sockets: str
) -> None:
    monkeypatch.setenv("LORAD_HOME", f"/home/{name}")
    monkeypatch.setattr(tempfile, "gettempdir", no_folder)
    found = find_home().sockets
    assert sockets in (str(found), str(found.parent))


def test_a_long_path_has_its_sockets_where_files_may_come_and_go(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LORAD_HOME", f"/home/{'x' * 90}")
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/var/tmp")
    assert find_home().sockets.parent == Path("/var/tmp")
    monkeypatch.setattr(tempfile, "gettempdir", lambda: f"/var/{'y' * 90}")
    assert find_home().sockets.parent == Path("/tmp")
