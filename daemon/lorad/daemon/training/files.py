"""Files that are whole or not there: written aside, flushed to the disk, renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lorad.daemon.disk import sync
from lorad.shared import failpoints
from lorad.shared.errors import DiskFailing, DiskFull

MIB = 1 << 20
UNWRITTEN = (OSError, DiskFull, DiskFailing)
"""What `write_atomically` and making its folder raise, for whoever can do without the file."""
FAILING = (errno.EIO, errno.EROFS, errno.ESTALE, errno.ENXIO, errno.ENODEV, errno.EREMOTEIO)
"""A disk, or the way to it, that is broken or was made read-only because it is."""


PRIVATE_FILE = 0o600
"""What is kept beside the daemon is its user's alone, whatever their umask."""


def write_atomically(path: Path, data: bytes, point: str = "", mode: int = 0o666) -> None:
    """Put a whole file in place of whatever was there; the umask may take from `mode`.

    `point` names it among the failpoints.

    Raises:
        DiskFull, DiskFailing: nothing was changed.
    """
    with disk_full_told(path, len(data)):
        aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        try:
            put(aside, data, point and f"{point}.aside", mode)
            sync(aside)
            aside.replace(path)
            if point:
                failpoints.passed(f"{point}.placed")
        finally:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)
        sync(path.parent)


def put(path: Path, data: bytes, point: str = "", mode: int = 0o666) -> None:
    """Write a new file, and see that all of it has arrived; it is not flushed.

    Raises:
        OSError: it has not.
        DiskFailing: nobody said so, and it is shorter than it was written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "wb") as file:
        file.write(data)
    if point:
        failpoints.wrote(point, path)
    if (size := path.stat().st_size) != len(data):
        raise DiskFailing(path=path, why=f"of {len(data)} bytes {size} have arrived")


def make_folder(path: Path) -> None:
    """Have a folder there, and those above it.

    Raises:
        DiskFull: there is no room for it.
    """
    with disk_full_told(path, 1):
        path.mkdir(parents=True, exist_ok=True)


def refuse_without_room(folder: Path, needed: int) -> None:
    """Find out before anything is written.

    Raises:
        DiskFull: fewer than `needed` bytes are free.
    """
    if shutil.disk_usage(folder).free < needed:
        raise DiskFull(path=folder, needed_mib=-(-needed // MIB))


@contextmanager
def disk_full_told(path: Path, needed: int) -> Iterator[None]:
    """Turn the kernel's word for a full or a failing disk into ours.

    safetensors has no error number, only the words.

    Raises:
        DiskFull, DiskFailing: instead of it.
    """
    try:
        yield
    except Exception as error:
        number, words = getattr(error, "errno", None), str(error)
        path = getattr(error, "filename", None) or path
        if number in (errno.ENOSPC, errno.EDQUOT) or "No space left" in words:
            raise DiskFull(path=path, needed_mib=-(-max(needed, 1) // MIB)) from error
        told = [code for code in FAILING if code == number or f"(os error {code})" in words]
        if told:
            raise DiskFailing(path=path, why=os.strerror(told[0])) from error
        raise
