"""How a step is cut to fit the card: pure, recorded with the run, replayed when it goes on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace


class Plan(Struct, frozen=True, kw_only=True):
    """What a step does differently to need less memory. The update stays the same."""

    split: int = 1
    """Into how many parts each process cuts its share of a micro-batch."""
    gradient_checkpointing: bool = False
    """Activations are computed again rather than kept."""

    def __str__(self) -> str:
        """For people: `each batch in 4 parts, with gradient checkpointing`."""
        parts = "each batch whole" if self.split == 1 else f"each batch in {self.split} parts"
        return parts + (", with gradient checkpointing" if self.gradient_checkpointing else "")


def lighter(plan: Plan, share: int, *, may_checkpoint: bool) -> Plan | None:
    """The next plan that needs less memory, or none; `share` is a process's pictures at once.

    Gradient checkpointing first: on Stable Diffusion 1.x it takes a third of the memory for 1.7
    times the time, where a second part of the batch leaves most of a small batch's memory.
    """
    if may_checkpoint and not plan.gradient_checkpointing:
        return replace(plan, gradient_checkpointing=True)
    if plan.split < share:
        return replace(plan, split=min(plan.split * 2, share))
    return None


def shares(batch: int, processes: int, rank: int, split: int) -> Iterator[slice]:
    """The rows of a micro-batch that one process takes, part by part; every row once over all."""
    size = batch // processes
    split = min(split, size)  # a plan may come from a run with fewer processes
    first = rank * size
    edges = [first + size * part // split for part in range(split + 1)]
    for start, end in itertools.pairwise(edges):
        yield slice(start, end)
