"""A decoder for tests, in a module that a worker can import by its name."""

from __future__ import annotations

import os
import signal

from lorad.daemon.training.data.look import Look


def crash(data: bytes) -> Look:
    """A decoder that one file ends and another one makes greedy."""
    if data == b"crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if data == b"greedy":
        bytearray(3 << 30)  # of address space; no page of it is touched
    return Look(data.decode(), len(data), 1, 1)
