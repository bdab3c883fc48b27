"""Runs side by side: their curves on one chart, their table, and what their recipes differ in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from lorad.shared.clean import clean_line
from lorad.shared.recipe.differences import Difference
from lorad.tui.compare import Entry, Field, against, cells, value_at, value_text
from lorad.tui.format import LOOKS, duration, figure, fit
from lorad.tui.kinds import KINDS, Kind
from lorad.tui.widgets.chart import MetricChart
from lorad.tui.widgets.drawing import cursor_place
from lorad.tui.widgets.painting import Painting, Row, Span, centred, heading, on_ground
from lorad.tui.widgets.plot import BRAILLE, dashes
from lorad.tui.widgets.scrolling import Scrolling


class Style(NamedTuple):
    """How a run's line looks: also without colours each is another."""

    tone: str
    dash: tuple[int, ...] = ()


STYLES = (
    Style("run-1"),
    Style("run-2", (6, 2)),
    Style("run-3", (2, 2)),
    Style("run-4", (8, 2, 2, 2)),
    Style("run-5", (1, 3)),
    Style("run-6", (4, 4)),
    Style("run-7", (10, 2, 2, 2, 2, 2)),
    Style("run-8", (1, 1, 1, 5)),
)
"""In the order in which the runs were chosen."""
SAMPLE = 4
"""Cells of a line that show how it looks."""


def sample(style: Style, strong: bool) -> str:
    """A piece of a run's line."""
    drawn = dashes(() if strong else style.dash)
    dots = [drawn[x % len(drawn)] for x in range(2 * SAMPLE)]
    rows = (1, 2) if strong else (1,)
    bits = [sum(BRAILLE[x % 2][row] for row in rows) if on else 0 for x, on in enumerate(dots)]
    return "".join(chr(0x2800 + bits[x] + bits[x + 1]) for x in range(0, len(bits), 2))


class CompareChart(MetricChart):
    """One figure of several runs. Its cursor is a place on the axis, not one run's step."""

    class Placed(Message):
        """The cursor is wanted at a place, or nowhere."""

        def __init__(self, at: float | None) -> None:
            super().__init__()
            self.at = at

    def turn(self, kind: Kind) -> None:
        """Another figure."""
        self.kind = kind

    def _figures(self, room: int) -> str:
        """Where the cursor is, and each run's value there; as many as there is room for."""
        at = self.plot.at
        if at is None:
            return {"step": "over steps", "time": "over time", "images": "over pictures"}[
                self.plot.view.axis
            ]
        parts = [place_words(at, self.plot.view.axis)]
        for line in self.plot.lines:
            value = value_at(line.columns, at)
            if value is not None:
                parts.append(f"{line.end} {figure(value * self.kind.scale)}")
        while len(parts) > 1 and len(" · ".join(parts)) > room:
            parts.pop()
        return " · ".join(parts)

    def action_cursor(self, cells: int) -> None:
        """One cell further; beyond the newest place there is no cursor."""
        frame = self._frame()
        if frame is None:
            return
        last, now = self.plot.reach.last, cursor_place(self.plot, ())
        x = frame.x(last if now is None else now) // 2
        target = frame.at((x + cells) * 2 + 1)
        if self.plot.view.axis == "step":
            target = float(round(target))
            if now is not None and target == now:
                target = now + cells  # closer than cells are
        if cells > 0 and (now is None or target >= last <= now):
            self.post_message(self.Placed(None))
            return
        self.post_message(self.Placed(min(last, max(0.0, target))))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self.release_mouse()
        dragged, self._dragged = self._dragged, None
        if dragged is not None and dragged[0] == event.x:
            at = self._pointed_at(event.x)
            self.post_message(self.Placed(None if at is None else min(self.plot.reach.last, at)))


def place_words(at: float, axis: str) -> str:
    """A place of an axis as people say it."""
    if axis == "time":
        return f"after {duration(at)}"
    return f"step {at:.0f}" if axis == "step" else f"{at:.0f} pictures"


# -- the table ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """All that the table shows."""

    entries: Sequence[Entry] = ()
    """In the order in which they are shown."""
    styles: dict[int, Style] | None = None
    kind: Kind = KINDS["loss"]
    baseline: Entry | None = None
    chosen: int | None = None
    """A job's number."""
    values: dict[int, float] | None = None
    """Under the chart's cursor; none where there is no cursor."""
    where: str = ""
    """And where that is."""
    field: Field = "id"
    reverse: bool = False
    gone: frozenset[int] = frozenset()


