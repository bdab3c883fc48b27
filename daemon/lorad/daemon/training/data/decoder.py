"""`python -m lorad.daemon.training.data.decoder MODULE FUNCTION`: decodes what it is handed.

A process that may crash or run out of memory alone. It reads files from its standard input and
writes what they are to its standard output, each with its length before it; `crew.py` is the other
end. It is a program of its own, not a copy of the run: so it imports no torch, and starts fast.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import resource
import signal
import struct
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

from lorad.daemon.training.data.look import Look
from lorad.daemon.training.data.pictures import fault

MEMORY = 2 << 30
"""Bytes that a process may take beyond what it begins with: enough for the largest picture."""
LENGTH = struct.Struct("<Q")
PR_SET_PDEATHSIG = 1
Work = Callable[[bytes], Look]


def send(pipe: IO[bytes], data: bytes) -> None:
    """One message; raises BrokenPipeError where nobody reads any more."""
    pipe.write(LENGTH.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes | None:
    """The next message; none: the other end is gone, perhaps in the middle of one."""
    head = pipe.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (size,) = LENGTH.unpack(head)
    data = pipe.read(size)
    return data if len(data) == size else None


def main() -> None:
    """Decode until there is nothing more."""
    work: Work = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])
    files, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    _set_up()
    while (data := receive(files)) is not None:
        send(answers, msgspec.msgpack.encode(_answer(work, data)))


def _answer(work: Work, data: bytes) -> Look | str:
    """What it is, or why it cannot be decoded."""
    try:
        return work(data)
    except Exception as error:
        return fault(error)


def _set_up() -> None:
    """Its limits, and its end with its parent's."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # also in a decoder that hangs
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells the parent too
    warnings.simplefilter("ignore")  # Pillow's, of damaged EXIF
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()
