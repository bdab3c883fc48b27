"""Other programs that are told the figures, through accelerate's trackers, in a thread of its own.

Whatever goes wrong with one of them is said once and costs the run nothing.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from lorad.shared.clean import first_line
from lorad.shared.recipe import Recipe

log = logging.getLogger(__name__)
WAITING = 1000
"""Figures that may wait for a slow tracker; more are dropped."""
CLOSE_SECONDS = 30.0


class Trackers:
    """Those of `[log] report_to`."""

    def __init__(self, recipe: Recipe, folder: Path, names: Sequence[str]) -> None:
        """The thread starts them; `folder` gets what they write locally."""
        self.every = recipe.log.every_n_steps
        self._inbox: queue.Queue[tuple[dict[str, float], int] | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        if names:
            self._thread = threading.Thread(
                target=self._run, args=(recipe, folder, names), name="trackers", daemon=True
            )
            self._thread.start()

    def tell(self, step: int, figures: Mapping[str, float], *, always: bool = False) -> None:
        """Figures of a step; every n-th one unless `always`. Never waits."""
        if self._thread is not None and (always or step % self.every == 0):
            try:
                self._inbox.put_nowait((dict(figures), step))
            except queue.Full:
                log.debug("a tracker is too slow for step %d", step)

    def close(self) -> None:
        """Let them write what they have."""
        if self._thread is not None:
            try:
                self._inbox.put(None, timeout=CLOSE_SECONDS)
            except queue.Full:
                log.warning("A tracker hangs; what it was not told yet is lost to it.")
            self._thread.join(CLOSE_SECONDS)

    def _run(self, recipe: Recipe, folder: Path, names: Sequence[str]) -> None:
        trackers = {name: _start(name, recipe, folder) for name in names}
        while (told := self._inbox.get()) is not None:
            for name, tracker in trackers.items():
                if tracker is not None and not _soft(name, tracker.log, told[0], step=told[1]):
                    trackers[name] = None
        for name, tracker in trackers.items():
            if tracker is not None:
                _soft(name, tracker.finish)


def _start(name: str, recipe: Recipe, folder: Path) -> Any:
    """The tracker, or none where it cannot be had."""
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    kind = LOGGER_TYPE_TO_CLASS[name]
    options: dict[str, Any] = {}
    if kind.requires_logging_directory:
        options["logging_dir"] = folder / "logs"
    if name == "wandb":
        options |= {"name": recipe.name, "dir": folder}
    elif name == "trackio":
        options["name"] = recipe.name
    made: list[Any] = []

    def make() -> None:
        tracker = kind(recipe.log.project, **options)
        if hasattr(tracker, "start"):
            tracker.start()
        tracker.store_init_configuration(flat(msgspec.to_builtins(recipe)))
        made.append(tracker)

    return made[0] if _soft(name, make) else None


def flat(tables: Mapping[str, Any], prefix: str = "") -> dict[str, int | float | str | bool]:
    """`train.learning_rate`: what every tracker can show; lists as text."""
    values: dict[str, int | float | str | bool] = {}
    for key, value in tables.items():
        if isinstance(value, Mapping):
            values |= flat(value, f"{prefix}{key}.")
        else:
            values[prefix + key] = value if isinstance(value, int | float | str) else str(value)
    return values


def _soft(name: str, do: Any, *args: Any, **options: Any) -> bool:
    """Whether it worked; if not, why not is said."""
    try:
        do(*args, **options)
    # Another program's code, network and disk: nothing of it may reach the run.
    except Exception as error:
        why = first_line(error, 200)
        log.warning("%s is told nothing from here on: %s: %s", name, type(error).__name__, why)
        return False
    return True
