from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Daemon

# Searching for garbage among all that torch and the tests bring took a fifth of the time.
gc.disable()
# Two threads that share their cores with other processes mostly wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"
# Whatever terminal the tests are started from.
os.environ["COLORTERM"] = "truecolor"
# Nobody's own settings.
os.environ["LORAD_CONFIG"] = str(Path(tempfile.mkdtemp(prefix="lorad-test-")) / "config.toml")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """More than there are cores: most tests wait for a daemon, a run or a terminal."""
    return 2 * len(os.sched_getaffinity(0)) + 1


def pytest_collection_finish() -> None:
    """From here on there is garbage to find; networks among it, so it is not left for long."""
    gc.freeze()
    gc.set_threshold(5_000, 10, 5)
    gc.enable()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A running daemon."""
    running = Daemon(tmp_path / "home")
    running.start()
    yield running
    running.stop()
