"""A program in a real pseudo-terminal whose output somebody reads."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self


def bare(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what would tell a program of another terminal, as the tests' own workers may."""
    foreign = ("TMUX", "COLUMNS", "LINES")
    return {key: value for key, value in environment.items() if key not in foreign}


class Terminal:
    """Runs a command in a terminal of a size; `text` is all that it wrote."""

    def __init__(self, command: list[str], env: dict[str, str], columns: int, rows: int) -> None:
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._command = command
        self._env = {**bare(env), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self._chunks: list[bytes] = []
        self.heard: list[tuple[float, int]] = []
        """When how many bytes came."""

    @property
    def text(self) -> str:
        """Everything written so far, escape sequences and all."""
        return self.data.decode(errors="replace")

    @property
    def data(self) -> bytes:
        """The same, byte for byte."""
        return b"".join(self._chunks)

    def send(self, keys: str) -> None:
        """Type."""
        os.write(self._master, keys.encode())

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._command, stdin=self._slave, stdout=self._slave, stderr=self._slave,
            env=self._env, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(self._slave)
        self.reader = threading.Thread(target=self._read, daemon=True)
        """Ends when all is read and nobody has the other end any more."""
        self.reader.start()
        return self

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # EIO: nobody has the other end any more
                return
            if not data:
                return
            self._chunks.append(data)
            self.heard.append((time.time(), len(data)))

    def hang_up(self) -> None:
        """As an SSH connection that breaks."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.hang_up()


class Tmux:
    """A command in a tmux of its own, ended with the block."""

    def __init__(self, folder: Path, size: tuple[int, int], command: Sequence[str]) -> None:
        self._server = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        columns, rows = map(str, size)
        subprocess.run(
            [*self._server, "new-session", "-d", "-x", columns, "-y", rows, *command],
            check=True, cwd=folder, env=bare(os.environ),
        )  # fmt: skip

    def press(self, keys: str) -> None:
        """These, with spaces between."""
        for key in keys.split():
            subprocess.run([*self._server, "send-keys", key], check=True)

    def capture(self, *options: str) -> str:
        """What its pane shows."""
        command = [*self._server, "capture-pane", "-p", *options]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([*self._server, "kill-server"], check=False)
