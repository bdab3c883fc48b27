"""The doctor's way to this box: programs, files and the environment, with a double for tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class Port(Protocol):
    """What the gathering of facts may use."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables of this process."""

    def ask(self, *command: str, seconds: float = 5.0) -> str | None:
        """What a program printed; none where it is not there, fails or takes longer."""

    def read(self, path: str) -> str:
        """A small file of the system; empty where it cannot be read."""


class ThisBox:
    """The real one."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables of this process."""
        return os.environ

    def ask(self, *command: str, seconds: float = 5.0) -> str | None:
        """What a program printed; none where it is not there, fails or takes longer."""
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                env={**os.environ, "LC_ALL": "C"},
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        # `ssh -V` speaks on stderr.
        said = done.stdout or done.stderr
        return said.decode(errors="replace").strip() if done.returncode == 0 else None

    def read(self, path: str) -> str:
        """A small file of the system; empty where it cannot be read."""
        try:
            return Path(path).read_text(errors="replace")[: 1 << 20]
        except OSError:
            return ""


@dataclass
class FakeBox:
    """Says what it was told to; whatever else is asked is not there."""

    environment: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    """By the command line's beginning."""
    files: dict[str, str] = field(default_factory=dict)

    def ask(self, *command: str, seconds: float = 5.0) -> str | None:
        """The answer whose beginning fits."""
        line = " ".join(command)
        return next((said for begin, said in self.answers.items() if line.startswith(begin)), None)

    def read(self, path: str) -> str:
        """The text that lies there."""
        return self.files.get(path, "")
