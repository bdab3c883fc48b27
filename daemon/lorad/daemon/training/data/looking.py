"""The pictures of a recipe found and looked at, while torch is still being imported.

Nothing here imports torch. Decoding is done by other processes, so that looking costs the import
next to nothing, and a job's start not the sum of both.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from lorad.daemon.training.data import collect, find_validation, sources
from lorad.daemon.training.data.index import Index, open_index
from lorad.daemon.training.data.item import Findings, Item
from lorad.daemon.training.data.seen import Sight, look_over
from lorad.shared.errors import LoradError
from lorad.shared.recipe import Recipe

Tell = Callable[[int], None]


@dataclass(frozen=True)
class Found:
    """What there is, and what it looks like."""

    items: list[Item]
    sight: Sight
    held: list[Item]
    """Those of `validate.path`."""
    held_sight: Sight
    findings: Findings
    index: Index


class NoLongerWanted(Exception):
    """Whoever asked for the pictures does without them."""


class Looking:
    """A search for the recipe's pictures, begun at once where it needs no other library."""

    def __init__(
        self, recipe: Recipe, recipe_folder: Path, cache: Path, tell: Tell = lambda done: None
    ) -> None:
        """`tell` hears how many are decoded, perhaps in a thread, and may end it by raising."""
        self._recipe = recipe
        self._folder = recipe_folder
        self._cache = cache
        self._tell = tell
        self._ended = False
        self._findings = Findings()
        self._listed: tuple[list[Item], list[Item]] | None = None
        self._found: Future[Found] | None = None
        # Data sets come through libraries of their own, which must not be imported beside torch.
        if all(data.path is not None for data in recipe.data):
            self._begin()

    def found(self) -> Found:
        """Wait for it.

        Raises:
            Exception: what `tell` raised.
        """
        return self._found.result() if self._found is not None else self._look(*self._list())

    def end(self) -> None:
        """Nobody waits for it."""
        self._ended = True

    def _begin(self) -> None:
        items, held = self._list()
        if any(item.path is None for item in (*items, *held)):
            return
        future = self._found = Future[Found]()

        def look() -> None:
            try:
                future.set_result(self._look(items, held))
            except BaseException as error:  # for whoever waits, in that thread
                future.set_exception(error)

        threading.Thread(target=look, name="looking", daemon=True).start()

    def _list(self) -> tuple[list[Item], list[Item]]:
        """Those of `data` and those of `validate.path`; mistakes are among the findings."""
        if self._listed is None:
            items, held = collect(self._recipe, self._folder, self._findings), list[Item]()
            try:
                held = find_validation(self._recipe, self._folder)
            except LoradError as error:
                self._findings.problems.append(error)
            self._listed = items, held
        return self._listed

    def _look(self, items: list[Item], held: list[Item]) -> Found:
        index = open_index(self._cache, sources(self._recipe, self._folder))
        sights = [look_over(some, index, self._say) for some in (items, held)]
        return Found(items, sights[0], held, sights[1], self._findings, index)

    def _say(self, done: int) -> None:
        if self._ended:
            raise NoLongerWanted
        self._tell(done)
