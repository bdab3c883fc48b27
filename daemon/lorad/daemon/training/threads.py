"""How many cores a run computes with."""

from __future__ import annotations

import os

from lorad.shared.recipe import Recipe


def count_threads(recipe: Recipe) -> int:
    """How many each process of a new run computes with on a CPU."""
    return max(1, _threads() // recipe.train.num_processes)


def _threads() -> int:
    """All cores that this process may use, or what OMP_NUM_THREADS says (`4`, or `4,2`)."""
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if given.isdigit():
        return max(1, int(given))
    return len(os.sched_getaffinity(0))
