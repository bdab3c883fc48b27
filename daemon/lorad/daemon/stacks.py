"""Where all threads of a process stand, written when it is asked with SIGUSR1."""

from __future__ import annotations

import faulthandler
import os
import signal
from pathlib import Path


def answer(run_folder: Path) -> None:
    """Have a run's process, or a peer of its, write to `stacks.txt` from now on.

    The handler of the signal itself writes it, so no thread must be able to run.
    """
    path = run_folder / "stacks.txt"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError:  # no room for another file: into its log, rather than no run
        descriptor = 2
    faulthandler.register(signal.SIGUSR1, descriptor)
