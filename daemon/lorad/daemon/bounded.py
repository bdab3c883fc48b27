"""Logs that cannot fill the disk: of one that grows too long, only the newest part takes room.

A run's process writes its log itself, and its own processes do, so nobody stands between. The old
part is made a hole: places in the file stay what they are, for whoever reads on from one.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)
MIB = 1 << 20
MOST = 64 * MIB
"""A log that takes more is cut."""
KEPT = 16 * MIB
"""Of one that is cut."""
PAGE = 1 << 16
KEEP_SIZE, PUNCH_HOLE = 1, 2  # fallocate(2)
_libc = ctypes.CDLL(None, use_errno=True)


def begin_of(descriptor: int) -> int:
    """Where what is kept of a file begins."""
    try:
        return os.lseek(descriptor, 0, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:  # empty, or nothing but a hole
            return os.lseek(descriptor, 0, os.SEEK_END)
        return 0  # a file system that knows no holes


def bound(path: Path) -> int:
    """Cut a log that takes too much room; how many bytes it was relieved of.

    Raises:
        OSError: its file system makes no holes, and then it cannot be cut.
    """
    try:
        if path.stat().st_size <= MOST:
            return 0
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return 0
    try:
        size, begin = os.fstat(descriptor).st_size, begin_of(descriptor)
        if size - begin <= MOST:
            return 0
        end = (size - KEPT) // PAGE * PAGE
        _punch(descriptor, end)
        return end - begin
    finally:
        os.close(descriptor)


def _punch(descriptor: int, end: int) -> None:
    """Make a hole of all before a place."""
    arguments = (ctypes.c_int(descriptor), ctypes.c_int(KEEP_SIZE | PUNCH_HOLE),
                 ctypes.c_int64(0), ctypes.c_int64(end))  # fmt: skip
    if _libc.fallocate64(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
