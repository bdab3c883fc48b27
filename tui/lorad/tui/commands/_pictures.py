"""A run's newest pictures in the terminal, side by side, as the dashboard draws them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

from lorad.shared.clean import clean_line
from lorad.shared.messages import Picture, SamplePicture
from lorad.tui.format import fit
from lorad.tui.widgets.pictures import fitting, half_blocks, inflated, raster, scaled

CELLS = 32
"""How wide a picture is drawn."""
LINES = 16
GAP = "  "


def newest(pictures: Sequence[SamplePicture]) -> list[SamplePicture]:
    """Those of the last step."""
    last = max(picture.step for picture in pictures)
    return [picture for picture in pictures if picture.step == last]


def draw(pictures: Sequence[SamplePicture]) -> None:
    """Print them, as many in a row as fit."""
    console = Console(highlight=False)
    abreast = max(1, (console.width + len(GAP)) // (CELLS + len(GAP)))
    for begin in range(0, len(pictures), abreast):
        console.print()
        console.print(_row(pictures[begin : begin + abreast]), no_wrap=True, overflow="crop")


def draw_large(picture: Picture, prompt: str) -> None:
    """Print one, at the size at which it came, over its prompt."""
    console = Console(highlight=False)
    image = inflated(picture.data, picture.width, picture.height)
    lines = [] if image is None else [Text.assemble(*_styled(row)) for row in half_blocks(image)]
    text = Text("\n").join([*lines, Text(fit(clean_line(prompt, 400), console.width), "dim")])
    console.print(text, no_wrap=True, overflow="crop")


def _row(pictures: Sequence[SamplePicture]) -> Text:
    """Some side by side, each over its prompt."""
    blocks = [_block(picture) for picture in pictures]
    height = max(map(len, blocks))
    lines = [Text(GAP).join(_padded(block, height, at) for block in blocks) for at in range(height)]
    prompts = (fit(clean_line(picture.prompt), CELLS) for picture in pictures)
    return Text("\n").join([*lines, Text(GAP.join(prompts), "dim")])


def _padded(block: Sequence[Text], height: int, at: int) -> Text:
    """A line of a picture, which may be lower than its neighbours and narrower than its room."""
    line = block[at - (height - len(block))] if at >= height - len(block) else Text()
    return line + Text(" " * (CELLS - line.cell_len))


def _block(picture: SamplePicture) -> list[Text]:
    """Its lines; none where the thumbnail is damaged."""
    image = raster(picture)
    if image is None:
        return []
    cells = half_blocks(scaled(image, *fitting(image, CELLS, LINES)))
    return [Text.assemble(*_styled(row)) for row in cells]


def _styled(
    row: Iterable[tuple[str, tuple[tuple[int, int, int], tuple[int, int, int]]]],
) -> Iterable[tuple[str, Style]]:
    for sign, (upper, lower) in row:
        yield sign, Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower))
