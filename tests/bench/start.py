"""What a job does before its first step: start.py RECIPE OUT prints the seconds of each part.

And the bytes of memory: with the model loaded, and at their peak from then on, those that a first
start has look at the pictures not counted.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bare import Nobody, assignment

from lorad.daemon.training.begin import look_at
from lorad.daemon.training.data.cache import Cache
from lorad.daemon.training.data.dataset import Dataset
from lorad.daemon.training.data.encoder import Encoder
from lorad.daemon.training.device import find_place
from lorad.daemon.training.families import load_family
from lorad.daemon.training.objective import make_objective
from lorad.daemon.training.setup import find_pictures

T = TypeVar("T")
seconds: dict[str, float] = {}


def timed(part: str, do: Callable[[], T]) -> T:
    began = time.perf_counter()
    made = do()
    seconds[part] = time.perf_counter() - began
    return made


def memory(name: str) -> int:
    """In bytes; VmRSS now, VmHWM at its peak.

    Not from getrusage, whose peak may be that of the process that started this one.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def main() -> None:
    task = assignment(Path(sys.argv[1]), Path(sys.argv[2]))
    recipe, folder = task.recipe, Path(task.recipe_folder)
    Path(task.folder).mkdir(parents=True)
    place = find_place(recipe, None)
    family = load_family(recipe.model, folder, place.device, place.dtype)
    objective = make_objective(recipe, family.process)
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here: proc(5)
    found = timed("survey", lambda: find_pictures(task, look_at(task, Nobody()), fresh=True))
    encoder = Encoder(family, Cache(Path(task.cache)), place, lambda _: None)
    encoded = timed("encode", lambda: encoder.encode(found.items, found.entries, recipe))
    timed("dataset", lambda: Dataset(encoded, recipe, family, objective, place))
    print(json.dumps({"seconds": seconds, "before": before, "peak": memory("VmHWM")}))


if __name__ == "__main__":
    main()