class Column(NamedTuple):
    """One column: its cells have this width, and the least important go first."""

    name: str
    title: str
    field: Field | None
    width: int
    rank: int


COLUMNS = (
    Column("id", "run", "id", 4, 0),
    Column("name", "name", "name", 0, 0),
    Column("state", "state", "state", 11, 3),
    Column("step", "step", "step", 11, 4),
    Column("at", "cursor", None, 8, 1),
    Column("at_off", "±", None, 8, 2),
    Column("final", "newest", "final", 8, 1),
    Column("final_off", "±", None, 8, 3),
    Column("best", "best", "best", 8, 7),
    Column("best_off", "±", None, 8, 10),
    Column("best_step", "at", None, 7, 10),
    Column("validation", "best val", "validation", 9, 4),
    Column("validation_off", "±", None, 8, 6),
    Column("validation_step", "at", None, 7, 8),
    Column("rate", "img/s", "rate", 6, 8),
    Column("seconds", "trained", "seconds", 8, 9),
)
LEAST_NAME, MOST_NAME = 8, 40
LEFT = 2 + SAMPLE + 1
"""The cursor, the baseline's sign and the line's look."""


def fitting(table: Table, width: int) -> list[Column]:
    """The columns that have something to show and for which there is room.

    What the rows are sorted by is always one of them.
    """
    told = [
        one._replace(rank=0) if one.field == table.field else one
        for one in COLUMNS
        if _wanted(one, table)
    ]
    by_rank = sorted({one.rank for one in told}, reverse=True)
    for rank in by_rank:
        if LEFT + LEAST_NAME + sum(one.width + 1 for one in told) <= width:
            break
        if rank:
            told = [one for one in told if one.rank != rank]
    spare = width - LEFT - sum(one.width + 1 for one in told)
    name = max(4, min(MOST_NAME, spare, max((len(e.job.name) for e in table.entries), default=4)))
    return [one._replace(width=name) if one.name == "name" else one for one in told]


def _wanted(column: Column, table: Table) -> bool:
    if column.name.endswith("_off") and table.baseline is None:
        return False
    if column.name.startswith("at"):
        return table.values is not None
    if column.name.startswith("best"):
        return any(entry.best is not None for entry in table.entries) and (
            table.kind.metric != "validation_loss"  # it has columns of its own
        )
    if column.name.startswith("validation"):
        return any(entry.validation is not None for entry in table.entries)
    return True


class RunTable(Painting, can_focus=True):
    """A line a run, with a cursor."""

    class Chosen(Message):
        """The cursor is wanted on this row."""

        def __init__(self, row: int) -> None:
            super().__init__()
            self.row = row

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.table = Table()

    def show(self, table: Table) -> None:
        """Draw this."""
        self.table = table
        if self.display:
            self.repaint()

    def paint(self, width: int, height: int) -> list[Row]:
        """Heading, the columns' names, the runs."""
        table = self.table
        told = f"at {table.where}" if table.where else ""
        if table.baseline is not None:
            told = f"± to job {table.baseline.job.id}" + (f" · {told}" if told else "")
        rows = [heading(table.kind.title, told, width, self.has_focus)]
        columns = fitting(table, width)
        rows.append([Span(" " * LEFT, "faint"), *self._names(columns)])
        ids = [entry.job.id for entry in table.entries]
        at = ids.index(table.chosen) if table.chosen in ids else 0
        room = max(1, height - 2)
        first = max(0, min(at - room + 1, len(ids) - room)) if at >= room else 0
        rows += [self._row(one, columns, width) for one in table.entries[first : first + room]]
        return rows

    def _names(self, columns: Sequence[Column]) -> Row:
        """The columns' names; the one that the rows are sorted by has an arrow."""
        row: Row = []
        for column in columns:
            sorted_by = column.field is not None and column.field == self.table.field
            title = column.title + (("↓" if self.table.reverse else "↑") if sorted_by else "")
            left = column.name in ("name", "state")
            tone = "accent" if sorted_by else "faint"
            row.append(Span(fit(title, column.width, right=not left) + " ", tone))
        return row

    def _row(self, entry: Entry, columns: Sequence[Column], width: int) -> Row:
        table, id = self.table, entry.job.id
        style = (table.styles or {}).get(id, STYLES[0])
        base = table.baseline is not None and table.baseline.job.id == id
        chosen = id == table.chosen
        row = [
            Span("▌" if chosen else " ", "accent"),
            Span("◆" if base else " ", style.tone),
            Span(sample(style, base) + " ", style.tone),
        ]
        told = {**cells(entry, table.kind.metric, table.baseline)._asdict(), **self._values(id)}
        sign, tone = LOOKS[entry.job.state]
        told["state"] = "removed" if id in table.gone else f"{sign} {entry.job.state}"
        for column in columns:
            text, own = told[column.name], "text"
            if column.name == "id":
                own = style.tone
            elif column.name == "state":
                own = "dim" if id in table.gone else tone
            elif column.name.endswith(("_off", "_step")):
                own = "dim"
            elif text == "NaN":
                own = "bad"
            left = column.name in ("name", "state")
            row.append(Span(fit(text, column.width, right=not left) + " ", own))
        return on_ground(row, "cursor", width) if chosen else row

    def _values(self, id: int) -> dict[str, str]:
        """Under the chart's cursor."""
        values, base = self.table.values or {}, self.table.baseline
        value, scale = values.get(id), self.table.kind.scale
        other = None if base is None or base.job.id == id else values.get(base.job.id)
        off = against(value, other, scale)
        return {"at": "" if value is None else figure(value * scale), "at_off": off}

    def on_click(self, event: events.Click) -> None:
        if event.y >= 2:
            self.post_message(self.Chosen(event.y - 2))


