"""The dashboard in a terminal of its own: it begins, leaves it clean, and dies with it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Daemon
from terminal import bare

PROGRAM = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
from pathlib import Path
from lorad.shared.endpoints import Home
from lorad.tui import app, conversation
app.TERMINAL_SECONDS = 0.2
conversation.REMEMBER_SECONDS = 0.1
folder = Path(sys.argv[1])
sys.exit(app.run({"": Home(folder, folder, folder)}))
"""
SOON = 60.0


class Terminal:
    """A program on a pseudo-terminal."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={
                **bare(os.environ),
                "TERM": "xterm-256color",
                "COLORTERM": "truecolor",
                **environment,
            },
            start_new_session=True,
        )
        os.close(slave)
        self.output = b""

    def read_until(self, wanted: bytes) -> None:
        deadline = time.monotonic() + SOON
        while wanted not in self.output:
            assert time.monotonic() < deadline, self.output[-500:]
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.output += os.read(self.master, 65536)
                except OSError:  # Linux's way to say that the other end is closed
                    break

    def send(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def close(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path, NO_COLOR="1")
    yield terminal
    terminal.close()
    if terminal.process.poll() is None:
        terminal.process.send_signal(signal.SIGKILL)
    terminal.process.wait()


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_it_begins_and_leaves_the_terminal_as_it_was(terminal: Terminal, key: bytes) -> None:
    terminal.read_until(b"lorad up")  # no daemon runs, and the sentence says what to do
    terminal.send(key)
    terminal.read_until(b"\x1b[?1049l")
    assert terminal.process.wait(SOON) == 0


def test_it_dies_with_its_terminal_even_where_hangups_are_ignored(terminal: Terminal) -> None:
    terminal.read_until(b"lorad up")
    terminal.close()
    assert terminal.process.wait(SOON) == 1


def test_it_dies_where_the_terminal_died_before_it_began(terminal: Terminal) -> None:
    terminal.close()
    assert terminal.process.wait(SOON) != 0


def test_without_colour_there_is_none_not_even_grey(terminal: Terminal) -> None:
    terminal.read_until(b"lorad up")
    styles = re.findall(rb"\x1b\[([\d;]*)m", terminal.output)
    assert styles
    assert {int(code or 0) for one in styles for code in one.split(b";")} <= {0, 1, 2, 7, 39, 49}


def test_a_terminal_that_nobody_reads_does_not_stop_the_link(
    daemon: Daemon, tmp_path: Path
) -> None:
    """The writer to a stalled terminal blocks the app, but not the thread that listens."""
    home = daemon.home.folder
    terminal = Terminal(home, LORAD_HOME=str(home))
    try:
        terminal.read_until(b"idle")  # it has attached and drawn; from here on nobody reads
        for _ in range(200):
            terminal.send(b"?\x1b")
        seen = home / "seen.json"
        times: set[str] = set()
        deadline = time.monotonic() + SOON
        while len(times) < 5:
            assert time.monotonic() < deadline, times
            if seen.exists():
                times.add(seen.read_text())
            time.sleep(0.1)
        assert terminal.process.poll() is None
    finally:
        terminal.close()
        assert terminal.process.wait(SOON) == 1, "a dead terminal ends it, also when it is stalled"
