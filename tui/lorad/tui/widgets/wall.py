"""Pictures by prompt and step, with a cursor; or the one under the cursor alone."""

from __future__ import annotations

from lorad.shared.clean import clean_line
from lorad.shared.messages import SamplePicture
from lorad.tui.format import fit
from lorad.tui.mirror import Detail
from lorad.tui.widgets.painting import Painting, Row, Span, centred, heading, width_of
from lorad.tui.widgets.samples import tile

SMALLEST = 6
"""Lines of a picture; with more prompts than fit, they scroll."""
LARGEST = 24


class SampleWall(Painting, can_focus=True):
    """The samples screen's pictures."""

    def __init__(self, title: str, name: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._title = f"{title} · {clean_line(name, 64)}"
        self._detail = Detail(0)
        self._steps: list[int] = []
        self._prompts: list[int] = []
        self._step: int | None = None
        """None: the newest, also when there is a newer one."""
        self._prompt = 0
        self._large = False

    def show(self, detail: Detail) -> None:
        """Draw this job's pictures."""
        self._detail = detail
        self._steps = detail.steps()
        self._prompts = sorted({index for _, index in detail.samples})
        self.repaint()

    # -- the cursor ---------------------------------------------------------------------------

    @property
    def at(self) -> tuple[int, int]:
        """The step and the prompt under the cursor."""
        steps = self._steps or [0]
        step = self._step if self._step in steps else steps[-1]
        prompts = self._prompts or [0]
        return step if step is not None else steps[-1], prompts[min(self._prompt, len(prompts) - 1)]

    def step(self, by: int) -> None:
        """Earlier or later."""
        if self._steps:
            place = self._steps.index(self.at[0]) + by
            place = min(len(self._steps) - 1, max(0, place))
            self._step = None if place == len(self._steps) - 1 else self._steps[place]
            self.repaint()

    def prompt(self, by: int) -> None:
        """Up or down."""
        self._prompt = min(max(0, len(self._prompts) - 1), max(0, self._prompt + by))
        self.repaint()

    def enlarge(self) -> None:
        """One picture alone, or all again."""
        self._large = bool(self._steps) and not self._large
        self.repaint()

    def leave_one(self) -> bool:
        """All again; whether it was one."""
        was, self._large = self._large, False
        self.repaint()
        return was

    # -- painting -----------------------------------------------------------------------------

    def paint(self, width: int, height: int) -> list[Row]:
        """The wall or the one picture."""
        if not self._steps:
            head = heading(self._title, "", width, False)
            return [head, *centred([[Span("no picture yet", "dim")]], width, height - 1)]
        step, index = self.at
        right = f"step {step} · {self._steps.index(step) + 1} of {len(self._steps)}"
        head = heading(self._title, right, width, False)
        picture = self._detail.samples.get((step, index))
        if self._large and picture is not None:
            return [head, *_alone(picture, width, height - 1)]
        return [head, *self._wall(width, height - 1)]

    def _wall(self, width: int, height: int) -> list[Row]:
        lines = max(SMALLEST, min(LARGEST, (height - 1) // max(1, len(self._prompts)) - 2))
        cells = min(width - 2, lines * 2)
        steps = self._steps_in_view(max(1, width // (cells + 2)))
        shown = max(1, (height - 1) // (lines + 2))
        first = max(0, min(self._prompt - shown // 2, len(self._prompts) - shown))
        rows: list[Row] = [self._names(steps, cells)]
        for index in self._prompts[first : first + shown]:
            rows += self._line(index, steps, (cells, lines), width)
        return rows

    def _steps_in_view(self, count: int) -> list[int]:
        """The last ones up to the cursor's; the row is full where it can be."""
        end = max(self._steps.index(self.at[0]) + 1, min(count, len(self._steps)))
        return self._steps[max(0, end - count) : end]

    def _names(self, steps: list[int], cells: int) -> Row:
        chosen = self.at[0]
        return [
            Span(f"  {fit(f'step {step}', cells)}", "accent" if step == chosen else "dim")
            for step in steps
        ]

    def _line(self, index: int, steps: list[int], size: tuple[int, int], width: int) -> list[Row]:
        """A prompt and its pictures."""
        cells, lines = size
        tiles = [self._tile(step, index, cells, lines) for step in steps]
        prompts = [p.prompt for p in self._detail.samples.values() if p.index == index]
        tone = "text" if index == self.at[1] else "dim"
        caption: Row = [Span("  " + fit(clean_line(prompts[-1], 400), width - 2), tone)]
        joined = [[span for rows in tiles for span in rows[y]] for y in range(lines)]
        return [*joined, caption, []]

    def _tile(self, step: int, index: int, cells: int, lines: int) -> list[Row]:
        """A picture in a box of a fixed size, marked when it is under the cursor."""
        edge = Span(" ▐" if (step, index) == self.at else "  ", "accent")
        picture = self._detail.samples.get((step, index))
        rows = tile(picture, cells, lines, enlarge=4)[:-1] if picture else []
        rows += [[] for _ in range(lines - len(rows))]
        return [[edge, *row, Span(" " * (cells - width_of(row)))] for row in rows]


def _alone(picture: SamplePicture, width: int, height: int) -> list[Row]:
    """As large as the terminal allows, with what made it below."""
    rows = tile(picture, width, max(1, height - 2), enlarge=8, caption="")[:-1]
    about = f"seed {picture.seed} · {picture.width}x{picture.height} · {clean_line(picture.path)}"
    lines = [
        *rows,
        [Span(fit(clean_line(picture.prompt, 400), width).rstrip(), "text")],
        [Span(fit(about, width).rstrip(), "dim")],
    ]
    return centred(lines, width, height)
