"""Sheets of the pictures that a run drew: before and after, and prompt by step."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FILE = re.compile(r"step-(\d+)-(\d+)\.png")
SIDE = 256
"""Of each picture's place, in pixels."""
HEADING = 24


def read_rounds(folder: Path) -> dict[int, dict[int, Path]]:
    """The pictures of a folder, by step and by prompt's number."""
    rounds: dict[int, dict[int, Path]] = {}
    for path in sorted(folder.glob("step-*.png")):
        if match := FILE.fullmatch(path.name):
            rounds.setdefault(int(match[1]), {})[int(match[2])] = path
    return rounds


def before_after(folder: Path, step: int) -> Image.Image | None:
    """The prompts of both rounds side by side, step 0 above and this one below; none: too few."""
    rounds = read_rounds(folder)
    first, last = rounds.get(0, {}), rounds.get(step, {})
    both = sorted(first.keys() & last.keys())
    if not both:
        return None
    sheet = Image.new("RGB", (len(both) * SIDE, 2 * SIDE), "white")
    for column, index in enumerate(both):
        for row, pictures in enumerate((first, last)):
            _paste(sheet, pictures[index], column * SIDE, row * SIDE)
    return sheet


def grid(folder: Path, columns: int = 6) -> Image.Image | None:
    """A row for each prompt, a column for each step, evenly chosen where they are too many.

    None where there are no pictures.
    """
    rounds = read_rounds(folder)
    if not rounds:
        return None
    steps = _choose(sorted(rounds), columns)
    indices = sorted({index for pictures in rounds.values() for index in pictures})
    size = (len(steps) * SIDE, HEADING + len(indices) * SIDE)
    sheet = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for column, step in enumerate(steps):
        middle = (column * SIDE + SIDE // 2, HEADING // 2)
        pen.text(middle, f"step {step}", fill="black", font=font, anchor="mm")
        for row, index in enumerate(indices):
            if (path := rounds[step].get(index)) is not None:
                _paste(sheet, path, column * SIDE, HEADING + row * SIDE)
    return sheet


def _choose(steps: list[int], count: int) -> list[int]:
    """At most so many, the first and the last among them."""
    if len(steps) <= count:
        return steps
    return [steps[round(i * (len(steps) - 1) / (count - 1))] for i in range(count)]


def _paste(sheet: Image.Image, path: Path, left: int, top: int) -> None:
    """In the middle of its place, in its own shape."""
    with Image.open(path) as file:
        picture = file.convert("RGB")
    factor = SIDE / max(picture.size)
    # Small pictures keep their pixels, large ones shrink smoothly.
    way = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BICUBIC
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    place = (left + (SIDE - size[0]) // 2, top + (SIDE - size[1]) // 2)
    sheet.paste(picture.resize(size, way), place)
