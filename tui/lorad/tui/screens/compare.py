"""Several runs over each other: curves, a table, and what their recipes differ in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.timer import Timer

from lorad.shared.jobs import Job
from lorad.shared.messages import (
    AnyRequest,
    Chart,
    Column,
    GetChart,
    GetNews,
    GetRecipe,
    Happenings,
    Metric,
    RecipeText,
)
from lorad.tui import compare
from lorad.tui.compare import FIELDS, Entry, Field
from lorad.tui.curve import CURVE_COLUMNS
from lorad.tui.kinds import KINDS
from lorad.tui.messages import Answered, Declined
from lorad.tui.mirror import Mirror
from lorad.tui.screens.base import HEIGHTS, WIDTHS, LoradScreen
from lorad.tui.screens.comparing import AGAIN_SECONDS, BINDINGS, HINTS, ORDER, Run
from lorad.tui.widgets.chart import MetricChart
from lorad.tui.widgets.charts import DEBOUNCE_SECONDS
from lorad.tui.widgets.compare import (
    STYLES,
    CompareChart,
    DifferenceTable,
    RunTable,
    Table,
    place_words,
)
from lorad.tui.widgets.drawing import Line, Plot
from lorad.tui.widgets.header import Header, Hints
from lorad.tui.widgets.plot import place
from lorad.tui.widgets.view import Reach, View, following


class CompareScreen(LoradScreen):
    """Follows some jobs."""

    AUTO_FOCUS = "CompareChart"
    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    BINDINGS: ClassVar[list[BindingType]] = BINDINGS

    def __init__(self, jobs: Sequence[Job]) -> None:
        """Of at most `compare.MOST` jobs."""
        super().__init__()
        compare.check_count(len(jobs))
        self._runs = {job.id: Run(job) for job in jobs}
        self._styles = dict(zip(self._runs, STYLES, strict=False))
        self._metric: Metric = "loss"
        self._view, self._reach = View(), Reach()
        self._at: float | None = None
        """Where the cursor is on the axis."""
        self._field: Field = "id"
        self._reverse = False
        self._chosen = jobs[0].id
        self._baseline: int | None = None
        self._waiting: list[AnyRequest] = []
        self._asking: Timer | None = None
        self.header = Header(id="header")
        self.chart = CompareChart(KINDS["loss"], id="compared")
        self.table = RunTable(id="runs")
        self.differences = DifferenceTable(id="differences")

    def compose(self) -> ComposeResult:
        """From top to bottom; app.tcss says what fits."""
        yield self.header
        yield self.chart
        with Container(id="below"):
            yield self.table
            yield self.differences
        yield Hints(HINTS, id="hints")

    def on_mount(self) -> None:
        self.set_interval(AGAIN_SECONDS, self._go_on)
        self._go_on()
        self._redraw()

    # -- what the daemon knows ----------------------------------------------------------------

    def show(self, mirror: Mirror) -> None:
        """Draw this."""
        self.header.show(mirror)
        before = [(run.job, run.gone) for run in self._runs.values()]
        for id, run in self._runs.items():
            run.gone = mirror.daemon is not None and id not in mirror.jobs
            run.job = mirror.jobs.get(id, run.job)
        if before != [(run.job, run.gone) for run in self._runs.values()]:
            self._redraw()

    def _go_on(self) -> None:
        """Ask again for what has changed since; nothing that is under way is asked for twice."""
        if not self.is_current:
            return
        for id, run in self._runs.items():
            if run.gone:
                continue
            progress = run.job.progress
            seen = (run.job.state, progress.step, self._metric)
            if seen != run.seen and not self._under_way(id):
                run.seen = seen
                self._ask(compare.whole_run(id, self._metric))
                self._ask_window(run)
            heard = (run.job.state, progress.note)
            if heard != run.heard:
                run.heard = heard
                self._ask(GetRecipe(id=id))
                self._ask(GetNews(id=id, limit=compare.CHANGES, newest=True))

    def _under_way(self, id: int) -> bool:
        """Whether a run's curve is asked for already."""
        asked = [one for one in self._waiting if isinstance(one, GetChart) and one.id == id]
        return any(one.metrics[0] == self._metric for one in asked)

    def _ask(self, request: AnyRequest) -> None:
        self._waiting.append(request)
        self.lorad.link.ask(request)

    def _ask_window(self, run: Run) -> None:
        """Only where the whole run over its steps is not what is seen."""
        view = self._view
        if view.whole and view.axis == "step":
            return
        width = min(CURVE_COLUMNS, max(40, 2 * self.chart.content_size.width))
        self._ask(GetChart(id=run.job.id, width=width, metrics=[self._metric],
                           first=view.first, last=view.last, axis=view.axis))  # fmt: skip

    def _ask_windows(self) -> None:
        self._asking = None
        for run in self._runs.values():
            if not run.gone:
                self._ask_window(run)

    def answered(self, event: Answered) -> bool:
        """Whether this screen asked for it."""
        if not self._was_asked(event.request):
            return False
        run, reply = self._run_of(event.request), event.reply
        if isinstance(reply, RecipeText):
            run.recipe = compare.written(reply)
        elif isinstance(reply, Happenings):
            run.changes = reply.happenings
        elif isinstance(reply, Chart) and isinstance(event.request, GetChart):
            self._take(run, event.request, reply)
        self._redraw()
        return True

    def _take(self, run: Run, request: GetChart, reply: Chart) -> None:
        """A curve; one of a figure that is no longer shown is dropped."""
        if request.metrics[0] != self._metric:
            return
        if len(request.metrics) > 1:  # `whole_run`
            run.lines = reply.lines
        else:
            run.window = reply.lines.get(self._metric, ())
            run.view = View(request.first, request.last, request.axis)

    def declined(self, event: Declined) -> bool:
        """The header says that nobody answers, the table that a run is gone."""
        if not self._was_asked(event.request):
            return False
        run = self._run_of(event.request)
        run.seen = run.heard = ()
        return True

    def _run_of(self, request: AnyRequest) -> Run:
        """Whom this screen asked about."""
        assert isinstance(request, GetChart | GetRecipe | GetNews)
        assert request.id is not None
        return self._runs[request.id]

    def _was_asked(self, request: AnyRequest) -> bool:
        found = next((at for at, one in enumerate(self._waiting) if one is request), None)
        if found is not None:
            del self._waiting[found]
        return found is not None

    # -- drawing ------------------------------------------------------------------------------

    def _redraw(self) -> None:
        self._follow()
        lines = self._lines()
        plot = Plot(lines=lines, view=self._view, reach=self._reach, at=self._at)
        self.chart.show(plot, silence=self._silence())
        self.table.show(self._table(lines))
        self._show_differences()

    def _follow(self) -> None:
        """The runs may have gone on."""
        columns = {id: self._columns(run) for id, run in self._runs.items()}
        ends = [place(one[-1]) for one in columns.values() if one]
        if self._view.axis == "step":
            newest = max((run.job.progress.step for run in self._runs.values()), default=0)
            totals = [run.job.max_train_steps or 0 for run in self._runs.values()]
            last = float(max([newest, *ends]))
            reach = Reach(last, max([last, *map(float, totals)]))
        elif self._view.whole:
            reach = Reach(last=max(ends, default=0.0))
        else:
            return
        moved = following(self._view, self._reach, reach)
        self._reach = reach
        if moved is not self._view:
            self._look_at(moved)

    def _columns(self, run: Run) -> Sequence[Column]:
        """The best that is known of what is in view."""
        view, whole = self._view, run.lines.get(self._metric, ())
        if view.axis == "step":
            return run.window if run.view == view and not view.whole else whole
        return run.window if run.view is not None and run.view.axis == view.axis else ()

    def _lines(self) -> list[Line]:
        """The baseline is drawn over all others, then the run under the cursor."""
        first = (self._baseline, self._chosen)
        ids = sorted(self._runs, key=lambda id: first.index(id) if id in first else len(first))
        lines, look = [], KINDS[self._metric].look
        for id in ids:
            columns = compare.drawn(self._metric, self._columns(self._runs[id]))
            style, strong = self._styles[id], id == self._baseline
            if columns:
                lines.append(Line(
                    columns, style.tone, "dots" if look == "dots" else "plain",
                    dash=() if strong else style.dash, thick=2 if strong else 1, end=str(id),
                ))  # fmt: skip
        return lines

    def _silence(self) -> str:
        title = KINDS[self._metric].title
        if any(one.nonfinite for run in self._runs.values() for one in self._columns(run)):
            return f"{title}: every value is NaN"
        return f"{title}: no run has a value here"

    def _entries(self) -> list[Entry]:
        return [
            compare.entry(run.job, self._metric, run.lines, run.changes, self.now)
            for run in self._runs.values()
        ]

    def _table(self, lines: Sequence[Line]) -> Table:
        entries = compare.ordered(self._entries(), self._field, self._reverse)
        values, where = None, ""
        if self._at is not None:
            told = {line.end: compare.value_at(line.columns, self._at) for line in lines}
            values = {int(end): value for end, value in told.items() if value is not None}
            where = place_words(self._at, self._view.axis)
        return Table(
            entries=entries,
            styles=self._styles,
            kind=KINDS[self._metric],
            baseline=next((one for one in entries if one.job.id == self._baseline), None),
            chosen=self._chosen,
            values=values,
            where=where,
            field=self._field,
            reverse=self._reverse,
            gone=frozenset(id for id, run in self._runs.items() if run.gone),
        )

    def _show_differences(self) -> None:
        ids = [entry.job.id for entry in self.table.table.entries]  # in the order of the runs
        known = [self._runs[id].recipe for id in ids]
        found = compare.differing(known)
        self._lay_out(len(found))
        unread = {id for id, one in zip(ids, known, strict=True) if not (one and one.recipe)}
        silence = "…" if None in known else "nothing: their recipes are the same"
        styles = tuple((id, self._styles[id]) for id in ids)
        self.differences.show(found, styles, frozenset(unread), silence)

    def _lay_out(self, keys: int) -> None:
        """As high as their lines; the recipes at most a third of the terminal."""
        runs, keys = len(self._runs) + 2, max(5, keys + 2)
        if self.has_class("-wide") and self.has_class("-tall"):
            runs = keys = max(runs, min(keys, self.size.height // 3))
            self.query_one("#below").styles.height = runs
        elif self.has_class("-tall"):
            keys = min(keys, self.size.height // 4)
        else:
            keys = max(runs, min(keys, 10))
        self.table.styles.height, self.differences.styles.height = runs, keys

    def on_resize(self) -> None:
        self.query_one("#below").styles.height = "auto"
        self.call_after_refresh(self._redraw)

    # -- the view -----------------------------------------------------------------------------

    @on(MetricChart.Moved)
    def _moved(self, event: MetricChart.Moved) -> None:
        event.stop()
        if event.view.axis != self._view.axis:
            self._at, self._reach = None, Reach()
        self._look_at(event.view)
        self._redraw()

    def _look_at(self, view: View) -> None:
        """Another window: with what is known at once, then as the daemon draws it."""
        self._view = view
        if self._asking is not None:
            self._asking.stop()
        self._asking = self.set_timer(DEBOUNCE_SECONDS, self._ask_windows)

    @on(CompareChart.Placed)
    def _placed(self, event: CompareChart.Placed) -> None:
        event.stop()
        self._at = event.at
        self._redraw()

    # -- keys ---------------------------------------------------------------------------------

    async def action_on_chart(self, action: str) -> None:
        await self.chart.run_action(action)

    def action_metric(self, figures: int) -> None:
        self._metric = ORDER[(ORDER.index(self._metric) + figures) % len(ORDER)]
        self.chart.turn(KINDS[self._metric])
        for run in self._runs.values():
            run.window, run.view, run.seen = (), None, ()
        self._go_on()
        self._redraw()

    def action_row(self, rows: int) -> None:
        shown = [entry.job.id for entry in self.table.table.entries]
        at = shown.index(self._chosen) + rows
        self._choose(min(len(shown) - 1, max(0, at)))

    @on(RunTable.Chosen)
    def _clicked(self, event: RunTable.Chosen) -> None:
        self._choose(event.row)

    def _choose(self, row: int) -> None:
        shown = [entry.job.id for entry in self.table.table.entries]
        if row < len(shown):
            self._chosen = shown[row]
            self._redraw()

    def action_baseline(self) -> None:
        self._baseline = None if self._baseline == self._chosen else self._chosen
        self._redraw()

    def action_sort(self, columns: int) -> None:
        self._field = FIELDS[(FIELDS.index(self._field) + columns) % len(FIELDS)]
        self._redraw()

    def action_reverse(self) -> None:
        self._reverse = not self._reverse
        self._redraw()

    def action_pane(self, panes: int) -> None:
        order = [self.chart, self.table, self.differences]
        at = next((number for number, one in enumerate(order) if one.has_focus), 0)
        pane = order[(at + panes) % len(order)]
        # A small terminal has room for one of the tables.
        self.set_class(pane is self.differences, "-recipes")
        self._redraw()
        pane.focus()