# -- the recipes -------------------------------------------------------------------------------

LEAST_VALUE = 14
MOST_VALUE = 60
MOST_KEY = 32


class DifferenceTable(Scrolling, can_focus=True):
    """A line a key, a column a run."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll(1)", "down", show=False, id="differences.down"),
        Binding("k,up", "scroll(-1)", "up", show=False, id="differences.up"),
        Binding("pagedown,ctrl+d", "scroll(10)", "page down", show=False, id="differences.page"),
        Binding("pageup,ctrl+u", "scroll(-10)", "page up", show=False, id="differences.back"),
        Binding("right", "aside(1)", "runs", id="differences.right", tooltip="Other runs' values"),
        Binding("left", "aside(-1)", "runs", show=False, id="differences.left"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._keys: Sequence[Difference] = ()
        self._runs: Sequence[tuple[int, Style]] = ()
        self._unread: frozenset[int] = frozenset()
        self._silence = ""
        self._top = self._first = 0

    def show(
        self,
        keys: Sequence[Difference],
        runs: Sequence[tuple[int, Style]],
        unread: frozenset[int],
        silence: str = "",
    ) -> None:
        """Draw these; `unread` are the runs whose recipe nobody knows."""
        self._keys, self._runs, self._unread, self._silence = keys, runs, unread, silence
        if self.display:
            self.repaint()

    def paint(self, width: int, height: int) -> list[Row]:
        """Heading, the runs, the keys in view."""
        room = max(1, height - 2)
        self._top = max(0, min(self._top, len(self._keys) - room))
        count = f"{len(self._keys)}" if self._keys else ""
        if len(self._keys) > room:
            count = f"{self._top + 1} to {self._top + room} of {len(self._keys)}"
        head = heading("Recipes differ in", count, width, self.has_focus)
        if not self._keys:
            return [head, *centred([[Span(self._silence, "dim")]], width, height - 1)]
        key_width = min(MOST_KEY, max(len(one.key) for one in self._keys), width // 3)
        runs, value_width = self._in_view(width - key_width - 2)
        names = [Span(" " * (key_width + 2), "faint")]
        for number in runs:
            id, style = self._runs[number]
            names.append(Span(fit(f"{id}", value_width - 1) + " ", style.tone))
        if len(runs) < len(self._runs):
            names[0] = Span(fit(f"{len(runs)} of {len(self._runs)} runs", key_width + 2), "faint")
        rows = [head, names]
        for one in self._keys[self._top : self._top + room]:
            row = [Span(fit(clean_line(one.key), key_width) + "  ", "dim")]
            row += [Span(fit(self._value(one, n), value_width - 1) + " ") for n in runs]
            rows.append(row)
        return rows

    def _in_view(self, width: int) -> tuple[range, int]:
        """The runs that there is room for, and how wide each of them is."""
        count = min(len(self._runs), max(1, width // LEAST_VALUE))
        self._first = max(0, min(self._first, len(self._runs) - count))
        return range(self._first, self._first + count), min(MOST_VALUE, width // count)

    def _value(self, one: Difference, number: int) -> str:
        if self._runs[number][0] in self._unread:
            return "?"
        return clean_line(value_text(one.values[number]), MOST_VALUE)

    def action_scroll(self, lines: int) -> None:
        self._top = max(0, self._top + lines)
        self.repaint()

    def action_aside(self, runs: int) -> None:
        self._first = max(0, self._first + runs)
        self.repaint()
