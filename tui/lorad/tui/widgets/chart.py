"""One chart: shows a `Plot`, and says what its keys and the mouse ask for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from lorad.shared.messages import Axis, Column
from lorad.tui.format import figure
from lorad.tui.kinds import Kind
from lorad.tui.widgets.drawing import Line, Plot, column_at, cursor_place, draw, frame_of
from lorad.tui.widgets.painting import Painting, Row, Span, centred, heading
from lorad.tui.widgets.plot import Frame, place
from lorad.tui.widgets.view import PAN, ZOOM, View, panned, whole, zoomed

AXES: tuple[Axis, ...] = ("step", "time", "images")


class MetricChart(Painting, can_focus=True):
    """Shows one figure of one or several runs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "cursor(-1)", "cursor", id="chart.left", tooltip="Cursor to the left"),
        Binding("right", "cursor(1)", "cursor", id="chart.right", tooltip="Cursor to the right"),
        Binding("h,shift+left", "pan(-1)", "pan", id="chart.earlier", tooltip="Earlier part"),
        Binding("l,shift+right", "pan(1)", "pan", id="chart.later", tooltip="Later part"),
        Binding("plus", "zoom(1)", "zoom in", id="chart.in", tooltip="Zoom in"),
        Binding("minus", "zoom(-1)", "zoom out", id="chart.out", tooltip="Zoom out"),
        Binding("0", "whole", "whole run", id="chart.whole", tooltip="The whole run"),
        Binding("y", "log", "log scale", id="chart.log", tooltip="Log scale of the values"),
        Binding("g", "grid", "grid lines", id="chart.grid", tooltip="Grid lines"),
        Binding("t", "axis", "axis", id="chart.axis", tooltip="Over steps, time or pictures"),
    ]

    class Moved(Message):
        """Another part of the axis is wanted."""

        def __init__(self, view: View) -> None:
            super().__init__()
            self.view = view

    class Pointed(Message):
        """The cursor is wanted at a step, or nowhere."""

        def __init__(self, step: int | None) -> None:
            super().__init__()
            self.step = step

    def __init__(self, kind: Kind, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.kind = kind
        self.plot = Plot()
        self._told: Sequence[str] = ()
        self._silence = ""
        self._log = self._grid = False
        self._dragged: tuple[int, View] | None = None

    def show(self, plot: Plot, told: Sequence[str] = (), silence: str = "") -> None:
        """Draw this; `told` are the newest figures, `silence` is said where there is no value."""
        self.plot = replace(
            plot, log=self._log, grid=self._grid, scale=self.kind.scale, floor=self.kind.floor
        )
        self._told, self._silence = told, silence
        if self.display:
            self.repaint()

    def paint(self, width: int, height: int) -> list[Row]:
        """Heading, plot and axes."""
        title = f"{self.kind.title} · log" if self._log else self.kind.title
        room = width - len(title) - 10
        head = heading(title, self._figures(room), width, self.has_focus)
        if height < 5 or width < 20:
            return [head]
        rows = draw(self.plot, width, height - 1)
        if rows is None:
            return [head, *centred([[Span(self._silence, "dim")]], width, height - 1)]
        return [head, *rows]

    # -- figures ------------------------------------------------------------------------------

    def _figures(self, room: int) -> str:
        """The newest figures or, where the cursor is, its own; as many as there is room for."""
        parts = list(self._told)
        if self.plot.cursor is not None:
            parts = [*self._read_out(self.plot.cursor), f"step {self.plot.cursor}"]
        elif not parts:
            parts = self._read_out(None)
        while parts and len(" · ".join(parts)) > room:
            parts.pop()
        return " · ".join(parts)

    def _read_out(self, step: int | None) -> list[str]:
        """Each line's value at a step, or its newest, and its spread where there is one."""
        said = []
        for line in self.plot.lines:
            columns = line.columns
            column = columns[-1] if step is None and columns else None
            if step is not None:
                column = column_at(columns, step)
            if column is not None:
                said.append(self._words(line, column))
        return said

    def _words(self, line: Line, column: Column) -> str:
        name = f"{line.name} " if line.name else ""
        if column.last is None or column.minimum is None or column.maximum is None:
            return f"{name}NaN"
        scale, unit = self.kind.scale, f" {self.kind.unit}" if self.kind.unit else ""
        words = f"{name}{figure(column.last * scale, fine=True)}{unit}"
        if column.maximum > column.minimum:
            low, high = figure(column.minimum * scale, 3), figure(column.maximum * scale, 3)
            words += f" ({low} to {high})"
        return f"{words}, {column.nonfinite} NaN" if column.nonfinite else words

    # -- keys ---------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Panning the whole run is nothing: its keys are the screen's then."""
        return not (action == "pan" and self.plot.view.whole)

    def action_cursor(self, cells: int) -> None:
        """One cell further; beyond the newest step there is no cursor."""
        frame = self._frame()
        columns = self._columns()
        if frame is None or not columns or (self.plot.cursor is None and cells > 0):
            return
        last = columns[-1].step
        step = last if self.plot.cursor is None else self.plot.cursor
        at = next((place(column) for column in columns if column.step >= step), place(columns[-1]))
        if self.plot.view.axis == "step":
            at = float(step)
        moved = frame.at((frame.x(at) // 2 + cells) * 2 + 1)
        target = self._step_at(moved, columns)
        if self.plot.view.axis == "step" and target == step:
            target = step + cells  # closer than cells are
        if self.plot.cursor is not None and cells > 0 and target >= last <= step:
            self.post_message(self.Pointed(None))
            return
        self.post_message(self.Pointed(min(last, max(columns[0].step, target))))

    def _step_at(self, at: float, columns: Sequence[Column]) -> int:
        if self.plot.view.axis == "step":
            return round(at)
        return min(columns, key=lambda column: abs(place(column) - at)).step

    def action_pan(self, direction: int) -> None:
        self._move(panned(self.plot.view, self.plot.reach, direction * PAN))

    def action_zoom(self, direction: int) -> None:
        self._zoom(direction, cursor_place(self.plot, self.plot.lines))

    def _zoom(self, direction: int, at: float | None) -> None:
        self._move(zoomed(self.plot.view, self.plot.reach, ZOOM**direction, at))

    def action_whole(self) -> None:
        self._move(whole(self.plot.view))

    def action_axis(self) -> None:
        following = AXES[(AXES.index(self.plot.view.axis) + 1) % len(AXES)]
        self._move(View(axis=following))

    def action_log(self) -> None:
        self._log = not self._log
        self.show(self.plot, self._told, self._silence)

    def action_grid(self) -> None:
        self._grid = not self._grid
        self.show(self.plot, self._told, self._silence)

    def _move(self, view: View) -> None:
        if view != self.plot.view:
            self.post_message(self.Moved(view))

    # -- the mouse ----------------------------------------------------------------------------

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._zoom(1, self._pointed_at(event.x))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._zoom(-1, self._pointed_at(event.x))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self.capture_mouse()
        self._dragged = (event.x, self.plot.view)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        frame = self._frame()
        if self._dragged is None or frame is None:
            return
        start, view = self._dragged
        self._move(panned(view, self.plot.reach, (start - event.x) * 2 / frame.width))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self.release_mouse()
        dragged, self._dragged = self._dragged, None
        columns = self._columns()
        if dragged is None or dragged[0] != event.x or not columns:
            return
        at = self._pointed_at(event.x)
        step = None if at is None else self._step_at(at, columns)
        if step is not None:
            step = min(columns[-1].step, max(columns[0].step, step))
        self.post_message(self.Pointed(step))

    # -- places -------------------------------------------------------------------------------

    def _frame(self) -> Frame | None:
        width, height = self.content_size
        return frame_of(self.plot, width, height - 1)

    def _columns(self) -> Sequence[Column]:
        return self.plot.lines[0].columns if self.plot.lines else ()

    def _pointed_at(self, x: int) -> float | None:
        """The place on the axis that a cell of the widget shows; none beside the plot."""
        frame = self._frame()
        if frame is None:
            return None
        cell = x - (self.content_size.width - frame.width // 2)
        return frame.at(math.floor(cell * 2 + 1)) if cell >= 0 else None
