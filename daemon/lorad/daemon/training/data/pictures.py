"""From a file's bytes to what the VAE takes."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms, features

from lorad.daemon.training.data.item import name_some
from lorad.shared.errors import BrokenPicture

MAX_PIXELS = 64_000_000
Image.MAX_IMAGE_PIXELS = None  # our own limit refuses, where Pillow's only warns at first
FORMATS = ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"]
"""None that runs another program or fetches a file, as EPS would."""
if features.check("avif"):
    FORMATS.append("AVIF")

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By EXIF's orientation."""
_MAY_HOLD_ORIENTATION = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp")


def decode(data: bytes) -> Image.Image:
    """The whole picture, upright, on white where it is transparent, in RGB.

    Of an animation the first frame. CMYK goes through the profile that is embedded.

    Raises:
        Exception: whatever Pillow's decoders come across; `fault` makes a sentence of it.
    """
    return to_rgb(open_upright(data), "white")


def decode_mask(data: bytes, alpha: bool) -> Image.Image:
    """A mask in grey, upright; white is trained. Of a picture's own transparency with `alpha`.

    A picture without transparency is trained everywhere; what is transparent in a mask is black.

    Raises:
        Exception: as `decode`.
    """
    picture = open_upright(data)
    if not alpha:
        return to_rgb(picture, "black").convert("L")
    if not is_transparent(picture):
        return Image.new("L", picture.size, 255)
    return picture.convert("RGBA").getchannel("A")


def read_size(data: bytes) -> tuple[int, int]:
    """Width and height of the picture when it is upright, without decoding it.

    Raises:
        Exception: as `decode`, where the header is what is wrong.
    """
    picture = _open(data)
    # Pillow decodes a whole PNG to look for its EXIF, which may come last, and has turned the
    # size of a TIFF already.
    sure = picture.format == "TIFF" or (
        picture.format == "PNG" and not any(mark in data for mark in _MAY_HOLD_ORIENTATION)
    )
    turned = not sure and orientation(picture) >= 5
    return (picture.height, picture.width) if turned else picture.size


def open_upright(data: bytes) -> Image.Image:
    """The whole picture in the mode that it is stored in.

    Raises:
        Exception: as `decode`.
    """
    picture = _open(data)
    turned = picture.format == "TIFF" and orientation(picture) in _UPRIGHT  # Pillow turns them
    picture.load()
    turn = _UPRIGHT.get(orientation(picture))
    upright = picture.transpose(turn) if turn is not None else picture
    upright.info["turned"] = turned or turn is not None
    return upright


def _open(data: bytes) -> Image.Image:
    picture: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
    if picture.width * picture.height > MAX_PIXELS:
        raise ValueError(f"it has {picture.width}x{picture.height} pixels, too many")
    return picture


def orientation(picture: Image.Image) -> int:
    """EXIF's, 1 to 8; 1 where there is none."""
    try:
        return int(picture.getexif().get(0x0112, 1))
    # Damaged EXIF of every kind says nothing about the picture, and must not keep it out.
    except Exception:
        return 1


def is_transparent(picture: Image.Image) -> bool:
    """Whether it shows what is behind it, anywhere."""
    if not picture.has_transparency_data:
        return False
    darkest, _ = picture.convert("RGBA").getchannel("A").getextrema()
    return darkest != 255  # a whole number, as there is one band


def to_rgb(picture: Image.Image, background: str) -> Image.Image:
    """Its colours, 8 bits each, on the background where it is transparent.

    Raises:
        ValueError: it has 32 bits a pixel, of which nothing says what is white.
    """
    if picture.mode.startswith("I;16"):
        grey = np.asarray(picture).astype(np.uint32)
        return Image.fromarray(((grey + 128) // 257).astype(np.uint8)).convert("RGB")
    if picture.mode in ("I", "F"):
        raise ValueError("it has 32 bits a pixel; save it with 8")
    if is_transparent(picture):
        picture = picture.convert("RGBA")
        behind = Image.new("RGBA", picture.size, background)
        return Image.alpha_composite(behind, picture).convert("RGB")
    if picture.mode == "CMYK" and picture.info.get("icc_profile"):
        return _by_profile(picture)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _by_profile(picture: Image.Image) -> Image.Image:
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(picture.info["icc_profile"]))
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(picture, profile, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture.convert("RGB")  # as if there were none: it is damaged or of another space
    return converted if converted is not None else picture.convert("RGB")


def fault(error: Exception) -> str:
    """What is wrong with a picture, without Pillow's words for where it was in memory."""
    if isinstance(error, MemoryError):
        return "it takes more memory than a picture may"
    text = str(error) or type(error).__name__
    return "it is no picture" if "cannot identify image file" in text else text


def broken_pictures(names: list[str], why: str) -> BrokenPicture:
    """The error for pictures that cannot be decoded, all of them named at once."""
    them = "it" if len(names) == 1 else "them"
    return BrokenPicture(names=name_some(names, 20), why=why, them=them)
