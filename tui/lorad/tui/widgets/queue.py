"""The queue: a line for each job, drawn from what is in view alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from lorad.shared.clean import clean_line
from lorad.shared.jobs import Group, Job, Queued
from lorad.tui.format import LOOKS, fit, note, wrapped
from lorad.tui.mirror import Listing, Section, places, sifted
from lorad.tui.totals import ByGroup, group_words
from lorad.tui.widgets.painting import Painting, Row, Span, centred, heading
from lorad.tui.widgets.rows import (
    NO_COLUMNS,
    Look,
    columns,
    job_row,
    names_row,
    note_width,
    section_row,
    sentence,
)

WELCOME = (
    ("The queue is empty.", "text"),
    ("", "text"),
    ("lorad demo   trains the shipped example", "dim"),
    ("lorad init   writes a recipe to start from", "dim"),
    ("a            adds a recipe from here", "dim"),
)
SECTIONS_FROM = 10
"""Lines of the list from which on there is room for the sections' titles."""
WHY_LINES = 2
"""Of why a job waits, under its row."""


class QueueList(Painting, can_focus=True):
    """Jobs with a cursor and marks."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "space", "mark", "mark", id="queue.mark", tooltip="Mark it: keys act on all marked"
        ),
        Binding(
            "A,asterisk",
            "mark_all",
            "mark all",
            id="queue.mark_all",
            tooltip="Mark all that are shown, or none",
        ),
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
        self._listing = Listing()
        self._shown = Listing()
        """What the filter leaves of it."""
        self._filter = ""
        self._selected: int | None = None
        self._place = 0
        """Where the cursor is, also when its job goes."""
        self._top = 0
        """The first line in view, titles of sections counted."""
        self._marks: frozenset[int] = frozenset()
        self._why = ""
        self._silence = "…"
        self._columns = NO_COLUMNS
        self._placed: tuple[Sequence[int], Mapping[int, int]] = ((), {})
        """The order of which the places are known, and they."""
        self._groups: tuple[Group, ...] = ()
        self._by_group = ByGroup()

    # -- what it shows ------------------------------------------------------------------------

    def show(self, listing: Listing, silence: str = "", groups: tuple[Group, ...] = ()) -> None:
        """Draw these jobs; `silence` is why there are none before a daemon ever answered."""
        self._groups = groups
        same = listing.order is self._listing.order
        self._listing, self._silence = listing, silence
        if same:
            self._shown = replace(self._shown, jobs=listing.jobs)
            self.repaint()
        else:
            self._marks = frozenset(id for id in self._marks if id in listing.jobs)
            self._sift()

    def sift(self, text: str) -> None:
        """Show only jobs that have these words in their number, name or state."""
        self._filter = text.lower().strip()
        self._columns = NO_COLUMNS
        self._sift()

    def explain(self, job_id: int, sentence: str) -> bool:
        """Say why the selected job waits; whether there is room for all of it."""
        job = self.selected
        if job is None or job.id != job_id or not isinstance(job.status, Queued):
            return False
        self._why = sentence
        self.repaint()
        return len(self._because(self.content_size.width, WHY_LINES + 1)) <= WHY_LINES

    def _because(self, width: int, most: int) -> list[str]:
        """Why it waits, in so many lines under its row at most."""
        return wrapped(clean_line(self._why, 600), width - 4, most)

    def select(self, job_id: int | None) -> None:
        """Put the cursor on a job, now or when it appears."""
        if job_id is not None:
            self._move_to(job_id)

    @property
    def selected(self) -> Job | None:
        """The job under the cursor."""
        at, order = self._place, self._shown.order
        here = at < len(order) and order[at] == self._selected
        return self._shown.jobs[order[at]] if here else None

    @property
    def marked(self) -> list[Job]:
        """The jobs that are marked, in their order."""
        return [self._listing.jobs[id] for id in self._listing.order if id in self._marks]

    def _sift(self) -> None:
        self._shown = sifted(self._listing, self._filter)
        order = self._shown.order
        if self._selected in self._shown.jobs and self._selected in order:
            self._place = order.index(self._selected)
        elif order:
            self._move_to(order[min(self._place, len(order) - 1)])
        self.repaint()

    # -- the cursor and the marks -------------------------------------------------------------

    def move(self, rows: int) -> None:
        """Up or down."""
        if self._shown.order:
            place = min(len(self._shown.order) - 1, max(0, self._place + rows))
            self._go_to(place)

    def _move_to(self, job_id: int) -> None:
        if job_id in self._shown.jobs and job_id in self._shown.order:
            self._go_to(self._shown.order.index(job_id))
        elif job_id != self._selected:
            self._choose(job_id)

    def _go_to(self, place: int) -> None:
        self._place = place
        if self._shown.order[place] != self._selected:
            self._choose(self._shown.order[place])
        self.repaint()

    def _choose(self, job_id: int) -> None:
        self._selected, self._why = job_id, ""
        self.post_message(self.Selected(job_id))

    def clear_marks(self) -> None:
        """Nothing is marked."""
        self._marks = frozenset()
        self.repaint()

    def forget(self) -> None:
        """The jobs are another box's, though their numbers may be the same."""
        self._why = ""
        self.clear_marks()

    def mark(self, jobs: Iterable[Job]) -> None:
        """Mark these and no others."""
        self._marks = frozenset(job.id for job in jobs)
        self.repaint()

    def action_mark(self) -> None:
        """Mark the job, or take its mark away, and go on to the next one."""
        if job := self.selected:
            self._marks ^= {job.id}
            self.move(1)
            self.repaint()

    def action_mark_all(self) -> None:
        shown = frozenset(self._shown.order)
        self._marks = self._marks - shown if shown <= self._marks else self._marks | shown
        self.repaint()

    def action_page(self, pages: int) -> None:
        self.move(pages * max(1, self.content_size.height - 3))

    def action_first(self) -> None:
        self.move(-len(self._shown.order))

    def action_last(self) -> None:
        self.move(len(self._shown.order))

    def on_click(self, event: events.Click) -> None:
        size = self.content_size
        line = event.y - 2 - len(self._group_rows(size.width, size.height))
        if 0 <= line < self._room(self.content_size.height):
            kind = self._line(self._top + line)
            if isinstance(kind, int):
                self._go_to(kind)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.move(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.move(-1)

    # -- lines: jobs, and the titles between them ---------------------------------------------

    def _titles(self) -> tuple[Section, ...]:
        return self._shown.sections if self.content_size.height >= SECTIONS_FROM else ()

    def _line(self, number: int) -> Section | int | None:
        """What stands in a line: a title, a job by its place, or nothing."""
        for before, section in enumerate(self._titles()):
            if number == section.begin + before:
                return section
            if number <= section.begin + section.size + before:
                return number - before - 1
        return number if not self._titles() and number < len(self._shown.order) else None

    def _line_of(self, place: int) -> int:
        return place + sum(section.begin <= place for section in self._titles())

    def _scroll(self, room: int) -> None:
        """So that the cursor is in view, with the title over it where it is the first."""
        lines = len(self._shown.order) + len(self._titles())
        at = self._line_of(self._place)
        above = at - 1 if at and isinstance(self._line(at - 1), Section) else at
        self._top = min(self._top, above if room > 1 else at, max(0, lines - room))
        self._top = max(self._top, at - room + 1)

    # -- painting -----------------------------------------------------------------------------

    def paint(self, width: int, height: int) -> list[Row]:
        """Heading, names of the columns, jobs; the selected one's sentence and newest note."""
        head = heading("Queue", self._counts(), width, self.has_focus)
        if not self._shown.order:
            return [head, *centred(self._empty(), width, height - 1)]
        about = self._about(width)
        groups = self._group_rows(width, height)
        room = max(1, height - 2 - len(about) - len(groups))
        self._scroll(room)
        lines = [self._line(number) for number in range(self._top, self._top + room)]
        visible = [self._job(line) for line in lines if isinstance(line, int)]
        self._columns = found = columns(visible, width, self._columns)
        rows: list[Row] = []
        for line in lines:
            if isinstance(line, int):
                job = self._job(line)
                rows.append(job_row(job, found, width, self._look(job)))
            else:
                rows.append([] if line is None else section_row(line, width))
        return [head, *groups, names_row(found), *rows, *about]

    def _group_rows(self, width: int, height: int) -> list[Row]:
        """How the groups are, where there are several and room for it."""
        if len(self._groups) < 2 or height < SECTIONS_FROM:
            return []
        counts = self._by_group.of(self._listing)
        cards = {uuid: str(index) for uuid, (index, _) in self._listing.cards.items()}
        told = [f"{g.name}: {group_words(g, counts, cards)}" for g in self._groups]
        return [[Span(f"  {fit(clean_line(' · '.join(told), 600), width - 4)}", "dim")]]

    def _job(self, place: int) -> Job:
        return self._shown.jobs[self._shown.order[place]]

    def _look(self, job: Job) -> Look:
        waits = isinstance(job.status, Queued)
        place = self._places().get(job.id, 0) if waits else 0
        return Look(job.id == self._selected, job.id in self._marks, place)

    def _places(self) -> Mapping[int, int]:
        if self._placed[0] is not self._listing.order:
            self._placed = (self._listing.order, places(self._listing))
        return self._placed[1]

    def _room(self, height: int) -> int:
        width = self.content_size.width
        above = 2 + len(self._group_rows(width, height))
        return max(1, height - above - len(self._about(width)))

    def _empty(self) -> list[Row]:
        if self._listing.order:
            return [[Span("No job fits the filter. esc clears it.", "dim")]]
        if self._silence:
            return [[Span(clean_line(self._silence), "dim")]]
        widest = max(len(text) for text, _ in WELCOME)
        return [[Span(fit(text, widest), tone)] for text, tone in WELCOME]

    def _counts(self) -> str:
        shown, parts = len(self._shown.order), []
        if self._marks:
            parts.append(f"{len(self._marks)} marked")
        if self._filter:
            parts.append(f"/{clean_line(self._filter, 20)}")
            parts.append(f"{shown} of {len(self._listing.order)}")
        elif shown > self._room(self.content_size.height):
            parts.append(f"{self._place + 1} of {shown}")
        return "  ".join(parts)

    def _about(self, width: int) -> list[Row]:
        """The selected job's sentence, where its line is too short for it, and its newest note."""
        job = self.selected
        if job is None:
            return []
        tone = LOOKS[job.state][1]
        place = self._look(job).place
        found = columns([job], width, self._columns)
        text = sentence(job, place, grouped=bool(found.group))
        lines: list[str] = []
        if len(text) > note_width(found, width):
            lines = wrapped(note(job), width - 4, 3)
        if self._why and isinstance(job.status, Queued):
            lines += self._because(width, WHY_LINES)
        if job.progress.note:
            lines.append(fit(clean_line(job.progress.note, 600), width - 4))
        return [[Span("  └ " if not n else "    ", tone), Span(t)] for n, t in enumerate(lines)]
