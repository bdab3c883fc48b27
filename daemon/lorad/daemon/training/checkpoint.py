"""Checkpoints that are whole, verified and on the disk before they are called saved.

safetensors and JSON only. A folder is staged beside its place, every file flushed, the manifest
with all hashes written last, and then renamed. The older ones go only after the new one verified.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from msgspec import Struct

from lorad.daemon.training.files import disk_full_told, refuse_without_room, sync
from lorad.shared.errors import CheckpointDamaged, CheckpointUnusable

log = logging.getLogger(__name__)
MANIFEST = "MANIFEST.json"
NAME = re.compile(r"checkpoint-(\d+)")
ROOM = 1.25
"""Times the size of a checkpoint that must be free before one is begun."""


class State(Struct, frozen=True, kw_only=True):
    """What a run needs to go on, besides its recipe and its tensors."""

    step: int
    """Steps taken."""
    started: float
    """When the run began, seconds since the epoch."""
    threads: int
    """CPU threads: another number sums in another order."""
    torch: str
    device: str
    recipe: dict[str, Any]
    """The recipe that made it, to refuse another one."""
    recipe_folder: str
    """Where its relative paths start."""
    scaler: dict[str, float] | None = None
    """The gradient scaler's, under fp16."""


class Tensors(Struct, frozen=True):
    """Adapter and optimiser."""

    adapter: dict[str, torch.Tensor]
    optimizer: dict[str, torch.Tensor]


class Checkpoints:
    """The checkpoints in an output folder."""

    def __init__(self, folder: Path, keep: int) -> None:
        """Clears away what a killed run left half done."""
        self._folder = folder
        self._keep = keep
        folder.mkdir(parents=True, exist_ok=True)
        for left in [*folder.glob(".tmp-*"), *folder.glob(".del-*")]:
            shutil.rmtree(left, ignore_errors=True)

    def all(self) -> list[Path]:
        """Oldest first."""
        return sorted((p for p in self._folder.iterdir() if NAME.fullmatch(p.name)), key=_step)

    def clear(self) -> None:
        """Remove all: the run begins again."""
        for path in self.all():
            self._remove(path)

    def save(self, state: State, tensors: Tensors, export: Callable[[Path], None]) -> Path:
        """Write one; `export` adds the LoRA files to its folder.

        Raises:
            DiskFull: nothing was changed; the one before is whole.
        """
        final = self._folder / f"checkpoint-{state.step}"
        if final.exists() and not fault(final):
            return final  # no step was taken since: it is this very state
        size = sum(t.nbytes for t in (*tensors.adapter.values(), *tensors.optimizer.values()))
        refuse_without_room(self._folder, int(ROOM * 2 * size))
        staged = self._folder / f".tmp-{state.step}-{uuid.uuid4().hex[:8]}"
        try:
            with disk_full_told(self._folder, int(ROOM * 2 * size)):
                self._write(staged, state, tensors, export)
                if final.exists():  # and is damaged
                    self._remove(final)
                staged.rename(final)
                sync(self._folder)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        if why := fault(final):
            raise CheckpointDamaged(folder=final, why=why)
        # Later ones are damaged, or this run would have gone on from them.
        for old in [path for path in self.all() if _step(path) <= state.step][: -self._keep]:
            self._remove(old)
        return final

    def _write(
        self, staged: Path, state: State, tensors: Tensors, export: Callable[[Path], None]
    ) -> None:
        staged.mkdir()
        safetensors.torch.save_file(tensors.adapter, staged / "adapter.safetensors")
        safetensors.torch.save_file(tensors.optimizer, staged / "optimizer.safetensors")
        about = {name: getattr(state, name) for name in state.__struct_fields__}
        (staged / "state.json").write_text(json.dumps(about, indent=1))
        export(staged)
        files = {path.name: _about(path) for path in sorted(staged.iterdir())}
        for name in files:
            sync(staged / name)
        (staged / MANIFEST).write_text(json.dumps({"format": 1, "files": files}, indent=1))
        sync(staged / MANIFEST)
        sync(staged)

    def load(self) -> tuple[State, Tensors] | None:
        """The newest one that verifies, or none where there is none at all.

        Raises:
            CheckpointUnusable: there are some, and none verifies.
        """
        faults = []
        for path in reversed(self.all()):
            if why := fault(path):
                log.warning("%s is damaged (%s); the one before it is used", path.name, why)
                faults.append(f"{path.name}: {why}")
                continue
            state = State(**json.loads((path / "state.json").read_text()))
            return state, Tensors(
                safetensors.torch.load_file(path / "adapter.safetensors"),
                safetensors.torch.load_file(path / "optimizer.safetensors"),
            )
        if faults:
            raise CheckpointUnusable(folder=self._folder, why="; ".join(faults))
        return None

    def _remove(self, path: Path) -> None:
        """First out of sight, so that half of one is never taken for a whole."""
        hidden = path.with_name(f".del-{path.name}-{uuid.uuid4().hex[:8]}")
        path.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)


def fault(folder: Path) -> str:
    """What is wrong with a checkpoint, or nothing."""
    try:
        files = json.loads((folder / MANIFEST).read_text())["files"]
        for name, about in files.items():
            if _about(folder / name) != about:
                return f"{name} is not what was written"
    except (OSError, ValueError, KeyError) as error:
        return str(error)
    return ""


def _step(path: Path) -> int:
    return int(path.name.removeprefix("checkpoint-"))


def _about(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"size": path.stat().st_size, "sha256": digest}
