"""How long a thing takes, the usual way."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def timed(do: Callable[[], object], count: int) -> float:
    """Median wall seconds."""
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        do()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)
