"""The queue: a line for each job, drawn from what is in view alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from lorad.shared.clean import clean_line
from lorad.shared.jobs import Ended, Job
from lorad.tui.format import LOOKS, bar, duration, figure, fit, loss, note, share, steps, wrapped
from lorad.tui.widgets.painting import Painting, Row, Span, centred, heading, on_ground

WELCOME = (
    ("The queue is empty.", "text"),
    ("", "text"),
    ("lorad demo   trains the shipped example", "dim"),
    ("lorad init   writes a recipe to start from", "dim"),
    ("a            adds a recipe from here", "dim"),
)


class Columns(NamedTuple):
    """How wide each column is; 0: there is no room for it."""

    id: int
    name: int
    bar: int
    steps: int
    loss: int
    rate: int
    eta: int
    priority: int


def columns(jobs: Sequence[Job], width: int) -> Columns:
    """What fits: the name and the bar share what the figures leave."""
    id = max([2, *(len(str(job.id)) for job in jobs)])
    step = max([5, *(len(steps(job)) for job in jobs)])
    name = min(32, max([8, *(len(job.name) for job in jobs)]))
    priority = 4 if any(job.priority for job in jobs) else 0
    found = Columns(id, name, 10, step, 7, 6, 7, priority)
    for leave in ("rate", "priority", "loss", "bar", "eta"):
        if _width(found) <= width:
            break
        if _width(found) - width <= found.name - 14:
            break
        found = found._replace(**{leave: 0})
    spare = width - _width(found)
    if spare < 0:
        return found._replace(name=max(4, found.name + spare))
    return found._replace(bar=min(40, found.bar + spare)) if found.bar else found


def _width(found: Columns) -> int:
    """The whole line: cursor, gaps of two, and the state's eleven."""
    return 1 + 11 + 2 + sum(width + 2 for width in found if width) - 2


