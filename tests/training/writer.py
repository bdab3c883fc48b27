"""Checkpoints written without end, for somebody who kills the writer.

`python writer.py FOLDER`: a process that has torch already. For each line that it reads it begins
another writer, which goes on from the newest checkpoint and prints each step once it is saved.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import safetensors.torch
import torch

from lorad.daemon.training.checkpoint import Checkpoints, State, Tensors
from lorad.daemon.training.plan import Plan
from lorad.daemon.training.validation import Best

KEEP = 2


def state(step: int) -> State:
    return State(
        step=step, started=0.0, threads=1, torch="", device="cpu", recipe={}, recipe_folder="",
        last_step=10**9, optimizer={"groups": [], "state": {}}, plan=Plan(), processes=1,
        best=Best(), looked=None, changes=[],
    )  # fmt: skip


def tensors(step: int, numbers: int = 4096) -> Tensors:
    """Such as tell of which step they are."""
    one = torch.arange(numbers, dtype=torch.float32) + step
    return Tensors({"a": one, "b": one * 2}, {"step/a": one[:1].clone(), "exp_avg/a": one * 3},
                   {"a": one * 5})  # fmt: skip


def export(folder: Path) -> None:
    """What is beside the tensors of a real run."""
    safetensors.torch.save_file({"a": torch.ones(3)}, folder / "people.safetensors")


def write(folder: Path) -> None:
    """For ever."""
    checkpoints = Checkpoints(folder, KEEP)
    found = checkpoints.load()
    step = found[0].step if found else 0
    while True:
        step += 1
        checkpoints.save(state(step), tensors(step, 200_000), export, None)
        os.write(1, f"{step}\n".encode())


def main() -> None:
    torch.set_num_threads(1)
    for _ in sys.stdin:
        if (child := os.fork()) == 0:
            write(Path(sys.argv[1]))
        os.write(1, f"pid {child}\n".encode())
        os.waitpid(child, 0)
        os.write(1, b"gone\n")


if __name__ == "__main__":
    main()
