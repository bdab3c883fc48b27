"""Files that strangers may have prepared: read without waiting, and only so much of them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from lorad.shared.redact import redact

CAPTION_LIMIT = 64 << 10
"""Characters of a caption; no text encoder reads a hundredth of it."""

PICTURE_LIMIT = 512 << 20
"""Bytes of a picture's file: the largest that is decoded, with 16 bits a channel, fits."""
TABLE_LIMIT = 256 << 20
"""Bytes of a table of captions: a million of them are no more."""


def read_whole(path: Path, limit: int = PICTURE_LIMIT) -> bytes:
    """All of a file.

    Raises:
        ValueError: it has more than `limit` bytes; a file may have any number without taking room.
        OSError: as `read_regular`.
    """
    data = read_regular(path, limit + 1)
    if len(data) > limit:
        raise ValueError(f"it has more than {limit >> 20} MiB")
    return data


def read_regular(path: Path, limit: int = -1) -> bytes:
    """A file's first `limit` bytes, all of them if that is negative.

    Raises:
        OSError: it cannot be read, or is a pipe, a socket or a device, which might never end.
    """
    # Opening a pipe that nobody writes to would wait for ever without O_NONBLOCK.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is no regular file")
        return file.read(limit)


def to_text(data: bytes) -> tuple[str, bool]:
    """The text of a file, and whether it was read as latin-1, since it is not UTF-8.

    A byte order mark is dropped. Every byte is a character in latin-1, so there always is a text.
    """
    try:
        return data.decode("utf-8-sig"), False
    except UnicodeDecodeError:
        return data.decode("latin-1"), True


def tidy(caption: str) -> str:
    """A caption as it is kept: at most CAPTION_LIMIT characters, no NUL, no space around it.

    A token that was pasted into it would be published with the LoRA's tags.
    """
    return redact(caption[:CAPTION_LIMIT]).replace("\0", "").strip()