class QueueList(Painting, can_focus=True):
    """Jobs with a cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pagedown,ctrl+d", "page(1)", "page down", show=False, id="queue.page_down"),
        Binding("pageup,ctrl+u", "page(-1)", "page up", show=False, id="queue.page_up"),
        Binding("g,home", "first", "first job", show=False, id="queue.first"),
        Binding("G,end", "last", "last job", show=False, id="queue.last"),
    ]

    class Selected(Message):
        """The cursor is on another job."""

        def __init__(self, job_id: int | None) -> None:
            super().__init__()
            self.job_id = job_id

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._jobs: list[Job] = []
        self._shown: list[Job] = []
        self._filter = ""
        self._selected: int | None = None
        self._place = 0
        """Where the cursor was, for when its job goes."""
        self._top = 0
        self._silence = "…"

    # -- what it shows ------------------------------------------------------------------------

    def show(self, jobs: list[Job], silence: str = "") -> None:
        """Draw these jobs; `silence` is why there are none before a daemon ever answered."""
        same, self._jobs, self._silence = jobs is self._jobs, jobs, silence
        if same:
            self.repaint()
        else:
            self._sift()

    def sift(self, text: str) -> None:
        """Show only jobs with this in their name or as their state."""
        self._filter = text.lower().strip()
        self._sift()

    def select(self, job_id: int | None) -> None:
        """Put the cursor on a job, now or when it appears."""
        if job_id is not None:
            self._move_to(job_id)

    @property
    def selected(self) -> Job | None:
        """The job under the cursor."""
        return next((job for job in self._shown if job.id == self._selected), None)

    def _sift(self) -> None:
        self._shown = [job for job in self._jobs if self._fits(job)]
        ids = [job.id for job in self._shown]
        if self._selected in ids:
            self._place = ids.index(self._selected)
        elif ids:
            self._move_to(ids[min(self._place, len(ids) - 1)])
        self.repaint()

    def _fits(self, job: Job) -> bool:
        text = self._filter
        return not text or text in job.name.lower() or job.state.startswith(text)

    # -- the cursor ---------------------------------------------------------------------------

    def move(self, rows: int) -> None:
        """Up or down."""
        if self._shown:
            place = min(len(self._shown) - 1, max(0, self._place + rows))
            self._move_to(self._shown[place].id)

    def _move_to(self, job_id: int) -> None:
        ids = [job.id for job in self._shown]
        if job_id in ids:
            self._place = ids.index(job_id)
        if job_id != self._selected:
            self._selected = job_id
            self.post_message(self.Selected(job_id))
        self.repaint()

    def action_page(self, pages: int) -> None:
        self.move(pages * max(1, self.content_size.height - 3))

    def action_first(self) -> None:
        self.move(-len(self._shown))

    def action_last(self) -> None:
        self.move(len(self._shown))

    def on_click(self, event: events.Click) -> None:
        row = event.y - 2
        if 0 <= row < len(self._shown) - self._top and row < self._room(self.content_size.height):
            self._move_to(self._shown[self._top + row].id)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.move(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.move(-1)

    # -- painting -----------------------------------------------------------------------------

    def paint(self, width: int, height: int) -> list[Row]:
        """Heading, names of the columns, jobs; the selected one's sentence and newest note."""
        head = heading("Queue", self._counts(), width, self.has_focus)
        if not self._shown:
            return [head, *centred(self._empty(), width, height - 1)]
        about = self._about(width)
        room = max(1, height - 2 - len(about))
        self._top = min(self._top, self._place, max(0, len(self._shown) - room))
        self._top = max(self._top, self._place - room + 1)
        visible = self._shown[self._top : self._top + room]
        found = columns(visible, width)
        rows = [self._row(job, found, width) for job in visible]
        blank: list[Row] = [[] for _ in range(room - len(rows))]
        return [head, _names(found), *rows, *blank, *about]

    def _room(self, height: int) -> int:
        return max(1, height - 2 - len(self._about(self.content_size.width)))

    def _empty(self) -> list[Row]:
        if self._jobs:
            return [[Span("No job fits the filter. esc clears it.", "dim")]]
        if self._silence:
            return [[Span(clean_line(self._silence), "dim")]]
        widest = max(len(text) for text, _ in WELCOME)
        return [[Span(fit(text, widest), tone)] for text, tone in WELCOME]

    def _counts(self) -> str:
        if self._filter:
            return f"/{clean_line(self._filter, 20)}  {len(self._shown)} of {len(self._jobs)}"
        room = self._room(self.content_size.height)
        if len(self._shown) > room:
            return f"{self._place + 1} of {len(self._shown)}"
        return ""

    def _about(self, width: int) -> list[Row]:
        """The selected job's sentence, where its line is too short for it."""
        job = self.selected
        if job is None:
            return []
        text, tone = note(job), LOOKS[job.state][1]
        lines: list[str] = []
        if len(text) > _note_width(columns([job], width), width):
            lines = wrapped(text, width - 4, 3)
        if job.progress.note:
            lines.append(fit(clean_line(job.progress.note, 600), width - 4))
        return [[Span("  └ " if not n else "    ", tone), Span(t)] for n, t in enumerate(lines)]

    def _row(self, job: Job, found: Columns, width: int) -> Row:
        chosen = job.id == self._selected
        sign, tone = LOOKS[job.state]
        faded = isinstance(job.status, Ended) and not chosen
        row = [
            Span("▌" if chosen else " ", "accent"),
            Span(fit(str(job.id), found.id, right=True) + "  ", "dim"),
            Span(f"{sign} {job.state:<9}  ", tone),
            Span(fit(clean_line(job.name), found.name) + "  ", "dim" if faded else "text"),
        ]
        text = note(job)
        if text:
            if job.progress.step and job.state != "cancelled":
                at = "step " if job.max_train_steps is None else ""
                text = f"{at}{steps(job)} · {text}"
            row.append(Span(fit(text, _note_width(found, width)), "dim"))
        else:
            row += _figures(job, found, "dim" if faded else "text")
        return on_ground(row, "cursor", width) if chosen else row


def _note_width(found: Columns, width: int) -> int:
    return max(0, width - 1 - found.id - 2 - 13 - found.name - 2)


def _figures(job: Job, found: Columns, tone: str) -> Row:
    row: Row = []
    if found.bar:
        full, rest = bar(share(job), found.bar)
        row += [Span(full, LOOKS[job.state][1]), Span(rest + "  ", "faint")]
    ended = isinstance(job.status, Ended)
    cells = (
        (steps(job), found.steps),
        (loss(job), found.loss),
        ("" if ended else figure(job.progress.images_per_second, 3), found.rate),
        ("" if ended else duration(job.progress.eta_seconds), found.eta),
        (f"{job.priority:+d}" if job.priority else "", found.priority),
    )
    for text, width in cells:
        if width:
            alarm = text == "NaN"
            row.append(Span(fit(text, width, right=True) + "  ", "bad" if alarm else tone))
    return row


def _names(found: Columns) -> Row:
    words = (
        ("id", found.id, True),
        ("  state", 11, False),
        ("name", found.name, False),
        ("progress", found.bar, False),
        ("step", found.steps, True),
        ("loss", found.loss, True),
        ("img/s", found.rate, True),
        ("left", found.eta, True),
        ("prio", found.priority, True),
    )
    cells = [fit(word, width, right) for word, width, right in words if width]
    return [Span(" " + "  ".join(cells), "faint")]
