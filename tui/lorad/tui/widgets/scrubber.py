"""A job's steps on a line, with those that have pictures; and what the cursor is on."""

from __future__ import annotations

from bisect import bisect_right

from textual import events
from textual.message import Message

from lorad.shared.clean import clean_line
from lorad.shared.messages import SamplePicture
from lorad.tui.browse import Browse
from lorad.tui.format import figure, fit
from lorad.tui.mirror import Detail
from lorad.tui.widgets.painting import Painting, Row, Span, runs


class Scrubber(Painting):
    """Two lines. A click goes to the step there."""

    class Chosen(Message):
        """Somebody pointed at a step."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._detail = Detail(0)
        self._browse = Browse()

    def show(self, detail: Detail, browse: Browse) -> None:
        """Draw this."""
        self._detail, self._browse = detail, browse
        self.repaint()

    def on_click(self, event: events.Click) -> None:
        steps = self._browse.steps
        offset = event.get_content_offset(self)
        if offset is None or offset.y or not steps:
            return
        track = self._track(self.content_size.width)
        place = min(track - 1, max(0, offset.x - len(str(steps[0])) - 1))
        wanted = steps[0] + (steps[-1] - steps[0]) * place / max(1, track - 1)
        self.post_message(self.Chosen(min(steps, key=lambda step: abs(step - wanted))))

    def paint(self, width: int, height: int) -> list[Row]:
        """The line of steps; the picture in words."""
        if not self._browse.steps:
            return []
        picture = self._detail.samples.get((self._browse.shown, self._browse.prompt))
        return [self._line(width), self._about(picture, width)]

    def _track(self, width: int) -> int:
        """Cells between the two numbers."""
        steps = self._browse.steps
        return max(1, width - len(str(steps[0])) - len(str(steps[-1])) - 2)

    def _line(self, width: int) -> Row:
        browse = self._browse
        first, last = browse.steps[0], browse.steps[-1]
        track = self._track(width)

        def place(step: int) -> int:
            return round((step - first) / max(1, last - first) * (track - 1))

        cells: list[tuple[str, str]] = [("─", "line")] * track
        for step in browse.steps:
            cells[place(step)] = ("•", "dim")
        for marked, letter in ((browse.a, "A"), (browse.b, "B")):
            if marked is not None:
                cells[place(marked)] = (letter, "key")
        cells[place(browse.step)] = ("●", "accent")
        if browse.instead is not None:
            cells[place(browse.instead)] = ("◉", "warn")
        return [Span(f"{first} ", "dim"), *runs([*cells]), Span(f" {last}", "dim")]

    def _about(self, picture: SamplePicture | None, width: int) -> Row:
        browse = self._browse
        words = [" · ".join(filter(None, [f"step {browse.shown}", browse.name(browse.shown)]))]
        if browse.instead is not None:
            words[0] += f" in place of {browse.step}"
        words.append(f"prompt {browse.place + 1} of {len(browse.prompts)}")
        if picture is None:
            words.append("not drawn at this step")
        else:
            words += [f"seed {picture.seed}", f"{picture.width}x{picture.height}"]
        if loss := figure(self.loss(browse.shown)):
            words.append(f"loss {loss}")
        if browse.chosen is None:
            words.append("newest")
        return [Span(fit(clean_line(" · ".join(words), 400), width), "dim")]

    def loss(self, step: int) -> float | None:
        """The smoothed loss at a step, as the chart has it."""
        columns = self._detail.curve("loss").columns
        place = bisect_right(columns, step - 1, key=lambda column: column.step)
        return columns[place].smoothed if step and place < len(columns) else None
