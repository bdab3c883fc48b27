"""A widget that is painted in rows of cells, and sends to the terminal only what changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import App
from textual.dom import DOMNode
from textual.geometry import Region
from textual.strip import Strip
from textual.theme import Theme
from textual.widget import Widget

Rgb = tuple[int, int, int]
_MADE: WeakKeyDictionary[App[Any], dict[tuple[str, Style], Style]] = WeakKeyDictionary()
"""The tones of each app by their names and the style of the ground that they are on."""


class Painted:
    """A stretch of cells that are made already: what a picture's line has in the terminal."""

    __slots__ = ("segments",)

    def __init__(self, segments: list[Segment]) -> None:
        """As many cells as the span has that it is the tone of."""
        self.segments = segments


Tone = str | tuple[Rgb, Rgb] | Painted
"""The name of a colour in app.tcss: `accent`; with a ground or weight: `accent+cursor`,
`accent+bold`; a pixel's upper and lower colour; or cells that are made already."""


class Span(NamedTuple):
    """Text in one tone."""

    text: str
    tone: Tone = "text"


Row = list[Span]


def width_of(row: Row) -> int:
    """In cells."""
    return sum(_width(span) for span in row)


def _width(span: Span) -> int:
    return len(span.text) if isinstance(span.tone, Painted) else cell_len(span.text)


def heading(title: str, right: str, width: int, focused: bool) -> Row:
    """The line that parts a panel from what is above it."""
    tone = "accent+bold" if focused else "title"
    rule = "accent" if focused else "line"
    room = width - len(title) - 4
    if cell_len(right) + 3 > room:
        right = ""
    after = f" {right} " if right else ""
    middle = width - len(title) - 4 - cell_len(after) - (1 if right else 0)
    row = [Span("─ ", rule), Span(title, tone), Span(" " + "─" * max(0, middle + 1), rule)]
    if right:
        row += [Span(after, "dim"), Span("─", rule)]
    return row


def on_ground(row: Row, ground: str, width: int) -> Row:
    """The row over a ground, filled up to the width."""
    filled = [*row, Span(" " * max(0, width - width_of(row)))]
    return [
        Span(span.text, f"{span.tone}+{ground}" if isinstance(span.tone, str) else span.tone)
        for span in filled
    ]


