"""The main screen: queue, curve, pictures, machine, log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import Input

from lorad.shared import lifecycle
from lorad.shared.jobs import Job, Stashed
from lorad.shared.lifecycle import Verb
from lorad.shared.messages import (
    AnyRequest,
    CancelJob,
    EnqueueJob,
    HoldJob,
    MoveJob,
    PauseJob,
    RestartJob,
    ResumeJob,
    SampleJob,
    SetPriority,
    StashJob,
    Why,
    WhyJob,
)
from lorad.tui.curve import EMPTY_CURVE
from lorad.tui.messages import Answered
from lorad.tui.mirror import Mirror, in_order, place
from lorad.tui.screens.editing import Editing
from lorad.tui.widgets.gauges import Gauges
from lorad.tui.widgets.header import Header, Hints
from lorad.tui.widgets.log import LogView
from lorad.tui.widgets.loss import LossChart
from lorad.tui.widgets.queue import QueueList
from lorad.tui.widgets.samples import SampleGrid

HINTS = (
    ("a", "add"),
    ("p", "pause/resume"),
    ("x", "cancel"),
    ("s", "samples"),
    ("l", "log"),
    ("w", "why"),
    ("/", "filter"),
    ("q", "quit"),
    ("?", "all keys"),
)
REQUESTS: dict[Verb, type[AnyRequest]] = {
    "pause": PauseJob,
    "hold": HoldJob,
    "resume": ResumeJob,
    "restart": RestartJob,
    "stash": StashJob,
    "enqueue": EnqueueJob,
}


def pause_or_resume(job: Job) -> Verb:
    """What `p` means now."""
    if lifecycle.can(job.state, "pause") or job.state in ("queued", "stashed", "pausing"):
        return "pause"
    return "resume"


class MainScreen(Editing):
    """Everything of the selected job beside the queue."""

    AUTO_FOCUS = "#queue"
    # Screen declares these as attributes of its instances.
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (60, "-narrow"), (100, "-medium"), (160, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]  # noqa: RUF012
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
        Binding(
            "p",
            "pause_or_resume",
            "pause/resume",
            id="job.pause",
            tooltip="Pause (the GPU is freed) or resume",
        ),
        Binding("x", "cancel", "cancel", id="job.cancel", tooltip="Cancel: save and end it"),
        Binding("n", "sample_now", "draw now", id="job.sample", tooltip="Draw its prompts now"),
        Binding("H", "hold", "hold", id="job.hold", tooltip="Hold between two steps, or let go on"),
        Binding("v", "save", "save now", id="job.save", tooltip="Write a checkpoint now"),
        Binding(
            "e", "change", "change", id="job.change", tooltip="Change its rate, length or prompts"
        ),
        Binding("y", "copy", "copy", id="job.copy", tooltip="Copy with changes, or sweep"),
        Binding("z", "undo", "undo", id="job.undo", tooltip="Undo the newest change of the queue"),
        Binding("R", "restart", "restart", id="job.restart", tooltip="Train again from step 1"),
        Binding("S", "stash", "stash", id="job.stash", tooltip="Stash, or put back in the queue"),
        Binding("J", "shift_place(1)", "later", id="job.later", tooltip="Down in the queue"),
        Binding("K", "shift_place(-1)", "sooner", id="job.sooner", tooltip="Up in the queue"),
        Binding("plus", "prioritise(1)", "priority", id="job.higher", tooltip="Higher priority"),
        Binding("minus", "prioritise(-1)", "priority", id="job.lower", tooltip="Lower priority"),
        Binding("w", "why", "why", id="job.why", tooltip="Why it waits, or what it does"),
        Binding("s", "samples", "samples", id="view.samples", tooltip="All pictures, large"),
        Binding("l", "log", "log", id="view.log", tooltip="The whole log"),
        Binding("slash", "filter", "filter", id="queue.filter", tooltip="Filter by name or state"),
        Binding("escape", "clear", "clear", show=False, id="queue.clear"),
    ]

    def __init__(self, select: int | None = None) -> None:
        super().__init__()
        self._wanted = select
        self._jobs: Mapping[int, Job] = {}
        self._ordered: list[Job] = []
        # Made here and not in compose: news may come before they are on the screen.
        self.header = Header(id="header")
        self.queue = QueueList(id="queue")
        self.chart = LossChart(id="chart")
        self.samples = SampleGrid(id="samples")
        self.gauges = Gauges(id="gauges")
        self.log_view = LogView(id="log")
        self.filter = Input(id="filter", placeholder="name or state", select_on_focus=False)

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
        yield Hints(HINTS, id="hints")

    # -- drawing ------------------------------------------------------------------------------

    def show(self, mirror: Mirror) -> None:
        """Draw this."""
        self.header.show(mirror)
        silence = "" if mirror.daemon else mirror.trouble or "…"
        if mirror.jobs is not self._jobs:
            self._jobs, self._ordered = mirror.jobs, in_order(mirror.jobs.values())
        self.queue.show(self._ordered, silence)
        if self._wanted in mirror.jobs:
            self.queue.select(self._wanted)
            self._wanted = None
        self.gauges.show(mirror.gpus, mirror.host)
        self._show_detail(mirror)

    def _show_detail(self, mirror: Mirror) -> None:
        job, detail = self.queue.selected, mirror.detail
        if job is None or detail is None or detail.id != job.id:
            detail = None
        looks = tuple(detail.validations.values()) if detail else ()
        self.chart.show(job, detail.curve if detail else EMPTY_CURVE, looks)
        self.samples.show(detail)
        if self.log_view.display:
            self.log_view.show(detail.log.shown() if detail else ())

    def answered(self, event: Answered) -> bool:
        """The sentence of `why`, and what shows late; all else shows in the queue."""
        if isinstance(event.reply, Why):
            self.lorad.tell(event.reply.sentence)
        elif isinstance(event.request, SampleJob):
            self.lorad.tell(f"Job {event.request.id} draws its prompts after this step.")
        self.edit_answered(event)
        return True

    # -- selection and filter -----------------------------------------------------------------

    @on(QueueList.Selected)
    def _follow(self, event: QueueList.Selected) -> None:
        self.lorad.select(event.job_id)

    def action_move(self, rows: int) -> None:
        self.queue.move(rows)

    def action_filter(self) -> None:
        self.filter.add_class("-open")
        self.filter.focus()

    def action_clear(self) -> None:
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

    # -- jobs ---------------------------------------------------------------------------------

    def _job(self) -> Job | None:
        job = self.queue.selected
        if job is None:
            self.lorad.tell("No job is selected.", "warning")
        return job

    def _may(self, job: Job, verb: Verb) -> bool:
        """Whether the job can do this; else the person is told what can be done instead."""
        if lifecycle.can(job.state, verb):
            return True
        self.lorad.tell(str(lifecycle.impossible(job, verb)), "warning")
        return False

    def _order(self, job: Job, verb: Verb) -> None:
        if self._may(job, verb):
            self.lorad.link.ask(REQUESTS[verb](id=job.id))  # type: ignore[call-arg]

    def action_pause_or_resume(self) -> None:
        if job := self._job():
            self._order(job, pause_or_resume(job))

    def action_stash(self) -> None:
        if job := self._job():
            self._order(job, "enqueue" if isinstance(job.status, Stashed) else "stash")

    def action_restart(self) -> None:
        job = self._job()
        if job is None or not self._may(job, "restart"):
            return
        if not job.progress.step:
            self._order(job, "restart")
            return
        from lorad.tui.screens.confirm import Confirm

        question = f"Train job {job.id} ({job.name}) again from the first step?"
        note = f"It is at step {job.progress.step}; p goes on from there instead."
        if job.state == "done":
            note = "Its files are replaced as the new run saves."
        request = RestartJob(id=job.id)
        self.app.push_screen(Confirm(question, note), lambda yes: self._ask_if(yes, request))

    def action_cancel(self) -> None:
        job = self._job()
        if job is None or not self._may(job, "cancel"):
            return
        from lorad.tui.screens.confirm import Confirm

        force = job.state == "finishing"
        question = f"Cancel job {job.id} ({job.name})?"
        note = "It saves what there is and ends; p resumes it later."
        if force:
            question = f"Kill job {job.id} ({job.name}) at once?"
            note = "It is saving its last files; its last checkpoint remains."
        elif job.process is None:
            note = "It leaves the queue; p puts it back."
        request = CancelJob(id=job.id, force=force)
        self.app.push_screen(Confirm(question, note), lambda yes: self._ask_if(yes, request))

    def _ask_if(self, yes: bool | None, request: AnyRequest) -> None:
        if yes:
            self.lorad.link.ask(request)

    def action_shift_place(self, rows: int) -> None:
        job = self._job()
        if job is None:
            return
        now = place(self.lorad.mirror.jobs, job.id)
        if now is None:
            sentence = f"Job {job.id} is {job.state}: only queued jobs have a place to change."
            self.lorad.tell(sentence, "warning")
        elif now + rows >= 1:
            self.lorad.link.ask(MoveJob(id=job.id, to=now + rows))

    def action_prioritise(self, more: int) -> None:
        if job := self._job():
            self.lorad.link.ask(SetPriority(id=job.id, priority=job.priority + more))

    def action_sample_now(self) -> None:
        job = self._job()
        if job is None:
            return
        if lifecycle.can(job.state, "sample"):
            self.lorad.link.ask(SampleJob(id=job.id))
        else:
            self.lorad.tell(str(lifecycle.impossible(job, "sample")), "warning")

    def action_why(self) -> None:
        if job := self._job():
            self.lorad.link.ask(WhyJob(id=job.id))

    # -- other screens ------------------------------------------------------------------------

    def action_add(self) -> None:
        from lorad.tui.screens.add import AddScreen

        self.app.push_screen(AddScreen(), self._added)

    def _added(self, job_id: int | None) -> None:
        if job_id is not None:
            self._wanted = job_id  # its event may still be on the way

    def action_samples(self) -> None:
        if job := self._job():
            from lorad.tui.screens.samples import SamplesScreen

            self.app.push_screen(SamplesScreen(job))

    def action_log(self) -> None:
        if job := self._job():
            from lorad.tui.screens.log import LogScreen

            self.app.push_screen(LogScreen(job))
