"""Pictures by prompt and step. Only what is in view is drawn, so a thousand cost what twenty do."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rich.cells import cell_len
from textual import events
from textual.message import Message

from lorad.shared.clean import clean_line
from lorad.shared.messages import SamplePicture
from lorad.tui.browse import Browse, scrolled
from lorad.tui.format import fit
from lorad.tui.widgets.gallery import Gallery
from lorad.tui.widgets.looks import Box, Drawn, thumb
from lorad.tui.widgets.painting import Row, Span, centred, heading

SMALLEST = 6
"""Lines of a picture; with more prompts than fit, they scroll."""
LARGEST = 24
ENLARGE = 4

Pictures = Mapping[tuple[int, int], SamplePicture]


class SampleWall(Gallery, can_focus=True):
    """The samples screen's pictures: a line for each prompt, a column for each step."""

    class Clicked(Message):
        """Somebody pointed at a picture."""

        def __init__(self, column: int, place: int) -> None:
            super().__init__()
            self.column = column
            self.place = place

    def __init__(self, title: str, name: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._title = f"{title} · {clean_line(name, 64)}"
        self._pictures: Pictures = {}
        self._browse = Browse()
        self._first = 0
        """The leftmost step in view, by its place."""
        self._top = 0
        """The uppermost prompt in view."""
        self._tiles = (0, 0, 0, 0)
        """Cells and lines of a picture; columns and rows of pictures in view."""

    def show(self, pictures: Pictures, browse: Browse) -> None:
        """Draw these."""
        self._pictures, self._browse = pictures, browse
        self.repaint()

    def on_click(self, event: events.Click) -> None:
        cells, lines, columns, rows = self._tiles
        offset = event.get_content_offset(self)
        if not cells or offset is None or offset.y < 2:
            return
        column, row = offset.x // (cells + 2), (offset.y - 2) // (lines + 2)
        if column < columns and row < rows:
            self.post_message(self.Clicked(self._first + column, self._top + row))

    # -- painting -----------------------------------------------------------------------------

    def paint(self, width: int, height: int) -> list[Row]:
        """The wall."""
        browse = self._browse
        if not browse.steps:
            head = heading(self._title, "", width, False)
            return [head, *centred([[Span("no picture yet", "dim")]], width, height - 1)]
        right = f"step {browse.step} · {browse.column() + 1} of {len(browse.steps)}"
        self._lay_out(width, height - 1)
        cells, lines, columns, rows = self._tiles
        steps = browse.steps[self._first : self._first + columns]
        out: list[Row] = [heading(self._title, right, width, False), self._names(steps, cells)]
        prompts = browse.prompts[self._top : self._top + rows]
        for index in prompts:
            out += self._line(index, steps, Box(cells, lines, ENLARGE), width)
        self._look_ahead(prompts, Box(cells, lines, ENLARGE))
        return out

    def _lay_out(self, width: int, height: int) -> None:
        """How large the pictures are and which are in view."""
        browse = self._browse
        lines = max(SMALLEST, min(LARGEST, (height - 1) // max(1, len(browse.prompts)) - 2))
        cells, lines = self._tile_size(lines)
        cells = max(1, min(width - 2, cells))
        columns = max(1, min(len(browse.steps), width // (cells + 2)))
        rows = max(1, min(len(browse.prompts), (height - 1) // (lines + 2)))
        self._first = scrolled(self._first, columns, len(browse.steps), browse.column())
        self._top = scrolled(self._top, rows, len(browse.prompts), browse.place)
        self._tiles = (cells, lines, columns, rows)

    def _tile_size(self, lines: int) -> tuple[int, int]:
        """Cells and lines for the tallest of these pictures, of at most so many lines.

        One that is wider than tall gets as much room as a square one.
        """
        shapes = (one.thumb_height / max(1, one.thumb_width) for one in self._pictures.values())
        shape = min(4.0, max(0.25, max(shapes, default=1.0)))
        cells = round(2 * lines / (math.sqrt(shape) if shape < 1 else shape))
        return cells, max(1, min(lines, round(cells / 2 * shape)))

    def _names(self, steps: tuple[int, ...], cells: int) -> Row:
        """Over each column its step."""
        browse, row = self._browse, []
        for step in steps:
            here, shown = step == browse.step, browse.shown_at(step)
            text = " · ".join(filter(None, [f"step {shown}", browse.name(shown)]))
            if here and browse.instead is not None:
                text = f"⇄ {text}"
            if cell_len(text) > cells:
                text = text.replace("step ", "")
            row.append(Span(f"  {fit(text, cells)}", "accent" if here else "dim"))
        return row

    def _line(self, index: int, steps: tuple[int, ...], box: Box, width: int) -> list[Row]:
        """A prompt and its pictures.

        The cursor is a bar below its picture: Textual sends a line again from the widget's edge
        to the last cell that changed, so a mark beside a picture would cost all before it.
        """
        tiles = [self._tile(step, index, box) for step in steps]
        joined = [[span for rows in tiles for span in rows[y]] for y in range(box.lines)]
        here = index == self._browse.prompt
        bar = [
            Span("  " + ("━" if here and step == self._browse.step else " ") * box.cells, "accent")
            for step in steps
        ]
        tone = "text" if here else "dim"
        return [*joined, bar, [Span("  " + fit(self._prompt(index, steps), width - 2), tone)]]

    def _prompt(self, index: int, steps: tuple[int, ...]) -> str:
        """As the newest picture in view has it: prompts may be changed while a job runs."""
        found = (self._pictures.get((step, index)) for step in reversed(steps))
        return clean_line(next((one.prompt for one in found if one), ""), 400)

    def _tile(self, step: int, index: int, box: Box) -> list[Row]:
        """A picture in a box of a fixed size."""
        picture = self._pictures.get((self._browse.shown_at(step), index))
        drawn = Drawn((), 0) if picture is None else self.picture(thumb(picture), box)
        edge, rest = Span("  "), Span(" " * (box.cells - drawn.width))
        rows: list[Row] = [[edge, *row, rest] for row in drawn.rows[: box.lines]]
        blank = Span(" " * (box.cells + 2))
        return [*rows, *([blank] for _ in range(box.lines - len(rows)))]

    def _look_ahead(self, prompts: tuple[int, ...], box: Box) -> None:
        """Have drawn what comes into view next: half of it more on both sides, and A, B, base."""
        browse, columns = self._browse, self._tiles[2]
        half = columns // 2 + 1
        around = browse.steps[max(0, self._first - half) : self._first]
        around += browse.steps[self._first + columns : self._first + columns + half]
        for step in dict.fromkeys((browse.base, *browse.pair, *around)):
            for index in prompts:
                if picture := self._pictures.get((step, index)):
                    self.expect(thumb(picture), box)
