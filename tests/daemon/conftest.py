from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Daemon

from .scripted import WAIT, Make, scripted


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Daemons whose runs do what a script says."""
    made: list[Daemon] = []

    def one(script: str = WAIT, **env: str) -> Daemon:
        made.append(scripted(tmp_path, script, **env))
        return made[-1]

    yield one
    for daemon in made:
        daemon.stop()
