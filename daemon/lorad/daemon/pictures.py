"""A sample's file, made ready for a viewer. A process of its own decodes it.

Pillow is only where training is installed, decoding takes memory and time, and a damaged file may
crash it: none of this is to happen in the daemon.
"""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from typing import Any

import msgspec

from lorad.shared.errors import PictureGone, PictureTooSlow
from lorad.shared.messages import GetPicture, Picture, SamplePicture

SECONDS = 4.0
"""In all: a viewer gives its daemon up after five."""
MAX_FILE = 64 << 20
MAX_SENT = 4 << 20
"""Bytes of one answer."""
MAX_SIDE = 2048


def prepare(wanted: GetPicture, picture: SamplePicture) -> Picture:
    """The picture as it is wanted. For a thread: it reads a disk and waits for a process.

    Raises:
        PictureGone: its file is not there, is another one by now, or cannot be decoded.
        PictureTooSlow: it took too long.
    """
    data = read(picture)
    box = (_bounded(wanted.width), _bounded(wanted.height))
    fits = picture.width <= box[0] and picture.height <= box[1] and len(data) <= MAX_SENT
    if wanted.form == "png" and fits and not wanted.colours:
        width, height = picture.width, picture.height
    else:
        width, height, data = _made(wanted, box, picture.path, data)
    return Picture(sha256=picture.sha256, form=wanted.form, width=width, height=height, data=data)


def _bounded(side: int) -> int:
    return max(1, min(side, MAX_SIDE))


def read(picture: SamplePicture) -> bytes:
    """The file's bytes, if they still are that picture.

    Raises:
        PictureGone: they are not.
    """
    try:
        # Not blocking: a pipe of that name would hold the thread for ever.
        with open(os.open(picture.path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise PictureGone(path=picture.path, why="it is no file")
            data = file.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise PictureGone(path=picture.path, why=why) from error
    if len(data) > MAX_FILE:
        raise PictureGone(path=picture.path, why="it is larger than 64 MiB")
    if hashlib.sha256(data).hexdigest() != picture.sha256:
        raise PictureGone(path=picture.path, why="the file was replaced since it was drawn")
    return data


def _made(
    wanted: GetPicture, box: tuple[int, int], path: str, data: bytes
) -> tuple[int, int, bytes]:
    """Width, height and bytes, from the helper."""
    words = [str(box[0]), str(box[1]), wanted.form, str(wanted.colours), str(MAX_SENT)]
    command = [sys.executable, "-P", "-m", "lorad.daemon.tools.picture", *words]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise PictureTooSlow(path=path) from error
    except OSError as error:
        raise PictureGone(path=path, why=error.strerror or error) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise PictureGone(path=path, why=said[-1] if said else "it cannot be decoded")
    made: tuple[int, int, bytes] = _decoder.decode(done.stdout)
    return made


_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(tuple[int, int, bytes])
