"""Steps whose loss or gradient is no number: skipped, written down, and not for ever."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lorad.daemon.training.files import make_folder, write_atomically
from lorad.shared.messages import Point

IN_A_ROW = 3
"""So many skipped steps in a row are no accident of one batch."""
IN_A_ROW_SCALED = 20
"""With a gradient scaler, which begins at 2 to the 16th and halves after each overflow."""
ROLL_BACKS = 1
"""How often a run goes back before it gives up. A step that is taken again gives the same bits, so
once tells a passing fault (a flipped bit, a bad kernel) from a run that diverged."""

Verdict = Literal["fine", "skipped", "roll_back", "give_up"]


@dataclass
class Health:
    """What to do about figures that are no numbers."""

    limit: int = IN_A_ROW
    in_a_row: int = 0
    roll_backs: int = 0
    furthest: int = 0
    """The last step at which it went back; beyond it, the count begins anew."""

    def judge(self, point: Point) -> Verdict:
        """The verdict on one step, in the order of steps."""
        if math.isfinite(point.loss) and math.isfinite(point.grad_norm):
            self.in_a_row = 0
            if point.step > self.furthest:
                self.roll_backs = 0
            return "fine"
        self.in_a_row += 1
        if self.in_a_row < self.limit:
            return "skipped"
        self.in_a_row = 0
        self.furthest = max(self.furthest, point.step)
        self.roll_backs += 1
        return "roll_back" if self.roll_backs <= ROLL_BACKS else "give_up"


def write_incident(folder: Path, point: Point, names: list[str], seed: int) -> Path:
    """What is needed to take the step again alone: its number, its pictures, the seed."""
    path = folder / "incidents" / f"step-{point.step:06d}.json"
    make_folder(path.parent)
    about = {
        "step": point.step,
        "loss": repr(point.loss),
        "grad_norm": repr(point.grad_norm),
        "learning_rate": point.learning_rate,
        "seed": seed,
        "pictures": [name.encode("utf-8", "backslashreplace").decode() for name in names],
    }
    write_atomically(path, json.dumps(about, indent=1).encode())
    return path
