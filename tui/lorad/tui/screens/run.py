"""One run: all its curves, what happened on them, and the end of its log."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from lorad.shared.jobs import Job
from lorad.shared.messages import METRICS, Metric
from lorad.tui.messages import Answered, Declined
from lorad.tui.mirror import MAIN_METRICS, Mirror
from lorad.tui.screens.base import HEIGHTS, WIDTHS
from lorad.tui.screens.jobs import JOB_BINDINGS, JobActions
from lorad.tui.widgets.charts import ChartGrid
from lorad.tui.widgets.header import Header, Hints
from lorad.tui.widgets.job_charts import JobCharts
from lorad.tui.widgets.log import LogView
from lorad.tui.widgets.run import MarkList, RunHead

HINTS = (
    ("← →", "cursor"),
    ("+ -", "zoom"),
    ("0", "whole run"),
    ("y", "log"),
    ("tab", "next chart"),
    ("enter", "enlarge"),
    ("[ ]", "page"),
    ("p", "pause/resume"),
    ("s", "samples"),
    ("esc", "back"),
    ("?", "all keys"),
)
ORDER: tuple[Metric, ...] = (
    "loss", "learning_rate", "grad_norm", "images_per_second", "validation_loss",
    "gpu_utilization", "gpu_memory", "gpu_power", "gpu_temperature",
)  # fmt: skip
"""The most telling first: a small terminal shows the first page."""


class RunScreen(JobActions):
    """Follows one job."""

    AUTO_FOCUS = "MetricChart"
    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    OWN_BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "chart(1)", "next chart", id="run.next", tooltip="Next chart"),
        Binding("shift+tab", "chart(-1)", "previous", id="run.previous", tooltip="Previous chart"),
        Binding("enter", "enlarge", "enlarge", id="run.enlarge", tooltip="One chart alone, or all"),
        Binding("right_square_bracket", "page(1)", "next page", id="run.page", tooltip="Next page"),
        Binding("left_square_bracket", "page(-1)", "page back", id="run.back", tooltip="Page back"),
        Binding("escape", "back", "back", id="run.leave", tooltip="Back to the queue"),
    ]
    BINDINGS: ClassVar[list[BindingType]] = [*OWN_BINDINGS, *JOB_BINDINGS]

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job_id = job.id
        self._shown: Job | None = job
        self.header = Header(id="header")
        self.head = RunHead(id="head")
        self.charts = JobCharts(ORDER, id="charts")
        self.marks = MarkList(id="marks")
        self.log_view = LogView(id="log")
        self.log_view.can_focus = False

    def compose(self) -> ComposeResult:
        """From top to bottom; app.tcss says what fits."""
        yield self.header
        yield self.head
        yield self.charts
        with Container(id="below"):
            yield self.marks
            yield self.log_view
        yield Hints(HINTS, id="hints")

    def on_mount(self) -> None:
        self._link = self.lorad.link
        self.lorad.chart(METRICS)
        self.watch(self.app, "cursor_step", self._show_marks, init=False)

    def on_unmount(self) -> None:
        self._link.chart(MAIN_METRICS)  # the app may look at another box by now

    # -- drawing ------------------------------------------------------------------------------

    def show(self, mirror: Mirror) -> None:
        """Draw this."""
        self.header.show(mirror)
        self._shown = mirror.jobs.get(self._job_id)
        detail = mirror.detail if mirror.detail and mirror.detail.id == self._job_id else None
        self.head.show(self._shown)
        self.charts.show(self._shown, detail)
        self._show_marks()
        self.log_view.show(detail.log.shown() if detail else ())

    def _show_marks(self) -> None:
        detail = self.lorad.mirror.detail
        marks = detail.marks if detail and detail.id == self._job_id else ()
        self.marks.show(marks, self.lorad.cursor_step)

    @on(ChartGrid.Paged)
    def _paged(self) -> None:
        charts = self.charts
        first, count = charts.first + 1, len(charts.in_view)
        last, full = first + count - 1, len(charts.full)
        page = f"chart {first} of {full}" if count == 1 else f"charts {first} to {last} of {full}"
        self.head.turn(f"  {page}" if full > count else "")

    def answered(self, event: Answered) -> bool:
        """A window of the charts, or what its keys asked for."""
        return self.charts.answered(event) or super().answered(event)

    def declined(self, event: Declined) -> bool:
        """A window of a job that is gone needs no words."""
        return self.charts.declined(event)

    # -- keys ---------------------------------------------------------------------------------

    def _job(self) -> Job | None:
        if self._shown is None:
            self.lorad.tell("This job is no longer in the queue.", "warning")
        return self._shown

    def action_chart(self, charts: int) -> None:
        self.charts.step(charts)

    def action_page(self, pages: int) -> None:
        self.charts.turn(pages)

    def action_enlarge(self) -> None:
        self.set_class(self.charts.enlarge(), "-enlarged")

    def action_back(self) -> None:
        if self.has_class("-enlarged"):
            self.action_enlarge()
        else:
            self.lorad.cursor_step = None
            self.dismiss()
