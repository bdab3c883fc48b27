"""Files that are whole or not there: written aside, flushed to the disk, renamed."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lorad.shared.errors import DiskFull

MIB = 1 << 20


def write_atomically(path: Path, data: bytes) -> None:
    """Put a whole file in place of whatever was there.

    Raises:
        DiskFull: nothing was changed.
    """
    with disk_full_told(path, len(data)):
        aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        try:
            aside.write_bytes(data)
            sync(aside)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        sync(path.parent)


def make_folder(path: Path) -> None:
    """Have a folder there, and those above it.

    Raises:
        DiskFull: there is no room for it.
    """
    with disk_full_told(path, 1):
        path.mkdir(parents=True, exist_ok=True)


def sync(path: Path) -> None:
    """Have a file or a folder on the disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def refuse_without_room(folder: Path, needed: int) -> None:
    """Find out before anything is written.

    Raises:
        DiskFull: fewer than `needed` bytes are free.
    """
    if shutil.disk_usage(folder).free < needed:
        raise DiskFull(path=folder, needed_mib=-(-needed // MIB))


@contextmanager
def disk_full_told(path: Path, needed: int) -> Iterator[None]:
    """Turn the kernel's word for a full disk into ours; safetensors hides it in its message."""
    try:
        yield
    except Exception as error:
        number = getattr(error, "errno", None)
        if number in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
            raise DiskFull(path=path, needed_mib=-(-max(needed, 1) // MIB)) from error
        raise
