"""Pictures as half blocks: two pixels in a cell, in every terminal. No Textual here."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, chain, pairwise
from operator import add
from typing import NamedTuple

from lorad.shared.messages import SamplePicture

Rgb = tuple[int, int, int]
HALF = "▀"
LARGEST_THUMB = 1 << 20
"""No thumbnail inflates to more than this; one that does is no thumbnail."""


class Raster(NamedTuple):
    """Rows of pixels."""

    width: int
    height: int
    pixels: tuple[tuple[Rgb, ...], ...]


def raster(picture: SamplePicture) -> Raster | None:
    """The thumbnail's pixels; none where its bytes are not what they say."""
    return inflated(picture.thumb, picture.thumb_width, picture.thumb_height)


@lru_cache(maxsize=64)
def inflated(thumb: bytes, width: int, height: int) -> Raster | None:
    """Rows of pixels from deflated raw RGB; none where the bytes are not what they say."""
    if width < 1 or height < 1 or width * height * 3 > LARGEST_THUMB:
        return None
    try:
        raw = zlib.decompressobj().decompress(thumb, width * height * 3)
    except zlib.error:
        return None
    if len(raw) != width * height * 3:
        return None
    triples = list(zip(raw[0::3], raw[1::3], raw[2::3], strict=True))
    rows = tuple(tuple(triples[y * width : (y + 1) * width]) for y in range(height))
    return Raster(width, height, rows)


def fitting(image: Raster, cells: int, lines: int, enlarge: int = 1) -> tuple[int, int]:
    """The size in pixels that fits into the cells, shape kept; height even."""
    scale = min(cells / image.width, lines * 2 / image.height, enlarge)
    width = max(1, round(image.width * scale))
    height = max(2, round(image.height * scale))
    return width, height - height % 2


def scaled(image: Raster, width: int, height: int) -> Raster:
    """The picture in another size: means of the pixels that a new one covers."""
    if width <= image.width and height <= image.height:
        return _shrunk(image, width, height)
    narrow = [_scaled_line(row, width) for row in image.pixels]
    columns = [_scaled_line(column, height) for column in zip(*narrow, strict=True)]
    return Raster(width, height, tuple(zip(*columns, strict=True)))


def _shrunk(image: Raster, width: int, height: int) -> Raster:
    """By running sums, so that it takes as long as there are pixels and not as they overlap."""
    lines: list[list[float]] = [list(chain.from_iterable(row)) for row in image.pixels]
    lines = _means(lines, height)
    rows = []
    for line in lines:
        pixels = _means([line[at : at + 3] for at in range(0, len(line), 3)], width)
        rows.append(tuple((round(r), round(g), round(b)) for r, g, b in pixels))
    return Raster(width, height, tuple(rows))


def _means(lines: list[list[float]], count: int) -> list[list[float]]:
    """So many lines from more of them: each the mean of those that it covers, in part or whole."""
    if count == len(lines):
        return lines
    size = len(lines) / count
    nothing = [0.0] * len(lines[0])
    sums = list(accumulate(lines, lambda total, line: list(map(add, total, line)), initial=nothing))
    lines = [*lines, nothing]

    def until(place: float) -> list[float]:
        """The sum of all lines before a place."""
        whole = int(place)
        part = place - whole
        return [total + part * one for total, one in zip(sums[whole], lines[whole], strict=True)]

    edges = [until(min(i * size, len(lines) - 1)) for i in range(count + 1)]
    return [
        [(high - low) / size for low, high in zip(before, after, strict=True)]
        for before, after in pairwise(edges)
    ]


def _scaled_line(line: Sequence[Rgb], length: int) -> tuple[Rgb, ...]:
    if length == len(line):
        return tuple(line)
    ratio = len(line) / length
    if ratio < 1:
        return tuple(_between(line, (i + 0.5) * ratio - 0.5) for i in range(length))
    return tuple(
        (round(r), round(g), round(b)) for r, g, b in _means(list(map(list, line)), length)
    )


def _between(line: Sequence[Rgb], at: float) -> Rgb:
    at = min(len(line) - 1.0, max(0.0, at))
    low = int(at)
    high, share = min(len(line) - 1, low + 1), at - low
    (r, g, b), (s, h, c) = line[low], line[high]
    return round(r + (s - r) * share), round(g + (h - g) * share), round(b + (c - b) * share)


def half_blocks(image: Raster) -> list[list[tuple[str, tuple[Rgb, Rgb]]]]:
    """Cells: the upper pixel is the block's colour, the lower one its ground."""
    rows = image.pixels
    return [
        [(HALF, pair) for pair in zip(rows[y], rows[y + 1], strict=True)]
        for y in range(0, image.height - 1, 2)
    ]
