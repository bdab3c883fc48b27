from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Daemon

# Two threads that share their cores with other processes mostly wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"
# Whatever terminal the tests are started from.
os.environ["COLORTERM"] = "truecolor"
# Nobody's own settings.
os.environ["LORAD_CONFIG"] = str(Path(tempfile.mkdtemp(prefix="lorad-test-")) / "config.toml")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A running daemon."""
    running = Daemon(tmp_path / "home")
    running.start()
    yield running
    running.stop()
