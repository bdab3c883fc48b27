"""From a file's bytes to what the VAE takes."""

from __future__ import annotations

import io
import warnings

import numpy as np
import torch
from PIL import Image, ImageOps

from lorad.daemon.training.data.item import Item, name_some
from lorad.shared.errors import BrokenPicture

MAX_PIXELS = 64_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")


def decode(data: bytes) -> Image.Image:
    """The whole picture, upright, on white where it is transparent, in RGB.

    Raises:
        OSError, ValueError, SyntaxError: it cannot be decoded to its end.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a bomb is refused below, by its true size
        picture: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
        if picture.width * picture.height > MAX_PIXELS:
            raise ValueError(f"it has {picture.width}x{picture.height} pixels, too many")
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


def load_pixels(items: list[Item], resolution: int) -> torch.Tensor:
    """Several pictures, [n, 3, resolution, resolution] in -1..1.

    Raises:
        BrokenPicture: names every one that cannot be decoded.
    """
    pixels, broken, why = [], [], ""
    for item in items:
        try:
            pixels.append(fit(decode(item.read()), resolution))
        except (OSError, ValueError, SyntaxError) as error:  # PIL raises all three
            broken.append(item.name)
            why = why or str(error).replace("<_io.BytesIO object at ", "(").split(" (0x")[0]
    if broken:
        them = "it" if len(broken) == 1 else "them"
        raise BrokenPicture(names=name_some(broken), why=why, them=them)
    return torch.stack(pixels)
