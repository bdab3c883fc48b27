"""Run a training script as it is and note when each of its optimiser steps ended.

marks.py OUT BEGAN SCRIPT ARG…: OUT gets JSON; BEGAN is `time.monotonic()` when it was started.
"""

from __future__ import annotations

import itertools
import json
import resource
import runpy
import sys
import time
from pathlib import Path

import torch

wall: list[float] = []
cpu: list[float] = []
begun: list[float] = []
WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
plain = torch.optim.AdamW.step


def step(self, *args, **kwargs):
    result = plain(self, *args, **kwargs)
    wall.append(time.monotonic())
    cpu.append(time.process_time())
    begun or begun.append(sum(sum(resource.getrusage(who)[:2]) for who in WHO))
    return result


torch.optim.AdamW.step = step
out, began, script = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
sys.argv = sys.argv[3:]
sys.path[0] = str(Path(script).parent)
runpy.run_path(script, run_name="__main__")
out.write_text(
    json.dumps(
        {
            "first": wall[0] - began,
            "first_cpu": begun[0],
            "wall": [after - before for before, after in itertools.pairwise(wall)],
            "cpu": [after - before for before, after in itertools.pairwise(cpu)],
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
    )
)
