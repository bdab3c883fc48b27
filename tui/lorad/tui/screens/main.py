"""The main screen: queue, curve, pictures, machine, log."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.timer import Timer
from textual.widgets import Input

from lorad.shared.jobs import Job, Queued
from lorad.shared.messages import (
    AnyRequest,
    MoveJob,
    OneRequest,
    SetPriority,
    Why,
    WhyJob,
)
from lorad.tui.messages import Answered, Declined
from lorad.tui.mirror import MAIN_METRICS, Listing, Mirror, listed
from lorad.tui.screens.base import HEIGHTS, WIDTHS
from lorad.tui.screens.jobs import JOB_BINDINGS, JobActions
from lorad.tui.widgets.gauges import Gauges
from lorad.tui.widgets.header import Header, Hints
from lorad.tui.widgets.job_charts import JobCharts
from lorad.tui.widgets.log import LogView
from lorad.tui.widgets.queue import QueueList
from lorad.tui.widgets.samples import SampleGrid
from lorad.tui.widgets.since import SinceLine
from lorad.tui.wishes import Wishes

HINTS = (
    ("a", "add"),
    ("enter", "curves"),
    ("p", "pause/resume"),
    ("x", "cancel"),
    ("s", "samples"),
    ("l", "log"),
    ("m", "machine"),
    ("space", "mark"),
    ("c", "compare"),
    ("w", "why"),
    ("/", "filter"),
    ("q", "quit"),
    ("?", "all keys"),
)
WHY_SECONDS = 0.4
"""The cursor rests this long on a waiting job before the daemon is asked why it waits."""
EVENT_SECONDS = 2.0
"""An answered change's event is not waited for any longer."""


