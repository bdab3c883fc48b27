"""From a decoded picture to what the VAE takes: scaled, cropped, perhaps flipped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from lorad.daemon.training import keyed
from lorad.daemon.training.data.buckets import Size, scaled_size
from lorad.shared.recipe import Data

LATENT = 8
"""Pixels a latent, of every VAE here."""


@dataclass(frozen=True)
class View:
    """One way to look at a picture; sizes are width and height in pixels."""

    original: Size
    scaled: Size
    bucket: Size
    left: int
    """Of the crop in the scaled picture."""
    top: int
    flip: bool

    @property
    def key(self) -> str:
        """All that the pixels depend on beside the file."""
        left, top = self.left, self.top
        return f"{self.scaled[0]}x{self.scaled[1]}+{left}+{top}{' flip' if self.flip else ''}"

    @property
    def sizes(self) -> list[int]:
        """For SDXL: original height and width, crop's top and left, bucket's height and width.

        The left of a flipped picture is counted in the flipped picture.
        """
        left = self.scaled[0] - self.bucket[0] - self.left if self.flip else self.left
        return [*self.original[::-1], self.top, left, *self.bucket[::-1]]


def views_of(size: Size, bucket: Size, sha256: str, data: Data) -> list[View]:
    """All that a picture is trained as: its middle or some random crops, each perhaps flipped too.

    The crops depend on the picture's content alone, so that jobs share what is encoded.
    """
    scaled = scaled_size(size, bucket)
    across, down = scaled[0] - bucket[0], scaled[1] - bucket[1]
    crops = [(across // 2, down // 2)]
    if not data.center_crop:
        stream = f"crop/{sha256}"
        drawn = (
            (keyed.integer(across + 1, 0, stream, n, 0), keyed.integer(down + 1, 0, stream, n, 1))
            for n in range(data.crop_variants)
        )
        crops = list(dict.fromkeys(drawn))
    flips = (False, True) if data.random_flip else (False,)
    return [View(size, scaled, bucket, left, top, flip) for left, top in crops for flip in flips]


def pixels_of(picture: Image.Image, view: View) -> torch.Tensor:
    """[3, h, w] in -1..1.

    Raises:
        ValueError: the picture has another size than the view was made for.
    """
    if picture.size != view.original:
        wide, high = view.original
        raise ValueError(f"its header says {wide}x{high}, it has {picture.width}x{picture.height}")
    cut = picture.resize(view.bucket, Image.Resampling.LANCZOS, box=_box(picture, view))
    pixels = torch.from_numpy(np.array(cut)).permute(2, 0, 1).float() / 127.5 - 1
    return pixels.flip(2) if view.flip else pixels.contiguous()


def mask_of(mask: Image.Image, view: View) -> torch.Tensor:
    """[1, h/8, w/8] in 0..1: of each latent the mean over its area, in the picture's own frame."""
    size = (view.bucket[0] // LATENT, view.bucket[1] // LATENT)
    cut = mask.convert("F").resize(size, Image.Resampling.BOX, box=_box(mask, view))
    latent = torch.from_numpy(np.array(cut))[None] / 255
    return latent.flip(2) if view.flip else latent


def _box(picture: Image.Image, view: View) -> tuple[float, float, float, float]:
    """The crop, in a picture or a mask of any size.

    Only what is seen is ever scaled, so that a picture of 60000x1 takes no more memory than others.
    """
    x, y = picture.width / view.scaled[0], picture.height / view.scaled[1]
    right, bottom = view.left + view.bucket[0], view.top + view.bucket[1]
    return (
        view.left * x,
        view.top * y,
        min(right * x, picture.width),
        min(bottom * y, picture.height),
    )
