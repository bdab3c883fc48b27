"""A power cut at any moment of a save, with all that a file system may then have lost.

A model of the disk after Pillai et al. 2014 (ALICE): what was not flushed may be there, be empty or
be zeros, and a name that was made, changed or removed may or may not have been, as long as its
folder was not flushed after it. At each place of a save such disks are made, and read.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lorad.daemon.training import checkpoint
from lorad.daemon.training.checkpoint import Checkpoints
from lorad.shared import failpoints

from .writer import export, state, tensors

SEED, MIXED = 7, 8


class Disk:
    """What is in a folder, and what of it would outlive a power cut."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._held: dict[int, int] = {}
        self._data: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}
        self._look(root)
        self._safe_data, self._safe_names = dict(self._data), dict(self._names)

    def close(self) -> None:
        for descriptor in self._held.values():
            os.close(descriptor)

    def _look(self, path: Path) -> int:
        number = path.stat().st_ino
        if number not in self._held:  # an open file keeps its number to itself
            self._held[number] = os.open(path, os.O_RDONLY)
        if path.is_dir():
            self._names[number] = {one.name: self._look(one) for one in path.iterdir()}
        else:
            self._data[number] = path.read_bytes()
        return number

    def flushed(self, path: Path) -> None:
        number = path.stat().st_ino
        self._look(self._root)
        if path.is_dir():
            self._safe_names[number] = self._names[number]
        else:
            self._safe_data[number] = self._data[number]

    def cut(self, target: Path, keeps: Callable[[], bool], lost: Callable[[bytes], bytes]) -> None:
        """The folder after a power cut; `keeps` says of each thing not flushed if it is there."""
        self._look(self._root)
        self._make(self._root.stat().st_ino, target, keeps, lost)

    def _make(
        self, number: int, path: Path, keeps: Callable[[], bool], lost: Callable[[bytes], bytes]
    ) -> None:
        if number in self._data:
            now, safe = self._data[number], self._safe_data.get(number)
            path.write_bytes(now if now == safe or keeps() else lost(now) if safe is None else safe)
            return
        now_names, safe_names = self._names[number], self._safe_names.get(number, {})
        names = now_names if now_names == safe_names or keeps() else safe_names
        path.mkdir()
        for name, other in names.items():
            self._make(other, path / name, keeps, lost)


LOSSES: list[Callable[[bytes], bytes]] = [
    lambda data: b"",
    lambda data: bytes(len(data)),
    lambda data: data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
]


def policies(dice: random.Random) -> list[tuple[Callable[[], bool], Callable[[bytes], bytes]]]:
    whole = [(lambda keep=keep: keep, loss) for keep in (True, False) for loss in LOSSES]
    mixed = [(lambda: dice.random() < 0.5, dice.choice(LOSSES)) for _ in range(MIXED)]
    return [*whole, *mixed]


def test_every_power_cut_in_a_save_leaves_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, dice = tmp_path / "out", random.Random(SEED)
    checkpoints = Checkpoints(out, 2)
    for step in (1, 2):
        checkpoints.save(state(step), tensors(step), export, None)
    disk, found, saved = Disk(out), [], False

    def lights_out(*_: object) -> None:
        for keeps, lost in policies(dice):
            target = tmp_path / f"cut-{len(found)}"
            disk.cut(target, keeps, lost)
            found.append(what_is_there(target))
            assert not saved or found[-1] == 3

    real = checkpoint.sync

    def sync(path: Path) -> None:
        real(path)
        disk.flushed(path)
        lights_out()

    monkeypatch.setattr(checkpoint, "sync", sync)
    monkeypatch.setattr(failpoints, "passed", lights_out)
    monkeypatch.setattr(failpoints, "wrote", lights_out)
    checkpoints.save(state(3), tensors(3), export, None)
    saved = True
    lights_out()
    disk.close()
    print(f"seed {SEED}: {len(found)} power cuts: {found.count(2)} old, {found.count(3)} new")
    assert {2, 3} == set(found)
    assert len(found) > 200


def what_is_there(folder: Path) -> int:
    """The step that a run would go on from; its tensors are those of that step."""
    loaded = Checkpoints(folder, 2).load()
    assert loaded is not None
    wanted = tensors(loaded[0].step)
    for name, part in wanted.parts().items():
        there = getattr(loaded[1], name)
        assert all(torch.equal(there[key], tensor) for key, tensor in part.items())
    return loaded[0].step
