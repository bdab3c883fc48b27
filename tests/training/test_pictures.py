"""Pictures of every kind and condition, decoded."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from support import find_items, small_data

from lorad.daemon.training.data.pictures import (
    FORMATS,
    broken_pictures,
    decode,
    decode_mask,
    fault,
    read_size,
)
from lorad.shared import errors
from lorad.shared.recipe import parse_recipe

RECIPE = 'name = "a"\n[data]\npath = "pictures"'


def test_every_broken_picture_is_named(tmp_path: Path) -> None:
    small_data(tmp_path, 3)
    good = (tmp_path / "pictures" / "anchor.png").read_bytes()
    (tmp_path / "pictures" / "ambulance.png").write_bytes(good[: len(good) // 2])
    (tmp_path / "pictures" / "alarm-clock.png").write_bytes(b"GIF89a nonsense")
    items = find_items(parse_recipe(RECIPE), tmp_path)
    faults = {item.name: fault_of(item.read()) for item in items}
    assert [bool(why) for why in faults.values()] == [True, True, False]
    error = broken_pictures([name for name, why in faults.items() if why], "it is cut")
    assert isinstance(error, errors.BrokenPicture)
    assert "alarm-clock.png, ambulance.png cannot" in str(error)


def test_what_is_no_picture_is_said_without_pillows_words() -> None:
    assert fault_of(bytes_of(Image.new("I", (4, 4)), "TIFF"))
    error = broken_pictures(["a", "b"], fault_of(b"text"))
    assert "a, b cannot be decoded: it is no picture" in str(error)
    with pytest.raises(ValueError, match="32 bits"):
        decode(bytes_of(Image.new("I", (4, 4)), "TIFF"))


def fault_of(data: bytes) -> str:
    try:
        decode(data)
    except Exception as error:
        return fault(error)
    return ""


def bytes_of(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def test_transparency_is_white_and_rotation_is_undone() -> None:
    assert (
        decode(bytes_of(Image.new("RGBA", (4, 4), (255, 0, 0, 0)))).getpixel((0, 0)) == (255,) * 3
    )
    palette = Image.new("RGB", (4, 4), "lime").convert("P")
    assert decode(bytes_of(palette)).getpixel((0, 0)) == (0, 255, 0)
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    Image.new("RGB", (30, 10)).save(out, "JPEG", exif=exif)
    assert decode(out.getvalue()).size == (10, 30)


def test_a_decompression_bomb_is_refused() -> None:
    with pytest.raises(ValueError, match="too many"):
        decode(bytes_of(Image.new("1", (9000, 9000))))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright(kind: str, orientation: int) -> None:
    if kind not in FORMATS:
        pytest.skip(f"this Pillow has no {kind}")
    picture = Image.new("RGB", (48, 32), "black")
    picture.paste("white", (0, 0, 24, 16))  # the top left, as it is stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = bytes_of(picture, kind, exif=exif)
    upright = decode(data)
    assert upright.size == read_size(data) == ((32, 48) if orientation >= 5 else (48, 32))
    # Where EXIF says that the stored top left corner is to be seen.
    right, below = orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8)
    corner = (upright.width - 5 if right else 4, upright.height - 5 if below else 4)
    assert upright.getpixel(corner)[0] > 200
    assert upright.getpixel((upright.width - corner[0], upright.height - corner[1]))[0] < 50


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_keeps_no_picture_out() -> None:
    good = bytes_of(Image.new("RGB", (30, 10), "red"), "JPEG", exif=b"Exif\0\0MM\0*junkjunk")
    assert read_size(good) == (30, 10)
    assert decode(good).size == (30, 10)


def test_sixteen_bits_of_grey_are_brought_to_eight() -> None:
    values = np.array([[0, 257, 40000, 65535]], dtype=np.uint16)
    for kind in ("PNG", "TIFF"):
        picture = decode(bytes_of(Image.fromarray(values), kind))
        assert [picture.getpixel((x, 0)) for x in range(4)] == [(0,) * 3, (1,) * 3, (156,) * 3,
                                                                (255,) * 3]  # fmt: skip


def test_cmyk_with_and_without_a_profile() -> None:
    red = Image.new("CMYK", (4, 4), (0, 255, 255, 0))
    assert decode(bytes_of(red, "TIFF")).getpixel((0, 0)) == (255, 0, 0)
    # A profile of another colour space says nothing about CMYK.
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert decode(bytes_of(red, "TIFF", icc_profile=srgb)).getpixel((0, 0)) == (255, 0, 0)
    assert decode(bytes_of(red, "TIFF", icc_profile=b"junk")).getpixel((0, 0)) == (255, 0, 0)


def test_cmyk_goes_through_its_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = bytes_of(Image.new("CMYK", (4, 4)), "TIFF", icc_profile=srgb)
    asked = []

    def convert(picture: Image.Image, *_: object, outputMode: str) -> Image.Image:
        asked.append((picture.mode, outputMode))
        return Image.new("RGB", picture.size, (1, 2, 3))

    monkeypatch.setattr(ImageCms, "profileToProfile", convert)
    assert decode(data).getpixel((0, 0)) == (1, 2, 3)
    assert asked == [("CMYK", "RGB")]


def test_few_bits_palettes_and_first_frames() -> None:
    assert decode(bytes_of(Image.new("1", (4, 4), 1))).getpixel((0, 0)) == (255, 255, 255)
    assert decode(bytes_of(Image.new("LA", (4, 4), (0, 128)))).getpixel((0, 0)) == (127,) * 3
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    assert decode(bytes_of(palette, transparency=0)).getpixel((0, 0)) == (255, 255, 255)
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP"):
        data = bytes_of(frames[0], kind, save_all=True, append_images=frames[1:])
        red, _, blue = decode(data).getpixel((0, 0))
        assert red > 200 > 50 > blue


def test_a_format_that_could_run_programs_is_no_picture() -> None:
    data = bytes_of(Image.new("RGB", (4, 4)), "EPS")
    with pytest.raises(Image.UnidentifiedImageError):
        decode(data)


def test_a_bomb_is_refused_by_its_header() -> None:
    bomb = bytes_of(Image.new("1", (9000, 9000)))
    for ask in (decode, read_size, lambda data: decode_mask(data, alpha=True)):
        with pytest.raises(ValueError, match="too many"):
            ask(bomb)


def test_masks() -> None:
    grey = bytes_of(Image.new("L", (4, 4), 100))
    assert decode_mask(grey, alpha=False).getpixel((0, 0)) == 100
    hidden = bytes_of(Image.new("RGBA", (4, 4), (255, 255, 255, 0)))
    assert decode_mask(hidden, alpha=False).getpixel((0, 0)) == 0
    half = bytes_of(Image.new("RGBA", (4, 4), (0, 0, 0, 128)))
    assert decode_mask(half, alpha=True).getpixel((0, 0)) == 128
    assert decode_mask(grey, alpha=True).getpixel((0, 0)) == 255
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = bytes_of(Image.new("L", (30, 10)), "JPEG", exif=exif)
    assert decode_mask(turned, alpha=False).size == (10, 30)
    assert decode_mask(turned, alpha=True).size == (10, 30)
