"""The newest pictures of the selected job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from lorad.shared.clean import clean_line
from lorad.shared.messages import SamplePicture
from lorad.tui.format import fit
from lorad.tui.mirror import Detail
from lorad.tui.widgets.gallery import Gallery
from lorad.tui.widgets.looks import Box, thumb
from lorad.tui.widgets.painting import Row, Span, centred, heading, width_of

GAP = 2


class SampleGrid(Gallery, can_focus=True):
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
        return [head, *centred(self._grid(columns, width, height - 1), width, height - 1)]

    def _grid(self, columns: int, width: int, height: int) -> list[Row]:
        """Pictures in rows, each over its prompt; the space is shared out evenly."""
        rows = -(-len(self._pictures) // columns)
        box = Box(max(1, (width + GAP) // columns - GAP), max(1, (height + 1) // rows - 2))
        out: list[Row] = []
        for start in range(0, len(self._pictures), columns):
            if out:
                out.append([])
            line = self._pictures[start : start + columns]
            out += beside([tile(self.picture(thumb(p), box).rows, box, p.prompt) for p in line])
        return out


def best_columns(count: int, width: int, height: int) -> int:
    """How many pictures side by side make square ones largest."""

    def side(columns: int) -> int:
        rows = -(-count // columns)
        return min((width + GAP) // columns - GAP, ((height + 1) // rows - 2) * 2)

    return max(range(1, count + 1), key=side)


def tile(rows: Sequence[Row], box: Box, prompt: str) -> list[Row]:
    """A picture over its prompt; every row is equally wide."""
    size = max(map(width_of, rows), default=0)
    width = max(size, min(box.cells, 12))
    indent = (width - size) // 2
    blocks = [[Span(" " * indent), *row, Span(" " * (width - size - indent))] for row in rows]
    return [*blocks, [Span(fit(clean_line(prompt, 400), width), "dim")]]


def beside(tiles: Sequence[list[Row]]) -> list[Row]:
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
