"""Where the time of a step goes: where.py RECIPE OUT prints the share of each part."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bare import Nobody, assignment

from lorad.daemon.training import loop, setup, step
from lorad.daemon.training.peers import Peers

WARM = 10
spent: Counter[str] = Counter()
ends: list[float] = []
"""When each step ended."""


def timed(owner: Any, name: str, part: str) -> None:
    """From now on `owner.name` adds its seconds to a part."""
    plain = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return plain(*args, **kwargs)
        finally:
            spent[part] += time.perf_counter() - began

    setattr(owner, name, call)


def note_end(owner: Any, name: str) -> None:
    """`owner.name` is the last thing of a step; the first steps are forgotten."""
    plain = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        result = plain(*args, **kwargs)
        ends.append(time.perf_counter())
        if len(ends) == WARM:
            spent.clear()
        return result

    setattr(owner, name, call)


def main() -> None:
    run = setup.prepare(assignment(Path(sys.argv[1]), Path(sys.argv[2])), Nobody(), Peers())
    timed(run.dataset, "batch", "data")
    timed(run.family, "predict", "forward")
    timed(run.place.accelerator, "backward", "backward")
    timed(run.place.accelerator, "clip_grad_norm_", "optimiser")
    timed(run.optimizer, "step", "optimiser")
    timed(step, "clear", "optimiser")
    note_end(step, "clear")
    loop.run_steps(run)
    total = ends[-1] - ends[WARM - 1]
    spent["everything else"] = total - sum(spent.values())
    shares = ", ".join(f"{part} {seconds / total:.1%}" for part, seconds in spent.items())
    print(f"{total / (len(ends) - WARM) * 1e3:.1f} ms: {shares}")


main()
