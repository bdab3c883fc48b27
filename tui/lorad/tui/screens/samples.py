"""All pictures of one job: a line for each prompt, a column for each step."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.timer import Timer

from lorad.shared import lifecycle
from lorad.shared.clean import clean
from lorad.shared.jobs import Ended, Job
from lorad.shared.messages import GetPicture, Picture, SampleJob, SamplePicture
from lorad.tui.browse import Browse
from lorad.tui.images import PixelWidget, pixel_widget
from lorad.tui.messages import Answered, Declined
from lorad.tui.mirror import Absence, Detail, Mirror
from lorad.tui.screens.base import LoradScreen
from lorad.tui.shelf import Shelf, wish
from lorad.tui.widgets.enlarged import Enlarged
from lorad.tui.widgets.header import Header, Hints
from lorad.tui.widgets.looks import sharp
from lorad.tui.widgets.scrubber import Scrubber
from lorad.tui.widgets.wall import SampleWall

HINTS = (
    ("← → ↑ ↓", "move"),
    ("enter", "large"),
    ("b", "base"),
    ("a", "A/B"),
    ("[ ]", "choose A, B"),
    ("n", "draw now"),
    ("E", "prompts"),
    ("y", "copy path"),
    ("esc", "back"),
)
REST_SECONDS = 0.12
"""A picture is asked for once the cursor rests on it."""
LARGEST_COPY = 74_994
"""Bytes: more than this in one OSC 52, and terminals drop it or the rest of the line."""


class Note(NamedTuple):
    """Why there is no more of a picture than its thumbnail: until it is left, or the link is back.

    While it is there the picture is not asked for.
    """

    picture: SamplePicture
    sentence: str


class SamplesScreen(LoradScreen):
    """Stays on the newest step until somebody looks back."""

    AUTO_FOCUS = "SampleWall"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-1,0)", "earlier", id="wall.earlier", tooltip="Earlier step"),
        Binding("right,l", "move(1,0)", "later", id="wall.later", tooltip="Later step"),
        Binding("up,k", "move(0,-1)", "prompt above", id="wall.up", tooltip="Prompt above"),
        Binding("down,j", "move(0,1)", "prompt below", id="wall.down", tooltip="Prompt below"),
        Binding("home,g", "first", "first step", id="wall.first", tooltip="The first step"),
        Binding("end,G", "newest", "newest", id="wall.newest", tooltip="Follow the newest step"),
        Binding("enter", "enlarge", "large", id="wall.enlarge", tooltip="One picture alone"),
        Binding("b", "base", "base", id="wall.base", tooltip="The base model here, and back"),
        Binding("a,tab", "turn", "A/B", id="wall.turn", tooltip="A here, then B"),
        Binding("left_square_bracket", "mark('a')", "A", id="wall.a", tooltip="This step is A"),
        Binding("right_square_bracket", "mark('b')", "B", id="wall.b", tooltip="This step is B"),
        Binding("n", "sample_now", "draw now", id="wall.sample", tooltip="Draw the prompts now"),
        Binding("E", "prompts", "prompts", id="wall.prompts", tooltip="Change the prompts"),
        Binding("y", "copy", "copy path", id="wall.copy", tooltip="Copy the picture's path"),
        Binding("escape,s", "back", "back", id="wall.back", tooltip="Back"),
    ]

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job
        self._detail = Detail(job.id)
        self._browse = Browse()
        self._large = False
        self._shelf = Shelf()
        self._asked: GetPicture | None = None
        self._note: Note | None = None
        self._absences: tuple[Absence, ...] = ()
        self._rest: Timer | None = None
        self._pixels: PixelWidget | None = None
        self._drawn: tuple[str, ...] = ()
        self.header = Header(id="header")
        self.wall = SampleWall(f"Samples of job {job.id}", job.name, id="wall")
        self.enlarged = Enlarged(id="enlarged")
        self.scrubber = Scrubber(id="scrubber")

    def compose(self) -> ComposeResult:
        """The wall, or one picture of it."""
        yield self.header
        yield self.wall
        if self.lorad.images.pixels:
            self._pixels = pixel_widget(self.lorad.images, "pixels")
            yield self._pixels.widget
        yield self.enlarged
        yield self.scrubber
        yield Hints(HINTS, id="hints")

    def on_mount(self) -> None:
        self.watch(self.app, "cursor_step", self._cursor_moved, init=False)

    # -- drawing ------------------------------------------------------------------------------

    def show(self, mirror: Mirror) -> None:
        """Draw this."""
        self.header.show(mirror)
        if mirror.stale_since is None and mirror.absences != self._absences:
            self._absences, self._note = mirror.absences, None  # it may be had now
        detail = mirror.detail
        if detail is None or detail.id != self._job.id:
            return
        if detail.samples is not self._detail.samples:
            prompts = tuple(sorted({index for _, index in detail.samples}))
            first, cursor = not self._browse.steps, self.lorad.cursor_step
            self._browse = self._browse.over(tuple(detail.steps()), prompts)
            if first and cursor is not None:
                self._browse = self._browse.at(cursor)
        self._detail = detail
        self._draw()

    def _draw(self) -> None:
        if self._large:
            self._draw_large()
        else:
            self.wall.show(self._detail.samples, self._browse)
            self.scrubber.show(self._detail, self._browse)

    def _draw_large(self) -> None:
        picture = self._picture
        reply = None if picture is None else self._shelf.get(self._wish(picture))
        if self._note is not None and self._note.picture != picture:
            self._note = None
        note = self._note.sentence if self._note else ""
        if self._pixels is not None:
            self._draw_pixels(picture, reply)
        source = sharp(reply) if reply is not None and reply.form == "pixels" else None
        self.enlarged.show(picture, self._browse, source, note)
        if picture is not None and reply is None and not note:
            self._sharpen_soon()

    def _draw_pixels(self, picture: SamplePicture | None, reply: Picture | None) -> None:
        """What the terminal draws itself is sent once: the same picture is never sent again."""
        pixels = self._pixels
        assert pixels is not None
        shown = (picture.sha256,) if picture is not None and reply is not None else ()
        pixels.widget.display = bool(shown)
        if shown != self._drawn:
            self._drawn = shown
            pixels.show(reply.data if shown and reply is not None else None)

    @property
    def _picture(self) -> SamplePicture | None:
        return self._detail.samples.get((self._browse.shown, self._browse.prompt))

    def _go(self, browse: Browse) -> None:
        """Be somewhere else, and let the chart know."""
        self._browse = browse
        self.lorad.cursor_step = browse.chosen
        self._draw()

    def _cursor_moved(self, step: int | None) -> None:
        """The chart's cursor, or our own."""
        browse = self._browse
        if step == browse.chosen:
            return
        newest = len(browse.steps) - 1
        self._browse = browse.on_column(newest) if step is None else browse.at(step)
        self._draw()

    # -- moving -------------------------------------------------------------------------------

    def action_move(self, columns: int, rows: int) -> None:
        self._go(self._browse.moved(columns, rows))

    def action_first(self) -> None:
        self._go(self._browse.on_column(0))

    def action_newest(self) -> None:
        self._go(self._browse.on_column(len(self._browse.steps) - 1))

    def action_base(self) -> None:
        self._go(self._browse.flipped())

    def action_turn(self) -> None:
        self._go(self._browse.turned())

    def action_mark(self, which: Literal["a", "b"]) -> None:
        self._go(self._browse.marked(which))

    @on(SampleWall.Clicked)
    def _clicked(self, event: SampleWall.Clicked) -> None:
        rows = event.place - self._browse.place
        self._go(self._browse.on_column(event.column).moved(0, rows))

    @on(Scrubber.Chosen)
    def _chosen(self, event: Scrubber.Chosen) -> None:
        self._go(self._browse.at(event.step))

    def action_enlarge(self) -> None:
        self._set_large(not self._large and self._picture is not None)

    def action_back(self) -> None:
        if self._large:
            self._set_large(False)
        else:
            self.dismiss()

    def _set_large(self, large: bool) -> None:
        self._large, self._note = large, None
        self.set_class(large, "-large")
        # Its size is known when it is laid out.
        self.call_after_refresh(self._draw)

    # -- one picture --------------------------------------------------------------------------

    def _wish(self, picture: SamplePicture) -> GetPicture:
        return wish(self._job.id, picture, self.enlarged.space, self.lorad.images)

    def _sharpen_soon(self) -> None:
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(REST_SECONDS, self._sharpen)

    def _sharpen(self) -> None:
        """Ask for it; one at a time, so that whoever runs past many is not answered for each."""
        picture = self._picture
        if not self._large or picture is None or self._asked is not None:
            return
        request = self._wish(picture)
        if self._shelf.get(request) is None:
            self._asked = request
            self.lorad.link.ask(request)

    def answered(self, event: Answered) -> bool:
        """A picture, or that some will come."""
        if isinstance(event.request, GetPicture) and isinstance(event.reply, Picture):
            self._asked = None
            self._shelf.put(event.request, event.reply)
            self._draw()
            return True
        if isinstance(event.request, SampleJob):
            self.lorad.tell(f"Job {event.request.id} draws its prompts after this step.")
            return True
        return False

    def declined(self, event: Declined) -> bool:
        """Why there is no more than the thumbnail."""
        if not isinstance(event.request, GetPicture):
            return False
        asked, self._asked = event.request, None
        picture = self._detail.samples.get((asked.step, asked.index))
        self._note = Note(picture, event.sentence) if picture and self._large else None
        self._draw()
        return True

    # -- the job ------------------------------------------------------------------------------

    def _may(self, verb: Literal["sample", "set"]) -> Job | None:
        """The job as it is now, if this can be asked of it; else why not is told."""
        job = self.lorad.mirror.jobs.get(self._job.id, self._job)
        if lifecycle.can(job.state, verb):
            return job
        self.lorad.tell(str(lifecycle.impossible(job, verb)), "warning")
        return None

    def action_sample_now(self) -> None:
        if job := self._may("sample"):
            self.lorad.link.ask(SampleJob(id=job.id))

    def action_prompts(self) -> None:
        if job := self._may("set"):
            from lorad.tui.screens.prompts import PromptsScreen

            self.app.push_screen(PromptsScreen(job), self._prompts_changed)

    def _prompts_changed(self, changed: bool | None) -> None:
        if changed:
            job = self.lorad.mirror.jobs.get(self._job.id, self._job)
            again = isinstance(job.status, Ended)
            when = "when it starts again" if again else "from the next round on"
            self.lorad.tell(f"Job {job.id} has its new prompts {when}.")

    def action_copy(self) -> None:
        picture = self._picture
        if picture is None:
            self.lorad.tell("There is no picture here.", "warning")
        elif clean(picture.path) != picture.path or "\n" in picture.path:
            # Pasted into a shell it would do what it says.
            self.lorad.tell("This path has signs that no terminal should get.", "warning")
        elif len(picture.path.encode()) > LARGEST_COPY:
            self.lorad.tell("This path is too long to be copied.", "warning")
        else:
            self.app.copy_to_clipboard(picture.path)
            self.lorad.tell(f"Given to the terminal's clipboard: {picture.path}")
