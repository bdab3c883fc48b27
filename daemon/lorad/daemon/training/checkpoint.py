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

import msgspec
import safetensors
import safetensors.torch
import torch
from msgspec import Struct

from lorad.daemon.disk import sync
from lorad.daemon.training.files import (
    disk_full_told,
    make_folder,
    put,
    refuse_without_room,
)
from lorad.daemon.training.plan import Plan
from lorad.daemon.training.validation import Best
from lorad.shared import failpoints
from lorad.shared.codec import UNDECODABLE
from lorad.shared.errors import CheckpointDamaged, CheckpointUnusable, DiskFailing

log = logging.getLogger(__name__)
MANIFEST = "MANIFEST.json"
FORMAT = 2
"""Of the manifest; 1 had no digest of itself."""
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
    last_step: int
    """Of the whole run."""
    optimizer: dict[str, Any]
    """What the optimiser keeps besides tensors."""
    plan: Plan
    """How a step is cut to fit the card."""
    processes: int
    """That share each step."""
    best: Best
    """The validation so far."""
    looked: int | None
    """The step of the last validation."""
    changes: list[str]
    """What was changed since the run began, in words."""
    life: float = 0.0
    """Of the job, see `Assignment`."""
    samples: int = 0
    """The newest call for pictures that was answered; a later one is answered by the resume."""
    scaler: dict[str, Any] | None = None
    """The gradient scaler's, under fp16."""


class Tensors(Struct, frozen=True):
    """Adapter, optimiser, and the moving average where there is one."""

    adapter: dict[str, torch.Tensor]
    optimizer: dict[str, torch.Tensor]
    ema: dict[str, torch.Tensor] = {}

    @property
    def nbytes(self) -> int:
        """Of all of them."""
        return sum(t.nbytes for part in self.parts().values() for t in part.values())

    def parts(self) -> dict[str, dict[str, torch.Tensor]]:
        """By the name of their file; what is empty has none."""
        named = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: tensors for name, tensors in named.items() if tensors}


