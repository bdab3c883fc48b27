"""From a file's bytes to what the VAE takes."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageOps

from lorad.daemon.training.data.item import name_some
from lorad.shared.errors import BrokenPicture, DataChanged

MAX_PIXELS = 64_000_000
Image.MAX_IMAGE_PIXELS = None  # our own limit refuses, where Pillow's only warns at first
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")


def decode(data: bytes) -> Image.Image:
    """The whole picture, upright, on white where it is transparent, in RGB.

    Raises:
        Exception: whatever Pillow's decoders come across; `fault` makes a sentence of it.
    """
    picture: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
    if picture.width * picture.height > MAX_PIXELS:
        raise ValueError(f"it has {picture.width}x{picture.height} pixels, too many")
    if picture.mode.startswith("I"):
        # Pillow would cut every value above 255 to white.
        raise ValueError("it has 16 bits a pixel; save it with 8")
    picture.load()
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return picture.convert("RGB")


def fit(picture: Image.Image, resolution: int) -> torch.Tensor:
    """The middle square at the resolution, [3, resolution, resolution] in -1..1."""
    square = ImageOps.fit(picture, (resolution, resolution), Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1)
    return pixels.float() / 127.5 - 1


def fault(error: Exception) -> str:
    """What is wrong with a picture, without Pillow's words for where it was in memory."""
    text = str(error) or type(error).__name__
    return "it is no picture" if "cannot identify image file" in text else text


class Broken:
    """Collects the pictures that cannot be decoded, so that all are named at once."""

    def __init__(self) -> None:
        """None so far."""
        self._names: list[str] = []
        self._why = ""

    def try_decode(self, name: str, read: Callable[[], bytes]) -> Image.Image | None:
        """The picture, or none, and it is remembered."""
        try:
            return decode(read())
        except DataChanged:
            raise
        # OSError, ValueError, SyntaxError, struct.error, TypeError …: to the user it is one thing.
        except Exception as error:
            self._names.append(name)
            self._why = self._why or fault(error)
            return None

    def refuse(self) -> None:
        """Raise BrokenPicture if there are any."""
        if self._names:
            them = "it" if len(self._names) == 1 else "them"
            raise BrokenPicture(names=name_some(self._names, 20), why=self._why, them=them)
