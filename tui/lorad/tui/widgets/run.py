"""What stands around a run's charts: how far it is, and what happened to it."""

from __future__ import annotations

from lorad.shared.clean import clean_line
from lorad.shared.jobs import Job
from lorad.shared.messages import Mark, MarkKind
from lorad.tui.format import LOOKS, bar, duration, figure, fit, note, share, steps
from lorad.tui.widgets.drawing import SIGNS
from lorad.tui.widgets.painting import Painting, Row, Span, centred, heading, width_of

WORDS: dict[MarkKind, str] = {
    "saved": "checkpoint saved",
    "sample": "pictures drawn",
    "paused": "paused",
    "resumed": "goes on",
    "died": "its process died",
    "failed": "failed",
}
"""What a mark says where it has no sentence of its own."""
BAR = 24


class RunHead(Painting):
    """Two lines: name, state, steps, speed and what is left; then what there is to say."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._job: Job | None = None
        self._page = ""

    def show(self, job: Job | None) -> None:
        """Draw this job."""
        self._job = job
        self.repaint()

    def turn(self, page: str) -> None:
        """Say which charts are in view."""
        self._page = page
        self.repaint()

    def paint(self, width: int, height: int) -> list[Row]:
        """What does not fit on the right of the first line goes first."""
        job = self._job
        if job is None:
            return [[Span("This job is no longer in the queue.", "dim")]]
        sign, tone = LOOKS[job.state]
        name = fit(clean_line(job.name), min(40, max(8, width // 4))).rstrip()
        left = [Span(f"{sign} ", tone), Span(f"{job.id} {name}", "title"), Span(f"  {job.state}")]
        right = _figures(job)
        room = width - width_of(left)
        while right and sum(width_of([span]) + 2 for span in right) > room:
            right.pop()
        row = list(left)
        for span in right:
            row += [Span("  "), span]
        if width - width_of(row) > BAR + 3 and job.max_train_steps:
            full, rest = bar(share(job), BAR)
            row += [Span("  "), Span(full, tone), Span(rest, "faint")]
        said = fit(note(job) or clean_line(job.progress.note, 600), max(0, width - len(self._page)))
        return [row, [Span(said, "dim"), Span(self._page, "dim")]]


def _figures(job: Job) -> Row:
    progress = job.progress
    parts = [Span(f"step {steps(job)}")]
    if rate := figure(progress.images_per_second, 3):
        parts.append(Span(f"{rate} images/s"))
    if left := duration(progress.eta_seconds):
        parts.append(Span(f"{left} left"))
    if progress.best_step is not None:
        parts.append(Span(f"best at {progress.best_step}", "good"))
    return parts


class MarkList(Painting):
    """The newest marks, or those up to the cursor."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._marks: tuple[Mark, ...] = ()
        self._cursor: int | None = None

    def show(self, marks: tuple[Mark, ...], cursor: int | None) -> None:
        """Draw these."""
        self._marks, self._cursor = marks, cursor
        if self.display:
            self.repaint()

    def paint(self, width: int, height: int) -> list[Row]:
        """One a line, the newest below."""
        cursor = self._cursor
        title = "Events" if cursor is None else f"Events up to step {cursor}"
        head = heading(title, "", width, False)
        marks = sorted(self._marks, key=lambda mark: mark.step)
        if cursor is not None:
            marks = [mark for mark in marks if mark.step <= cursor]
        if not marks:
            return [head, *centred([[Span("nothing happened yet", "dim")]], width, height - 1)]
        return [head, *(_mark_row(mark, width) for mark in marks[-(height - 1) :])]


def _mark_row(mark: Mark, width: int) -> Row:
    sign, tone = SIGNS[mark.kind]
    text = clean_line(mark.text, 400) or WORDS.get(mark.kind, mark.kind)
    return [
        Span(f"{sign} ", tone),
        Span(f"{mark.step:>7}  ", "dim"),
        Span(fit(text, max(0, width - 11))),
    ]
