"""The charts of one job: live where the whole run is in view, else as the daemon draws a window."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lorad.shared.jobs import Active, Job
from lorad.shared.messages import Chart, Column, GetChart, Metric
from lorad.tui.curve import CURVE_COLUMNS
from lorad.tui.format import figure, loss, validation
from lorad.tui.kinds import KINDS
from lorad.tui.messages import Answered, Declined
from lorad.tui.mirror import Detail
from lorad.tui.widgets.charts import ChartGrid
from lorad.tui.widgets.drawing import Line
from lorad.tui.widgets.plot import place
from lorad.tui.widgets.view import Reach, View

ALONG: tuple[Metric, ...] = ("validation_loss",)
"""Drawn over the loss."""
AGAIN_SECONDS = 5.0
"""At least this long until a window that grows is asked for again."""
AGAIN_PARTS = 50
"""And not before it has grown by this part of itself."""


@dataclass(frozen=True)
class Window:
    """A window as the daemon drew it."""

    job_id: int
    view: View
    lines: Mapping[Metric, Sequence[Column]]
    newest: int
    """The job's newest step when it was asked for."""


class JobCharts(ChartGrid):
    """Shows what the mirror knows of a job, and asks for what it does not."""

    def __init__(self, metrics: Sequence[Metric], *, id: str | None = None) -> None:
        super().__init__(metrics, id=id)
        self._job: Job | None = None
        self._detail: Detail | None = None
        self._window: Window | None = None
        self._asked: tuple[GetChart, View, int] | None = None
        self._asked_at = 0.0

    def show(self, job: Job | None, detail: Detail | None) -> None:
        """Draw this job's curves."""
        if job is None or self._job is None or job.id != self._job.id:
            self._window, self.view = None, View(axis=self.view.axis)
            self.reach = Reach()
        self._job, self._detail = job, detail
        self._go_on()
        self.redraw()

    @property
    def newest(self) -> int:
        """The newest step that is known."""
        return self._detail.curve("loss").last_step if self._detail else 0

    def _go_on(self) -> None:
        """The run may have gone on, or back to an earlier step."""
        if self._window is not None and self.newest < self._window.newest:
            self._window = None
            self.ask_soon()
        if self.view.axis == "step":
            total = (self._job.max_train_steps if self._job else None) or self.newest
            self.follow(Reach(float(self.newest), float(total)))
        window = self._window
        if window is None or (self.view.whole and self.view.axis == "step"):
            return
        grown = self.newest - window.newest
        late = time.monotonic() - self._asked_at > AGAIN_SECONDS
        if (
            grown * AGAIN_PARTS > window.newest
            and late
            and isinstance(self._job and self._job.status, Active)
        ):
            self.ask_soon()

    # -- windows ------------------------------------------------------------------------------

    def ask_window(self, view: View, width: int) -> None:
        """Ask for these columns; the whole run over its steps is in the mirror already."""
        if self._job is None or (view.whole and view.axis == "step"):
            return
        request = GetChart(
            id=self._job.id,
            width=min(CURVE_COLUMNS, width),
            metrics=list(dict.fromkeys((*self.charts, *ALONG))),
            first=view.first,
            last=view.last,
            axis=view.axis,
        )
        self._asked, self._asked_at = (request, view, self.newest), time.monotonic()
        self.lorad.link.ask(request)

    def answered(self, event: Answered) -> bool:
        """Whether this is the window that was asked for last."""
        if not isinstance(event.reply, Chart) or not isinstance(event.request, GetChart):
            return False
        if self._asked is None or event.request is not self._asked[0]:
            return False
        request, view, newest = self._asked
        self._window = Window(request.id, view, event.reply.lines, newest)
        self.redraw()
        return True

    def declined(self, event: Declined) -> bool:
        """Whether it was: a job that is gone has no window, and its screen says so."""
        return self._asked is not None and event.request is self._asked[0]

    # -- drawing ------------------------------------------------------------------------------

    def redraw(self) -> None:
        """Draw all that is in view, with what is known."""
        lines = {metric: self._lines(metric) for metric in self.charts}
        if self.view.axis != "step":
            ends = [place(line.columns[-1]) for lines_ in lines.values() for line in lines_[:1]
                    if line.columns]  # fmt: skip
            self.reach = Reach(last=max(ends, default=0.0))
        marks = self._detail.marks if self._detail else ()
        self.draw_all(lines, marks, {"loss": self._figures()}, self._silence())

    def _lines(self, metric: Metric) -> list[Line]:
        look = KINDS[metric].look
        own = Line(self._columns(metric), "accent", look)
        if metric != "loss":
            return [own]
        return [own, Line(self._columns("validation_loss"), "good", "dots", "val")]

    def _columns(self, metric: Metric) -> Sequence[Column]:
        """The best that is known of what is in view."""
        if self._detail is None:
            return ()
        whole = self._detail.curve(metric).columns
        if self.view.axis == "step" and self.view.whole:
            return whole
        window = self._window
        if window is None or self._job is None or window.job_id != self._job.id:
            return whole if self.view.axis == "step" else ()
        drawn = window.lines.get(metric, ())
        if window.view != self.view:
            return whole if self.view.axis == "step" else drawn
        if self.view.axis != "step":
            return drawn
        # What came since is in the mirror.
        since = drawn[-1].step if drawn else window.newest
        return [*drawn, *(column for column in whole if column.step > since)]

    def _silence(self) -> str:
        if self._job is None:
            return "no job is selected"
        if self._detail and any(column.nonfinite for column in self._detail.curve("loss").columns):
            return "every loss so far is NaN"
        return "no step taken yet" if self.view.whole else "no step is here"

    def _figures(self) -> list[str]:
        """The newest step's, the most telling first."""
        point = self._detail.newest if self._detail else None
        if point is None:
            return []
        parts = [f"step {point.step}", f"raw {figure(point.loss)}"]
        parts += [
            f"lr {figure(point.learning_rate, 3, fine=True)}",
            f"grad {figure(point.grad_norm, 3)}",
        ]
        if self._job is not None:
            # As the queue has it: the mean of some steps.
            parts = [*filter(None, [loss(self._job), validation(self._job)]), *parts]
        return parts
