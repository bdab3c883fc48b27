"""A box of the test's own, behind an `ssh` that goes nowhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.conftest import SCRIPT
from support import Daemon

FAKE = Path(__file__).parent / "fake_ssh.py"


class Box:
    """Another machine: a home of its own, reached as `box`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.calls = folder / "calls"
        self.calls.touch()
        self._file = folder / "box.json"
        programs = folder / "bin"
        programs.mkdir()
        ssh = programs / "ssh"
        ssh.write_text(f'#!/bin/sh\nexec {sys.executable} {FAKE} "$@"\n')
        ssh.chmod(0o755)
        (programs / "lorad").symlink_to(SCRIPT)
        self.path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        monkeypatch.setenv("PATH", self.path)
        monkeypatch.setenv("FAKE_BOX", str(self._file))
        self.daemon = Daemon(self.home)
        self.be()

    def be(self, **other: Any) -> None:
        """What the box is like from now on."""
        env = {"LORAD_HOME": str(self.home), "PATH": self.path}
        box = {"env": env, "hosts": ["box", "me@box"], "calls": str(self.calls), **other}
        self._file.write_text(json.dumps(box))

    def lorad(self, *words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """The command line of the other machine, which has nothing of its own."""
        return subprocess.run(
            [str(SCRIPT), *map(str, words)],
            env={**os.environ, "LORAD_HOME": str(self.folder / "mine"), **environment},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
        )

    def ssh_pids(self) -> list[int]:
        """Every ssh that was ever begun."""
        return [int(line.split()[0]) for line in self.calls.read_text().splitlines()]


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    box = Box(tmp_path, monkeypatch)
    yield box
    if box.daemon.process is None and (pid := box.daemon.home.daemon_pid()):
        os.kill(pid, 15)
    box.daemon.stop()
