"""Sheets of the pictures that a run drew: before and after, and prompt by step."""

from __future__ import annotations

import logging
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

log = logging.getLogger(__name__)
PROMPT = "prompt"
"""What the text is called in a picture's file."""
FILE = re.compile(r"step-(\d+)-(\d+)\.png")
SIDE = 256
"""Of each picture's place, in pixels."""
HEADING = 24


@dataclass(frozen=True)
class Drawn:
    """A picture of a round."""

    picture: Image.Image
    key: tuple[str, int]
    """Its prompt, and how many of the same came before it in the round: alike in every round, also
    where prompts were added or taken out since."""


def read_steps(folder: Path) -> list[int]:
    """The steps at which pictures were drawn, ascending."""
    return sorted({int(match[1]) for path in folder.glob("step-*.png")
                   if (match := FILE.fullmatch(path.name))})  # fmt: skip


def read_round(folder: Path, step: int) -> list[Drawn]:
    """The pictures of a step in the order of its prompts, as far as they can be read."""
    numbered = {
        int(match[2]): path
        for path in folder.glob(f"step-{step:06d}-*.png")
        if (match := FILE.fullmatch(path.name))
    }
    drawn, seen = [], Counter[str]()
    for number, path in sorted(numbered.items()):
        try:
            with Image.open(path) as file:
                prompt = file.info.get(PROMPT, f"{number}")
                key = (prompt, seen[prompt])
                seen[prompt] += 1
                drawn.append(Drawn(file.convert("RGB"), key))
        # Pillow has many words for a cut or damaged file; the others are still worth showing.
        except Exception as error:
            log.warning("The picture %s is left out: it cannot be read (%s)", path.name, error)
    return drawn


def before_after(folder: Path, step: int) -> Image.Image | None:
    """What both rounds drew, side by side, step 0 above and this one below; none: nothing."""
    first = {drawn.key: drawn.picture for drawn in read_round(folder, 0)}
    pairs = [
        (first[drawn.key], drawn.picture)
        for drawn in read_round(folder, step)
        if drawn.key in first
    ]
    if not pairs:
        return None
    sheet = Image.new("RGB", (len(pairs) * SIDE, 2 * SIDE), "white")
    for column, pair in enumerate(pairs):
        for row, picture in enumerate(pair):
            _paste(sheet, picture, column * SIDE, row * SIDE)
    return sheet


def grid(folder: Path, columns: int = 6) -> Image.Image | None:
    """A row for each prompt of the last round, a column for each step.

    Steps are evenly chosen where they are too many. None where there are no pictures.
    """
    steps = _choose(read_steps(folder), columns)
    keys = [drawn.key for drawn in read_round(folder, steps[-1])] if steps else []
    if not keys:
        return None
    size = (len(steps) * SIDE, HEADING + len(keys) * SIDE)
    sheet = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for column, step in enumerate(steps):
        middle = (column * SIDE + SIDE // 2, HEADING // 2)
        pen.text(middle, f"step {step}", fill="black", font=font, anchor="mm")
        for drawn in read_round(folder, step):
            if drawn.key in keys:
                top = HEADING + keys.index(drawn.key) * SIDE
                _paste(sheet, drawn.picture, column * SIDE, top)
    return sheet


def _choose(steps: list[int], count: int) -> list[int]:
    """At most so many, the first and the last among them."""
    if len(steps) <= count:
        return steps
    return [steps[round(i * (len(steps) - 1) / (count - 1))] for i in range(count)]


def _paste(sheet: Image.Image, picture: Image.Image, left: int, top: int) -> None:
    """In the middle of its place, in its own shape."""
    factor = SIDE / max(picture.size)
    # Small pictures keep their pixels, large ones shrink smoothly.
    way = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BICUBIC
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    place = (left + (SIDE - size[0]) // 2, top + (SIDE - size[1]) // 2)
    sheet.paste(picture.resize(size, way), place)