class MainScreen(JobActions):
    """Everything of the selected job beside the queue."""

    AUTO_FOCUS = "#queue"
    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "next job", id="queue.down", tooltip="Next job"),
        Binding("k,up", "move(-1)", "previous job", id="queue.up", tooltip="Previous job"),
        Binding("tab", "app.focus_next", "next pane", id="pane.next", tooltip="Next pane"),
        Binding(
            "shift+tab",
            "app.focus_previous",
            "previous pane",
            id="pane.previous",
            tooltip="Previous pane",
        ),
        Binding("a", "add", "add", id="job.add", tooltip="Add a recipe to the queue"),
        *JOB_BINDINGS,
        Binding(
            "d,delete", "remove", "remove", id="job.remove", tooltip="Forget it; its files stay"
        ),
        Binding("J", "shift_place(1)", "later", id="job.later", tooltip="Down in the queue"),
        Binding("K", "shift_place(-1)", "sooner", id="job.sooner", tooltip="Up in the queue"),
        Binding("plus", "prioritise(1)", "priority", id="job.higher", tooltip="Higher priority"),
        Binding("minus", "prioritise(-1)", "priority", id="job.lower", tooltip="Lower priority"),
        Binding("enter", "run", "curves", id="view.run", tooltip="All curves of the run"),
        Binding("m", "machine", "machine", id="view.machine", tooltip="Cards, box and daemon"),
        Binding(
            "slash",
            "filter",
            "filter",
            id="queue.filter",
            tooltip="Filter by name, state, number, group",
        ),
        Binding("escape", "clear", "clear", show=False, id="queue.clear"),
    ]

    def __init__(self, select: int | None = None) -> None:
        super().__init__()
        self._wanted = select
        self._listing = Listing()
        self._wishes = Wishes()
        self._asked_why: WhyJob | None = None
        """By nobody but the cursor: the answer belongs beside the job."""
        self._why_timer: Timer | None = None
        # Made here and not in compose: news may come before they are on the screen.
        self.header = Header(id="header")
        self.queue = QueueList(id="queue")
        self.chart = JobCharts(MAIN_METRICS[:1], id="chart")
        self.samples = SampleGrid(id="samples")
        self.gauges = Gauges(id="gauges")
        self.log_view = LogView(id="log")
        self.since = SinceLine(id="since")
        self.filter = Input(
            id="filter", placeholder="words of name, state or number", select_on_focus=False
        )

    def compose(self) -> ComposeResult:
        """From top to bottom; app.tcss says what fits."""
        yield self.header
        with Container(id="panes"):
            yield self.queue
            yield self.chart
            yield self.samples
            yield self.gauges
            yield self.log_view
        yield self.filter
        yield self.since
        yield Hints(HINTS, id="hints")

    # -- drawing ------------------------------------------------------------------------------

    def show(self, mirror: Mirror) -> None:
        """Draw this."""
        self._wishes.settle(mirror.jobs)
        before = self._listing
        self._listing = listed(before, mirror.jobs, mirror.gpus)
        self.header.show(mirror, self._listing)
        self.since.show(mirror)
        silence = "" if mirror.daemon else mirror.trouble or "…"
        self.queue.show(self._listing, silence, mirror.groups)
        if self._listing.order is not before.order:
            self._ask_why_soon()
        if self._wanted in mirror.jobs:
            self.queue.select(self._wanted)
            self._wanted = None
        self.gauges.show(mirror.gpus, mirror.host)
        self._show_detail(mirror)

    def _show_detail(self, mirror: Mirror) -> None:
        job, detail = self.queue.selected, mirror.detail
        if job is None or detail is None or detail.id != job.id:
            detail = None
        self.chart.show(job, detail)
        self.samples.show(detail)
        if self.log_view.display:
            self.log_view.show(detail.log.shown() if detail else ())

    def answered(self, event: Answered) -> bool:
        """The sentence of `why`, a window of the chart, or what the keys asked for."""
        if self._wishes.done(event.request, self.lorad.mirror.jobs):
            # Somebody else's change may hide the event that is waited for.
            self.set_timer(EVENT_SECONDS, partial(self._wishes.forget, event.request))
        if isinstance(event.reply, Why) and isinstance(event.request, WhyJob):
            whole = self.queue.explain(event.request.id, event.reply.sentence)
            # Where it stands beside the job as a whole, once is enough.
            if whole or event.request is self._asked_why:
                return True
        return self.chart.answered(event) or super().answered(event) or True

    def declined(self, event: Declined) -> bool:
        """Nobody asked for the sentence beside the job, nor for a window of one that is gone."""
        self._wishes.forget(event.request)
        return event.request is self._asked_why or self.chart.declined(event)

    # -- selection and filter -----------------------------------------------------------------

    @on(QueueList.Selected)
    def _follow(self, event: QueueList.Selected) -> None:
        self.lorad.select(event.job_id)
        self._ask_why_soon()

    def _ask_why_soon(self) -> None:
        """Only where the cursor rests: the daemon looks at the whole queue for one sentence."""
        if self._why_timer is not None:
            self._why_timer.stop()
        self._why_timer = self.set_timer(WHY_SECONDS, self._ask_why)

    def _ask_why(self) -> None:
        job = self.queue.selected
        if job is not None and isinstance(job.status, Queued):
            self._asked_why = WhyJob(id=job.id)
            self.lorad.link.ask(self._asked_why)

    def forget(self) -> None:
        """Another box is looked at."""
        self.queue.forget()
        self._wishes.forget()

    def follow_selected(self) -> None:
        """The same number may be another job: on another box."""
        job = self.queue.selected
        self.lorad.select(job.id if job else None)

    def action_move(self, rows: int) -> None:
        self.queue.move(rows)

    def action_filter(self) -> None:
        self.filter.add_class("-open")
        self.filter.focus()

    def action_clear(self) -> None:
        if not self.filter.value:
            self.queue.clear_marks()
        self.filter.value = ""
        self.filter.remove_class("-open")
        self.queue.sift("")
        self.queue.focus()

    @on(Input.Changed, "#filter")
    def _sift(self, event: Input.Changed) -> None:
        self.queue.sift(event.value)

    @on(Input.Submitted, "#filter")
    def _keep(self) -> None:
        self.filter.remove_class("-open")
        self.queue.focus()

    # -- places in the queue ------------------------------------------------------------------

    def _job(self) -> Job | None:
        job = self.queue.selected
        if job is None:
            self.lorad.tell("No job is selected.", "warning")
        return job

    def targets(self) -> list[Job]:
        """The marked ones, else the one under the cursor."""
        return self.queue.marked or super().targets()

    def send(self, requests: Sequence[OneRequest]) -> AnyRequest | None:
        """Ask for all of these; the marks are used up."""
        request = super().send(requests)
        self.queue.clear_marks()
        return request

    def action_prioritise(self, more: int) -> None:
        marked = self.queue.marked
        wished = self._wishes.higher(self.targets(), more)
        requests = [SetPriority(id=id, priority=priority) for id, priority in wished.items()]
        self._wishes.sent(self.send(requests))
        self.queue.mark(marked)  # one key press is seldom enough

    def action_shift_place(self, rows: int) -> None:
        job = self._job()
        if job is None:
            return
        if not isinstance(job.status, Queued):
            sentence = f"Job {job.id} is {job.state}: only queued jobs have a place to change."
            self.lorad.tell(sentence, "warning")
        elif to := self._wishes.moved(self.lorad.mirror.jobs, job.id, rows):
            request = MoveJob(id=job.id, to=to)
            self._wishes.sent(request)
            self.lorad.link.ask(request)

    # -- other screens ------------------------------------------------------------------------

    def action_add(self) -> None:
        from lorad.tui.screens.add import AddScreen

        self.app.push_screen(AddScreen(), self._added)

    def _added(self, job_id: int | None) -> None:
        if job_id is not None:
            self._wanted = job_id  # its event may still be on the way

    def action_run(self) -> None:
        if job := self._job():
            from lorad.tui.screens.run import RunScreen

            self.app.push_screen(RunScreen(job))

    def action_machine(self) -> None:
        from lorad.tui.screens.machine import MachineScreen

        self.app.push_screen(MachineScreen())

    def action_compare(self) -> None:
        """The marked jobs; one marked job is compared with the one under the cursor."""
        jobs = self.queue.marked
        job = self.queue.selected
        if len(jobs) == 1 and job is not None and job not in jobs:
            jobs = [*jobs, job]
        if len(jobs) < 2:
            self.lorad.tell("Mark two jobs or more with the space bar, then press c.", "warning")
        else:
            self._compare(jobs)
