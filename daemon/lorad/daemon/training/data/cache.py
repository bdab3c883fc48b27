"""What was encoded once: tensors by the content and the settings that they came from.

Shared between jobs and safe to delete. A key holds everything that the value depends on, so an
entry is never stale. Entries lie together in shards, safetensors files of up to `SHARD_ENTRIES`
that are written whole and renamed, each by a name of its own: several runs may write at once, and
one that is killed loses what it encoded in its last `FLUSH_SECONDS`. Shards are mapped, not read,
so a set may be larger than the memory. `Cache.settle` keeps all of it within bounds (trim.py).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import time
import uuid
import weakref
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from lorad.daemon.training.data.trim import hold, trim
from lorad.daemon.training.files import MIB, PRIVATE_FILE, UNWRITTEN, write_atomically
from lorad.shared.endpoints import make_private

log = logging.getLogger(__name__)
Tensors = dict[str, torch.Tensor]
SHARD_ENTRIES = 256
SHARD_BYTES = 64 * MIB
FLUSH_SECONDS = 5.0
OPENERS = 4
LEFTOVER_SECONDS = 3600.0
"""After which what a killed writer left aside is no longer being written."""


@dataclass(frozen=True)
class _Shard:
    """A mapped file."""

    keys: list[str]
    tensors: Tensors
    """[entries, …] each."""

    def entry(self, row: int) -> Tensors:
        return {name: tensor[row] for name, tensor in self.tensors.items()}


class Cache:
    """Entries in groups; those of a group have the same names and shapes."""

    def __init__(self, folder: Path) -> None:
        """The folder is made when something is put there."""
        self._folder = folder
        self._open: dict[Path, _Shard] = {}

    def find(self, group: str, keys: Iterable[str]) -> dict[str, Tensors]:
        """Those of the keys that are there, by key, mapped; damaged shards are passed over."""
        wanted = {_digest(key): key for key in keys}
        found: dict[str, Tensors] = {}
        if not wanted:
            return found
        paths = sorted(self._group(group).glob("*.safetensors"))
        new = [path for path in paths if path not in self._open]
        with ThreadPoolExecutor(OPENERS) as pool:  # the disk, the memory and the sums wait alike
            opened = pool.map(lambda path: _open(path, wanted.keys()), new)
            self._open |= {path: shard for path, shard in zip(new, opened, strict=True) if shard}
        for path in paths:
            shard = self._open.get(path)
            for row, digest in enumerate(shard.keys if shard else ()):
                if shard and (key := wanted.get(digest)) is not None and key not in found:
                    found[key] = shard.entry(row)
        return found

    def settle(self, limit: float) -> None:
        """Hold what was found for as long as this object lives, and clear away what is too much.

        `limit` is in bytes, of the whole cache.
        """
        try:
            weakref.finalize(self, os.close, hold(self._folder, self._open))
            trim(self._folder, limit)
        except OSError as error:
            log.warning("the cache was not cleared of what is old: %s", error)

    def writer(self, group: str) -> Writer:
        """Puts entries into a group, as a context that keeps them all when it is left."""
        return Writer(self._group(group))

    def _group(self, group: str) -> Path:
        return self._folder / _digest(group)


class Writer:
    """Collects entries and writes them as shards."""

    def __init__(self, folder: Path) -> None:
        """Made by `Cache.writer`."""
        self._folder = folder
        self._pending: dict[str, Tensors] = {}
        self._bytes = 0
        self._since = time.monotonic()
        self.lost: dict[str, Tensors] = {}
        """What could not be written, by key: a full disk only costs the next run its time."""

    def __enter__(self) -> Writer:
        """Take away what a killed writer left."""
        self.tidy()
        return self

    @property
    def pending(self) -> Mapping[str, Tensors]:
        """What is not written yet, by key."""
        return self._pending

    def tidy(self) -> None:
        """Take away what a killed writer left."""
        with contextlib.suppress(OSError):
            for path in self._folder.glob(".*.safetensors.*"):
                if time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                    path.unlink()

    def __exit__(self, *_: object) -> None:
        """Also what was encoded before something went wrong is kept."""
        self.flush()

    def put(self, key: str, entry: Tensors) -> None:
        """Keep it: on the disk within seconds."""
        if not self._pending:
            self._since = time.monotonic()
        self._pending[key] = entry
        self._bytes += sum(tensor.nbytes for tensor in entry.values())
        late = time.monotonic() - self._since > FLUSH_SECONDS
        if late or len(self._pending) >= SHARD_ENTRIES or self._bytes >= SHARD_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is pending."""
        pending, self._pending, self._bytes = self._pending, {}, 0
        if not pending:
            return
        try:
            make_private(self._folder)
            path = self._folder / f"{uuid.uuid4().hex}.safetensors"
            write_atomically(path, _shard_bytes(pending), "encode", PRIVATE_FILE)
        except UNWRITTEN as error:
            log.warning("not cached: %s", error)
            self.lost |= pending


def _shard_bytes(entries: Mapping[str, Tensors]) -> bytes:
    first = next(iter(entries.values()))
    tensors = {name: torch.stack([entry[name] for entry in entries.values()]) for name in first}
    about = {
        "keys": json.dumps([_digest(key) for key in entries]),
        "sums": json.dumps({name: _sum(tensor) for name, tensor in tensors.items()}),
    }
    data: bytes = safetensors.torch.save(tensors, about)
    return data


def _open(path: Path, wanted: Iterable[str]) -> _Shard | None:
    """Map a shard if it holds something that is wanted, and see that it is what was written."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            about = file.metadata()
            keys = json.loads(about["keys"])
            if not set(keys).intersection(wanted):
                return None
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        for name, total in json.loads(about["sums"]).items():
            # safetensors itself notices neither a flipped bit nor a tail of zeros.
            if len(tensors[name]) != len(keys) or _sum(tensors[name]) != total:
                raise ValueError("it is not what was written")
        with contextlib.suppress(OSError):
            os.utime(path)  # used now: it is not the next to go
        return _Shard(keys, tensors)
    except FileNotFoundError:  # somebody cleared the cache just now
        return None
    except OSError as error:
        log.warning("%s in the cache cannot be read: %s", path, error)
        return None
    # No safetensors file, no metadata, no JSON, other bits: it is only a cache.
    except Exception as error:
        log.warning("%s in the cache is damaged and made again: %s", path, error)
        with contextlib.suppress(OSError):
            path.unlink()
        return None


def _sum(tensor: torch.Tensor) -> int:
    """Of a tensor's bits as 64-bit numbers, at the speed of the memory; each bit changes it."""
    flat = tensor.reshape(-1).view(torch.uint8)
    words, rest = flat[: flat.numel() // 8 * 8], flat[flat.numel() // 8 * 8 :]
    return int(words.view(torch.int64).sum()) + int(rest.sum())


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()
