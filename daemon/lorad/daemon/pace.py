"""How long a step takes: what the time left is told by."""

from __future__ import annotations

from bisect import bisect_left

FEW = 20
"""Steps, from which on a pace can be told."""
SECONDS = 300.0
"""Of training; what was before says nothing of now."""


class Pace:
    """The mean of the newer half of a process's steps, of the last minutes at most.

    A mean of a few steps swings from second to second, and the time left of all jobs with it. Of
    the first steps, which are slow, the half soon knows nothing.
    """

    def __init__(self, before: float | None = None) -> None:
        """`before`: what an earlier process took a step; it holds until this one is known."""
        self._before = before
        self._ends = [0.0]  # of each step, in seconds since the first one began

    def note(self, seconds: list[float]) -> float | None:
        """The pace with these steps; none before any is known."""
        ends = self._ends
        for one in seconds:
            ends.append(ends[-1] + one)
        steps = len(ends) - 1
        if not steps or (steps < FEW and self._before is not None):
            return self._before
        recent = bisect_left(ends, ends[-1] - SECONDS)
        first = min(max(steps // 2, recent), max(0, steps - FEW))
        pace = (ends[-1] - ends[first]) / (steps - first)
        if recent > steps // 2:
            del ends[: recent - (steps - recent)]  # the half of the others is all that is recent
        return pace
