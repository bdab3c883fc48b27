"""Where somebody is among a job's pictures, as a value: moving gives the next one."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Browse:
    """A cursor on prompts by steps, and what is shown in its place."""

    steps: tuple[int, ...] = ()
    """Those that have pictures, in order."""
    prompts: tuple[int, ...] = ()
    """Their numbers, in order."""
    chosen: int | None = None
    """The step under the cursor; none: the newest, also when there is a newer one."""
    place: int = 0
    """Among the prompts."""
    instead: int | None = None
    """The step whose pictures are shown where the cursor is, to compare."""
    a: int | None = None
    """None: the first step, which is the base model."""
    b: int | None = None
    """None: the newest."""

    @property
    def step(self) -> int:
        """The step under the cursor; 0 where there is none."""
        if self.chosen is not None:
            return self.chosen
        return self.steps[-1] if self.steps else 0

    @property
    def shown(self) -> int:
        """The step whose pictures are to be seen under the cursor."""
        return self.step if self.instead is None else self.instead

    def shown_at(self, step: int) -> int:
        """The step whose pictures are to be seen in a step's column."""
        return self.shown if step == self.step else step

    @property
    def prompt(self) -> int:
        """The prompt under the cursor."""
        return self.prompts[self.place] if self.prompts else 0

    @property
    def base(self) -> int:
        """The first step: drawn before any was taken."""
        return self.steps[0] if self.steps else 0

    @property
    def pair(self) -> tuple[int, int]:
        """A and B."""
        first, last = self.base, self.steps[-1] if self.steps else 0
        return (first if self.a is None else self.a), (last if self.b is None else self.b)

    def column(self) -> int:
        """The place of the cursor's step."""
        return max(0, bisect_right(self.steps, self.step) - 1)

    def over(self, steps: tuple[int, ...], prompts: tuple[int, ...]) -> Browse:
        """On other pictures: new ones came, or a restart threw all away. The place is kept."""
        known = set(steps)
        stays = self.chosen is None or self.chosen in known
        return replace(
            self,
            steps=steps,
            prompts=prompts,
            chosen=self.chosen if stays else None,
            place=min(self.place, max(0, len(prompts) - 1)),
            instead=self.instead if stays and self.instead in known else None,
            a=self.a if self.a in known else None,
            b=self.b if self.b in known else None,
        )

    def moved(self, columns: int = 0, rows: int = 0) -> Browse:
        """By so many steps and prompts; at the newest step the cursor goes on with it."""
        if not self.steps:
            return self
        here = replace(self, place=min(len(self.prompts) - 1, max(0, self.place + rows)))
        return here.on_column(self.column() + columns) if columns else here

    def on_column(self, column: int) -> Browse:
        """At the step of this place; beyond the ends: at the end."""
        if not self.steps:
            return self
        column = min(len(self.steps) - 1, max(0, column))
        newest = column == len(self.steps) - 1
        return replace(self, chosen=None if newest else self.steps[column], instead=None)

    def at(self, step: int) -> Browse:
        """At the last pictures that were drawn up to a step."""
        return self.on_column(bisect_right(self.steps, step) - 1)

    def flipped(self) -> Browse:
        """The base model's pictures in place of the cursor's, or the cursor's again."""
        if not self.steps:
            return self
        return replace(self, instead=None if self.instead == self.base else self.base)

    def turned(self) -> Browse:
        """A's pictures in place of the cursor's, then B's, then A's again."""
        if not self.steps:
            return self
        a, b = self.pair
        return replace(self, instead=b if self.instead == a else a)

    def marked(self, which: Literal["a", "b"]) -> Browse:
        """The cursor's step is A, or B."""
        if not self.steps:
            return self
        if which == "a":
            return replace(self, a=self.step, instead=None)
        return replace(self, b=self.step, instead=None)

    def name(self, step: int) -> str:
        """What a step is, beside its number: `base`, `A`, `B`."""
        names = ["base"] if step == self.base and step == 0 else []
        names += ["A"] if step == self.a else []
        names += ["B"] if step == self.b else []
        return " ".join(names)


def scrolled(first: int, shown: int, count: int, cursor: int) -> int:
    """The first of so many places in view, once the cursor is somewhere else.

    It stays where it was as long as the cursor is in view, and then goes on by half of what is in
    view: a step that scrolls draws every picture anew.
    """
    if cursor < first:
        first = cursor - (shown - 1) // 2
    elif cursor >= first + shown:
        first = cursor - shown // 2
    return max(0, min(first, count - shown))