def centred(lines: list[Row], width: int, height: int) -> list[Row]:
    """Lines in the middle of the space."""
    above = max(0, (height - len(lines)) // 2)
    left = [max(0, (width - width_of(line)) // 2) for line in lines]
    return [[] for _ in range(above)] + [
        [Span(" " * indent), *line] for indent, line in zip(left, lines, strict=True)
    ]


def runs(cells: list[tuple[str, Tone]]) -> Row:
    """Single cells drawn together where the tone is the same."""
    row: Row = []
    start = 0
    for end in range(1, len(cells) + 1):
        if end == len(cells) or cells[end][1] != cells[start][1]:
            row.append(Span("".join([char for char, _ in cells[start:end]]), cells[start][1]))
            start = end
    return row


class Painting(Widget):
    """Subclasses say in `paint` what there is to see; `repaint` shows what is new in it."""

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: list[Row] = []
        self._tones: dict[Tone, Style] = {}

    def paint(self, width: int, height: int) -> list[Row]:
        """What there is to see in this space."""
        raise NotImplementedError

    def repaint(self) -> None:
        """Paint again and refresh the cells that differ."""
        width, height = self.content_size
        if not self.is_mounted or not width or not height:
            return
        rows = [row for row in self.paint(width, height)[:height]]
        rows += [[] for _ in range(height - len(rows))]
        before = self._rows
        self._rows = rows
        if len(before) != len(rows):
            self.refresh()
            return
        regions = [
            Region(start, y, end - start, 1)
            for y, (old, new) in enumerate(zip(before, rows, strict=True))
            for start, end in difference(old, new, width)
        ]
        if regions:
            self.refresh(*regions)

    def render_line(self, y: int) -> Strip:
        """A row as the terminal gets it."""
        width = self.content_size.width
        row = self._rows[y] if y < len(self._rows) else []
        segments: list[Segment] = []
        for text, tone in row:
            if isinstance(tone, Painted):
                segments += tone.segments
            elif text:
                segments.append(Segment(text, self._style(tone)))
        return Strip(segments).adjust_cell_length(width, self._style("text"))

    def _style(self, tone: str | tuple[Rgb, Rgb]) -> Style:
        style = self._tones.get(tone)
        if style is None:
            style = self._tones[tone] = self._make_style(tone)
        return style

    def _make_style(self, tone: str | tuple[Rgb, Rgb]) -> Style:
        if isinstance(tone, tuple):
            upper, lower = tone
            return Style(color=f"rgb({_csv(upper)})", bgcolor=f"rgb({_csv(lower)})")
        name, _, ground = tone.partition("+")
        style = self._component(name)
        if ground == "bold":
            style += Style(bold=True)
        elif ground:
            style += Style(bgcolor=self._component(ground).bgcolor)
        return style

    def _component(self, name: str) -> Style:
        """What app.tcss says of a tone.

        As with Textual's component classes, but made when it is used first, and for all widgets
        on the same ground together: theirs are made for each widget, each time anything about it
        changes, which took most of the time that a screen needed to open.
        """
        made = _MADE.setdefault(self.app, {})
        key = (name, self.rich_style)
        if key not in made:
            node = DOMNode(classes=f"painting--{name}")
            node._attach(self)
            self.app.stylesheet.apply(node, animate=False)
            made[key] = node.rich_style
        return made[key]

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, self._rethemed, immediate=True)

    def _rethemed(self, theme: Theme) -> None:
        _MADE.pop(self.app, None)
        self._tones.clear()
        self.refresh()

    def notify_style_update(self) -> None:
        """Perhaps another ground: the colours are looked up again."""
        super().notify_style_update()
        self._tones.clear()

    def on_resize(self, event: events.Resize) -> None:
        self._rows = []
        self.repaint()

    def on_focus(self) -> None:
        self.repaint()

    def on_blur(self) -> None:
        self.repaint()


def _csv(colour: Rgb) -> str:
    return ",".join(map(str, colour))


def difference(old: Row, new: Row, width: int) -> list[tuple[int, int]]:
    """Where two rows differ: the first and the last cell that do, or nothing.

    One stretch and not several: Textual sends a line from the widget's edge to the end of each.
    """
    if old == new:
        return []
    unlike = (_trimmed(before, after, start, width) for start, before, after in _unlike(old, new))
    found = [stretch for stretch in unlike if stretch is not None]
    return [(found[0][0], max(end for _, end in found))] if found else []


def _unlike(old: Row, new: Row) -> Iterator[tuple[int, Row, Row]]:
    """The spans that differ, from one place where both rows have a border to the next."""
    i = j = at = over = 0
    while i < len(old) or j < len(new):
        start, first, second = at, i, j
        while True:
            # Whichever is behind takes its next span.
            if i < len(old) and (at <= over or j >= len(new)):
                at += _width(old[i])
                i += 1
            elif j < len(new):
                over += _width(new[j])
                j += 1
            if (at == over and i > first and j > second) or (i == len(old) and j == len(new)):
                break
        if old[first:i] != new[second:j]:
            yield start, old[first:i], new[second:j]
        at = over = max(at, over)


def _trimmed(old: Row, new: Row, start: int, width: int) -> tuple[int, int] | None:
    """The cells of these spans that differ."""
    if any(isinstance(span.tone, Painted) for span in (*old, *new)):
        end = start + max(width_of(old), width_of(new))
        return start, width if width_of(old) != width_of(new) else min(end, width)
    before, after = _cells(old), _cells(new)
    shared = min(len(before), len(after))
    first = next((x for x in range(shared) if before[x] != after[x]), shared)
    if len(before) != len(after):
        return start + first, width
    if first == shared:
        return None
    last = next(x for x in range(shared, first, -1) if before[x - 1] != after[x - 1])
    return start + first, min(start + last, width)


def _cells(row: Row) -> list[tuple[str, Tone]]:
    """One entry a cell; a wide character has a second, empty one."""
    cells: list[tuple[str, Tone]] = []
    for text, tone in row:
        for char in text:
            cells.append((char, tone))
            if not char.isascii():
                cells.extend([("", tone)] * (cell_len(char) - 1))
    return cells