class Checkpoints:
    """The checkpoints in an output folder."""

    def __init__(self, folder: Path, keep: int, life: float = 0.0) -> None:
        """Clears away what a killed run left half done; `life` is the job's, see `Assignment`."""
        self._folder = folder
        self._life = life
        self.keep = keep
        self.passed_over: list[str] = []
        """What `load` found that it could not use, in words."""
        self._unusable: set[Path] = set()
        make_folder(folder)
        for left in [*folder.glob(".tmp-*"), *folder.glob(".del-*")]:
            shutil.rmtree(left, ignore_errors=True)

    def all(self) -> list[Path]:
        """Oldest first."""
        return sorted((p for p in self._folder.iterdir() if NAME.fullmatch(p.name)), key=_step)

    def clear(self) -> None:
        """Remove those of an earlier life: the run begins again.

        Of this one there are some where a full disk took no news of them.
        """
        for path in self.all():
            if not self._is_of_this_life(path):
                self._remove(path)

    def _is_of_this_life(self, path: Path) -> bool:
        """Whether it may be gone on from; the bytes of others are not read."""
        try:
            told = read_state(path).life
        except (OSError, *UNDECODABLE):
            return False
        return bool(self._life) and told == self._life and not fault(path)

    def save(
        self, state: State, tensors: Tensors, export: Callable[[Path], None], spare: int | None
    ) -> Path:
        """Write one; `export` adds the LoRA files to its folder. That of step `spare` is kept.

        Raises:
            DiskFull, DiskFailing: the one before is whole.
            CheckpointDamaged: the same; the disk did not keep what it was given.
        """
        state = msgspec.structs.replace(state, life=self._life)
        final = self._folder / f"checkpoint-{state.step}"
        if final.exists() and not fault(final):
            return final  # no step was taken since: it is this very state
        size = tensors.nbytes
        refuse_without_room(self._folder, int(ROOM * 2 * size))
        staged = self._folder / f".tmp-{state.step}-{uuid.uuid4().hex[:8]}"
        try:
            with disk_full_told(self._folder, int(ROOM * 2 * size)):
                failpoints.passed("save.begun")
                self._write(staged, state, tensors, export)
                if final.exists():  # and is damaged
                    self._remove(final)
                failpoints.passed("save.before_rename")
                staged.rename(final)
                failpoints.passed("save.after_rename")
                sync(self._folder)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        if why := fault(final):
            raise CheckpointDamaged(folder=final, why=why)
        with disk_full_told(self._folder, 1):
            failpoints.passed("save.before_prune")
            self._prune(state.step, spare)
        return final

    def _prune(self, step: int, spare: int | None) -> None:
        """Remove what is not kept now that the one of this step is whole.

        Later ones are damaged, or this run would have gone on from them.
        """
        self._unusable.discard(self._folder / f"checkpoint-{step}")  # written anew
        older = [path for path in self.all() if spare != _step(path) <= step]
        usable = [path for path in older if path not in self._unusable]
        kept = usable[-self.keep :]
        for old in older:
            if old not in kept:
                self._remove(old)

    def _write(
        self, staged: Path, state: State, tensors: Tensors, export: Callable[[Path], None]
    ) -> None:
        staged.mkdir()
        failpoints.passed("save.staged")
        for name, part in tensors.parts().items():
            safetensors.torch.save_file(part, path := staged / f"{name}.safetensors")
            _look_after(path)
        data = msgspec.json.format(msgspec.json.encode(state))
        put(staged / "state.json", data, "save.file")
        before = set(staged.iterdir())
        export(staged)
        for path in sorted(set(staged.iterdir()) - before):
            _look_after(path)
        files = {path.name: _about(path) for path in sorted(staged.iterdir())}
        failpoints.passed("save.before_flush")
        for name in files:
            sync(staged / name)
        failpoints.passed("save.before_manifest")
        told = {"format": FORMAT, "files": files}
        told["sha256"] = _digest(told)
        put(staged / MANIFEST, json.dumps(told, indent=1).encode(), "save.manifest")
        sync(staged / MANIFEST)
        sync(staged)

    def load(self) -> tuple[State, Tensors] | None:
        """The newest one that verifies, or none where there is none at all.

        Raises:
            CheckpointUnusable: there are some, and none verifies.
        """
        self.passed_over = []
        for path in reversed(self.all()):
            if why := fault(path):
                log.warning("%s cannot be used (%s); the one before it is", path.name, why)
                self.passed_over.append(f"{path.name}: {why}")
                self._unusable.add(path)
                continue
            state = read_state(path)
            parts = [path / f"{name}.safetensors" for name in Tensors.__struct_fields__]
            return state, Tensors(
                *(safetensors.torch.load_file(part) if part.exists() else {} for part in parts)
            )
        if self.passed_over:
            raise CheckpointUnusable(folder=self._folder, why="; ".join(self.passed_over))
        return None

    def _remove(self, path: Path) -> None:
        """First out of sight, so that half of one is never taken for a whole."""
        hidden = path.with_name(f".del-{path.name}-{uuid.uuid4().hex[:8]}")
        path.rename(hidden)
        failpoints.passed("save.in_prune")
        shutil.rmtree(hidden, ignore_errors=True)


def read_state(folder: Path) -> State:
    """What a checkpoint holds besides its tensors.

    Raises:
        OSError, UNDECODABLE: it is not there, or not as this version writes it.
    """
    return msgspec.json.decode((folder / "state.json").read_bytes(), type=State)


def fault(folder: Path) -> str:
    """What is wrong with a checkpoint, or nothing: damage, or a state of another version."""
    try:
        told = json.loads((folder / MANIFEST).read_text())
        if told["format"] not in (1, FORMAT):
            return f"another version of lorad wrote its {MANIFEST}"
        if told["format"] == FORMAT and told.pop("sha256") != _digest(told):
            return f"{MANIFEST} is not what was written"
        for name, about in told["files"].items():
            if _about(folder / name) != about:
                return f"{name} is not what was written"
        if (step := read_state(folder).step) != _step(folder):
            return f"it is the checkpoint of step {step}"
    except msgspec.MsgspecError as error:
        return f"another version of lorad wrote its state.json: {error}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return str(error)
    return ""


def _step(path: Path) -> int:
    return int(path.name.removeprefix("checkpoint-"))


def _look_after(path: Path) -> None:
    """See that a file of tensors that was just written is as long as it says.

    Raises:
        DiskFailing: it is not, and nobody said so.
    """
    failpoints.wrote("save.file", path)
    if path.suffix != ".safetensors":
        return
    try:
        with safetensors.safe_open(path, "pt"):
            pass
    except safetensors.SafetensorError as error:
        raise DiskFailing(path=path, why=f"not all of it has arrived ({error})") from error


def _digest(told: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _about(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"size": path.stat().st_size, "sha256": digest}
