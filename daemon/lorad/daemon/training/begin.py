"""How a run's process begins: with its pictures, since looking at them needs no torch.

Everything else of the training imports torch, diffusers and transformers, which takes seconds. By
the end of that the pictures of a small set have been looked at, by other processes.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lorad.daemon.training.data.looking import Looking
from lorad.daemon.training.line import Line, say
from lorad.shared.messages import Assignment, EndReport


def begin(task: Assignment, line: Line) -> EndReport:
    """As `loop.train`, which is imported meanwhile.

    Raises:
        LoradError: what went wrong, in one sentence.
    """
    looking = look_at(task, line)
    try:
        with without_collecting():
            from lorad.daemon.training.loop import train

        return train(task, line, looking=looking)
    finally:
        looking.end()


def look_at(task: Assignment, line: Line) -> Looking:
    """Begin to look at the task's pictures."""

    def tell(done: int) -> None:
        if done:  # before that torch is what it waits for
            say(line, f"looking at pictures, {done} so far")

    return Looking(task.recipe, Path(task.recipe_folder), Path(task.cache), tell)


@contextmanager
def without_collecting() -> Iterator[None]:
    """Import what stays: without Python's search for garbage, which takes a fifth of the time.

    What is there afterwards is never searched again, which every later search is the shorter for.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
