"""The newest pictures of the selected job."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import ClassVar

from textual.binding import Binding, BindingType

from lorad.shared.clean import clean_line
from lorad.shared.messages import SamplePicture
from lorad.tui.format import fit
from lorad.tui.mirror import Detail
from lorad.tui.widgets.painting import Painting, Row, Span, centred, heading, width_of
from lorad.tui.widgets.pictures import fitting, half_blocks, raster, scaled

GAP = 2


class SampleGrid(Painting, can_focus=True):
    """All prompts of the newest step that has pictures."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "screen.samples", "larger", show=False, id="samples.open"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._pictures: list[SamplePicture] = []

    def show(self, detail: Detail | None) -> None:
        """Draw this job's newest pictures."""
        steps = detail.steps() if detail else []
        self._pictures = detail.pictures(steps[-1]) if detail and steps else []
        self.repaint()

    def paint(self, width: int, height: int) -> list[Row]:
        """The grid that shows the pictures largest."""
        if not self._pictures:
            head = heading("Samples", "", width, self.has_focus)
            return [head, *centred([[Span("no picture yet", "dim")]], width, height - 1)]
        head = heading("Samples", f"step {self._pictures[0].step}", width, self.has_focus)
        columns = best_columns(len(self._pictures), width, height - 1)
        lines = grid(self._pictures, columns, width, height - 1)
        return [head, *centred(lines, width, height - 1)]


def best_columns(count: int, width: int, height: int) -> int:
    """How many pictures side by side make square ones largest."""

    def side(columns: int) -> int:
        rows = -(-count // columns)
        return min((width + GAP) // columns - GAP, ((height + 1) // rows - 2) * 2)

    return max(range(1, count + 1), key=side)


def grid(pictures: Sequence[SamplePicture], columns: int, width: int, height: int) -> list[Row]:
    """Pictures in rows, each over its prompt; the space is shared out evenly."""
    rows = -(-len(pictures) // columns)
    cells = max(1, (width + GAP) // columns - GAP)
    lines = max(1, (height + 1) // rows - 2)
    out: list[Row] = []
    for start in range(0, len(pictures), columns):
        if out:
            out.append([])
        out += _beside([tile(p, cells, lines) for p in pictures[start : start + columns]])
    return out


def tile(
    picture: SamplePicture, cells: int, lines: int, enlarge: int = 1, caption: str | None = None
) -> list[Row]:
    """A picture over its prompt; every row is equally wide."""
    text = clean_line(picture.prompt if caption is None else caption, 400)
    image = raster(picture)
    if image is None:
        width, blocks = cells, [[Span(fit("unreadable picture", cells), "dim")]]
    else:
        size = fitting(image, cells, lines, enlarge)
        width = max(size[0], min(cells, 12))
        indent = (width - size[0]) // 2
        blocks = [
            [Span(" " * indent), *_spans(row), Span(" " * (width - size[0] - indent))]
            for row in half_blocks(scaled(image, *size))
        ]
    return [*blocks, [Span(fit(text, width), "dim")]]


def _spans(cells: Sequence[tuple[str, tuple[tuple[int, int, int], tuple[int, int, int]]]]) -> Row:
    """Neighbours of the same colours in one piece."""
    return [
        Span("".join(char for char, _ in group), colours)
        for colours, group in groupby(cells, key=lambda cell: cell[1])
    ]


def _beside(tiles: Sequence[list[Row]]) -> list[Row]:
    """Tiles side by side, their captions in one line."""
    height = max(map(len, tiles))
    rows: list[Row] = []
    for y in range(height):
        row: Row = []
        for lines in tiles:
            blank = [Span(" " * width_of(lines[-1]))]
            missing = height - len(lines)
            line = lines[y - missing] if y >= missing else blank
            row += [*line, Span(" " * GAP)]
        rows.append(row[:-1])
    return rows
