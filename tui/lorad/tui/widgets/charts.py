"""Several charts that share a view and a cursor, as many at a time as there is room for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message
from textual.timer import Timer

from lorad.shared.messages import Mark, Metric
from lorad.tui.kinds import KINDS
from lorad.tui.widgets.chart import MetricChart
from lorad.tui.widgets.drawing import Line, Plot, visible
from lorad.tui.widgets.view import Reach, View, following

if TYPE_CHECKING:
    from lorad.tui.app import LoradApp

DEBOUNCE_SECONDS = 0.08
"""Whoever turns the wheel wants the window in which it comes to rest."""
CHART_WIDTH = 56
CHART_HEIGHT = 12
SHORT_HEIGHT = 8
"""On a terminal with room for one column of charts, which are wide then."""


def shape(width: int, height: int, count: int) -> tuple[int, int]:
    """How many charts fit side by side and one above the other."""
    columns = max(1, min(width // CHART_WIDTH, count, 4))
    rows = max(1, height // (SHORT_HEIGHT if columns == 1 else CHART_HEIGHT))
    return columns, max(1, min(rows, -(-count // columns)))


class ChartGrid(Container):
    """Subclasses give it lines with `draw_all` and ask for windows in `ask_window`."""

    class Paged(Message):
        """Others of its charts are in view."""

    def __init__(self, metrics: Sequence[Metric], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.view = View()
        self.reach = Reach()
        self.charts = {
            metric: MetricChart(KINDS[metric], id=f"chart-{metric}") for metric in metrics
        }
        self._full: list[Metric] = list(metrics)
        """Those that have something to show."""
        self._first = 0
        self._one = False
        self._marks: tuple[Mark, ...] = ()
        self._marked: tuple[object, ...] = ()
        self._thinned: tuple[Mark, ...] = ()
        self._asking: Timer | None = None

    @property
    def lorad(self) -> LoradApp:
        """The app by its own type."""
        return self.app  # type: ignore[return-value]

    def compose(self) -> ComposeResult:
        """All of them; `lay_out` says which are in view."""
        yield from self.charts.values()

    def on_mount(self) -> None:
        self.watch(self.app, "cursor_step", self._cursor_moved, init=False)
        self.lay_out()

    def _cursor_moved(self) -> None:
        """Nothing where nobody sees it: Textual would send the whole screen above it again."""
        if self.lorad.sees(self.screen):
            self.redraw()

    def on_resize(self) -> None:
        self.lay_out()

    # -- for those who make one ---------------------------------------------------------------

    def ask_window(self, view: View, width: int) -> None:
        """Ask the daemon for what is in view, at most so many columns a line."""

    def redraw(self) -> None:
        """Draw all that is in view, with what is known."""

    def draw_all(
        self,
        lines: Mapping[Metric, Sequence[Line]],
        marks: tuple[Mark, ...] = (),
        told: Mapping[Metric, Sequence[str]] | None = None,
        silence: str = "",
    ) -> None:
        """Draw these; a chart whose lines are empty is not shown, but for the first."""
        full = [
            metric
            for number, metric in enumerate(self.charts)
            if not number or any(line.columns for line in lines.get(metric, ()))
        ]
        if full != self._full:
            self._full = full
            self.lay_out()
        plot = Plot(
            view=self.view,
            reach=self.reach,
            marks=self._visible(marks),
            cursor=self.lorad.cursor_step,
        )
        for metric in self.in_view:
            own = tuple(lines.get(metric, ()))
            words = told.get(metric, ()) if told else ()
            self.charts[metric].show(replace(plot, lines=own), words, silence)

    def _visible(self, marks: tuple[Mark, ...]) -> tuple[Mark, ...]:
        """So few that drawing them costs nothing."""
        span = self.view.span(self.reach) if self.view.axis == "step" else (0.0, 1e18)
        if self._marked[:1] != (id(marks),) or self._marked[1:] != span:
            self._marks, self._marked = marks, (id(marks), *span)
            self._thinned = visible(marks, *span) if self.view.axis == "step" else marks[-256:]
        return self._thinned

    # -- the view -----------------------------------------------------------------------------

    @on(MetricChart.Moved)
    def _moved(self, event: MetricChart.Moved) -> None:
        event.stop()
        self.look_at(event.view)

    @on(MetricChart.Pointed)
    def _pointed(self, event: MetricChart.Pointed) -> None:
        event.stop()
        self.lorad.cursor_step = event.step

    def look_at(self, view: View) -> None:
        """Another window: with what is known at once, then as the daemon draws it."""
        self.view = view
        self.redraw()
        self.ask_soon()

    def ask_soon(self) -> None:
        """Ask for the window when it has come to rest."""
        if self._asking is not None:
            self._asking.stop()
        self._asking = self.set_timer(DEBOUNCE_SECONDS, self._ask)

    def _ask(self) -> None:
        self._asking = None
        widths = [self.charts[metric].content_size.width for metric in self.in_view]
        self.ask_window(self.view, max(40, 2 * max(widths, default=0)))

    def follow(self, reach: Reach) -> None:
        """The run went on: a window in which its newest step was goes on with it."""
        moved = following(self.view, self.reach, reach)
        self.reach = reach
        if moved is not self.view:
            self.view = moved
            self.ask_soon()

    # -- pages --------------------------------------------------------------------------------

    @property
    def in_view(self) -> list[Metric]:
        """The charts that can be seen."""
        return self._full[self._first : self._first + self.page_size]

    @property
    def full(self) -> Sequence[Metric]:
        """The charts that there are."""
        return self._full

    @property
    def first(self) -> int:
        """How many of them come before the first in view."""
        return self._first

    @property
    def page_size(self) -> int:
        """How many charts there is room for."""
        if self._one:
            return 1
        columns, rows = shape(self.size.width, self.size.height, len(self._full))
        return columns * rows

    def lay_out(self) -> None:
        """Show the charts of this page, and no others."""
        self._first = min(self._first, max(0, len(self._full) - 1))
        shown = self.in_view
        for metric, chart in self.charts.items():
            chart.display = metric in shown
        columns, _ = shape(self.size.width, self.size.height, len(self._full))
        columns = min(columns, max(1, len(shown)))
        self.styles.grid_size_columns = columns
        self.styles.grid_size_rows = max(1, -(-len(shown) // columns))
        focused = self.focused_metric
        if focused is not None and focused not in shown:
            self.charts[shown[0]].focus()
        self.redraw()
        self.post_message(self.Paged())

    @property
    def focused_metric(self) -> Metric | None:
        """The chart with the keys."""
        found = (metric for metric, chart in self.charts.items() if chart.has_focus)
        return next(found, None)

    def turn(self, pages: int) -> None:
        """Other charts, in pages; the last one is followed by the first."""
        size = self.page_size
        count = -(-len(self._full) // size)
        self._first = (self._first // size + pages) % count * size
        self.lay_out()
        self.charts[self.in_view[0]].focus()

    def step(self, charts: int) -> None:
        """The keys to the next chart, on the next page where there is one."""
        focused = self.focused_metric
        at = self._full.index(focused) + charts if focused in self._full else 0
        metric = self._full[at % len(self._full)]
        if metric not in self.in_view:
            self._first = at % len(self._full) // self.page_size * self.page_size
            self.lay_out()
        self.charts[metric].focus()

    def enlarge(self) -> bool:
        """The chart with the keys alone, or all again; whether it is alone now."""
        metric = self.focused_metric or self.in_view[0]
        self._one = not self._one
        at = self._full.index(metric)
        self._first = at if self._one else 0
        if not self._one:
            self._first = at // self.page_size * self.page_size
        self.lay_out()
        self.charts[metric].focus()
        return self._one
