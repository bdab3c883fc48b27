"""A picture as cells of a terminal: half blocks in the colours it has, or signs by brightness."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import groupby
from typing import Literal, NamedTuple

from rich.color import Color, ColorSystem
from rich.segment import Segment
from rich.style import Style

from lorad.shared.messages import Picture, SamplePicture
from lorad.tui.format import fit
from lorad.tui.widgets.painting import Painted, Row, Span
from lorad.tui.widgets.pictures import HALF, Raster, Rgb, fitting, inflated, scaled

Colours = Literal["all", "fewer", "256", "16"]
"""`fewer`: 32 shades of each, so that neighbours are alike and a slow line carries less."""

SIGNS = " .:-=+*#%@"
"""From dark to bright."""
BAYER = (0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5)
"""Thresholds of an ordered dither, 4 x 4 (Bayer 1973)."""


class Look(NamedTuple):
    """How pictures are drawn in this terminal."""

    mode: Literal["half", "ascii", "off"] = "half"
    colours: Colours = "all"
    dark: bool = True
    """The ground: on a bright one the signs for dark and bright change places."""


class Source(NamedTuple):
    """A picture's pixels as they arrived."""

    key: str
    """Names its content: the hash of the file, and the size."""
    data: bytes
    """Deflated raw RGB."""
    width: int
    height: int


class Box(NamedTuple):
    """Where it is to go."""

    cells: int
    lines: int
    enlarge: int = 1
    """At most so many times as large as it is."""


class Drawn(NamedTuple):
    """Rows of a picture, all of one width."""

    rows: tuple[Row, ...]
    width: int


def thumb(picture: SamplePicture) -> Source:
    """What comes with every picture."""
    width, height = picture.thumb_width, picture.thumb_height
    return Source(f"{picture.sha256}@{width}x{height}", picture.thumb, width, height)


def sharp(picture: Picture) -> Source:
    """What was asked for."""
    key = f"{picture.sha256}@{picture.width}x{picture.height}"
    return Source(key, picture.data, picture.width, picture.height)


def room(source: Source, box: Box) -> tuple[int, int]:
    """The cells and lines that it will take; known before it is drawn."""
    if source.width < 1 or source.height < 1:
        return box.cells, 1
    width, height = fitting(
        Raster(source.width, source.height, ()), box.cells, box.lines, box.enlarge
    )
    return width, height // 2


def draw(source: Source, box: Box, look: Look, system: ColorSystem | None = None) -> Drawn:
    """The picture's cells. `system` is the terminal's: its codes are made here and not later."""
    image = inflated(source.data, source.width, source.height)
    if image is None:
        return _words("unreadable picture", box.cells)
    if look.mode == "off":
        return _words("pictures are off", box.cells)
    small = scaled(image, *fitting(image, box.cells, box.lines, box.enlarge))
    if look.mode == "ascii":
        return Drawn(tuple(_signs(small, look.dark)), small.width)
    return Drawn(tuple(_blocks(small, look.colours, system)), small.width)


def _words(text: str, cells: int) -> Drawn:
    return Drawn(([Span(fit(text, cells), "dim")],), cells)


def _signs(image: Raster, dark: bool) -> list[Row]:
    """One sign for two pixels, by their luminance (ITU-R BT.601)."""
    rows: list[Row] = []
    signs = SIGNS if dark else SIGNS[::-1]
    for y in range(0, image.height - 1, 2):
        pairs = zip(image.pixels[y], image.pixels[y + 1], strict=True)
        light = (sum(299 * r + 587 * g + 114 * b for r, g, b in pair) / 510_000 for pair in pairs)
        rows.append([Span("".join(signs[min(9, int(value * 10))] for value in light), "text")])
    return rows


def _blocks(image: Raster, colours: Colours, system: ColorSystem | None) -> list[Row]:
    """Half blocks: the upper pixel is the block's colour, the lower one its ground."""
    at = COLOURS[colours]
    rows: list[Row] = []
    for y in range(0, image.height - 1, 2):
        cells = [
            (at(upper, x, y), at(lower, x, y + 1))
            for x, (upper, lower) in enumerate(
                zip(image.pixels[y], image.pixels[y + 1], strict=True)
            )
        ]
        segments = []
        for (upper, lower), alike in groupby(cells):
            style = Style(color=upper, bgcolor=lower)
            if system is not None:
                style.render(HALF, color_system=system)  # its codes are kept with it
            segments.append(Segment(HALF * sum(1 for _ in alike), style))
        rows.append([Span(HALF * image.width, Painted(segments))])
    return rows


def _every_colour(pixel: Rgb, x: int, y: int) -> Color:
    return Color.from_rgb(*pixel)


def _fewer_colours(pixel: Rgb, x: int, y: int) -> Color:
    red, green, blue = (value & 0xF8 | value >> 5 for value in pixel)
    return Color.from_rgb(red, green, blue)


def _of_256(pixel: Rgb, x: int, y: int) -> Color:
    return _nearest(pixel, ColorSystem.EIGHT_BIT)


def _of_16(pixel: Rgb, x: int, y: int) -> Color:
    """Dithered: sixteen colours alone leave nothing of a face."""
    shift = BAYER[y % 4 * 4 + x % 4] * 6 - 45
    red, green, blue = (min(255, max(0, value + shift)) & 0xF0 for value in pixel)
    return _nearest((red, green, blue), ColorSystem.STANDARD)


@lru_cache(maxsize=4096)
def _nearest(pixel: Rgb, system: ColorSystem) -> Color:
    return Color.from_rgb(*pixel).downgrade(system)


COLOURS: dict[Colours, Callable[[Rgb, int, int], Color]] = {
    "all": _every_colour,
    "fewer": _fewer_colours,
    "256": _of_256,
    "16": _of_16,
}
