"""One picture decoded to its end, and what it showed; without torch, so that workers start fast."""

from __future__ import annotations

import hashlib

import numpy as np
from msgspec import Struct
from PIL import Image

from lorad.daemon.training.data.pictures import fault, is_transparent, open_upright, to_rgb


class Look(Struct, frozen=True):
    """What a picture is, seen once."""

    sha256: str
    size: int
    """In bytes."""
    width: int
    height: int
    """Upright."""
    dhash: int = 0
    """64 bits: of a grid of 8 x 8, whether each field is brighter than its right neighbour."""
    colour: tuple[int, int, int] = (0, 0, 0)
    """Its mean."""
    marks: tuple[str, ...] = ()
    """What was turned into upright RGB with 8 bits: `rotated`, `transparent`, `cmyk`, `16 bits`,
    `animated`, `grey`."""


def look(data: bytes) -> Look:
    """Decode the whole picture once.

    Raises:
        ValueError: it cannot be decoded; the text says why.
    """
    try:
        picture = open_upright(data)
        marks = _marks(picture)
        rgb = to_rgb(picture, "white")
        dhash, colour = _hash(rgb)
    # OSError, SyntaxError, struct.error, MemoryError …: what is wrong is the picture.
    except Exception as error:
        raise ValueError(fault(error)) from None
    sha256 = hashlib.sha256(data).hexdigest()
    return Look(sha256, len(data), rgb.width, rgb.height, dhash, colour, marks)


def _marks(picture: Image.Image) -> tuple[str, ...]:
    marks = {
        "rotated": picture.info["turned"],
        "transparent": is_transparent(picture),
        "cmyk": picture.mode == "CMYK",
        "16 bits": picture.mode.startswith("I;16"),
        "animated": getattr(picture, "is_animated", False) and picture.format != "MPO",
        "grey": picture.mode in ("1", "L", "LA"),
    }
    return tuple(name for name, holds in marks.items() if holds)


def _hash(picture: Image.Image) -> tuple[int, tuple[int, int, int]]:
    """The difference hash and the mean colour.

    Differences as in http://www.hackerfactor.com/blog/index.php?/archives/529-Kind-of-Like-That.html
    """
    small = np.asarray(picture.resize((9, 8), Image.Resampling.BOX), dtype=np.float32)
    grey = small @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    # More than noise: the flat parts of two pictures are alike, whatever their last bit.
    brighter = grey[:, :-1] > grey[:, 1:] + 1
    red, green, blue = (int(value) for value in small.mean((0, 1)))
    return int.from_bytes(np.packbits(brighter).tobytes()), (red, green, blue)
