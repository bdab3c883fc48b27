"""What was encoded once: tensors by the content and the settings that they came from.

Shared between jobs and safe to delete. A key holds everything that the value depends on, so an
entry is never stale; one that cannot be read is made again.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError

from lorad.daemon.training.files import write_atomically
from lorad.shared.errors import DiskFull

log = logging.getLogger(__name__)


class Cache:
    """Tensors on disk, one file a key."""

    def __init__(self, folder: Path) -> None:
        """The folder is made when something is put there."""
        self._folder = folder

    def get(self, key: str) -> dict[str, torch.Tensor] | None:
        """What was put under the key, or none."""
        try:
            found: dict[str, torch.Tensor] = safetensors.torch.load(self._path(key).read_bytes())
            return found
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError) as error:
            log.warning("a cached file is unusable and made again: %s", error)
            return None

    def put(self, key: str, tensors: dict[str, torch.Tensor]) -> None:
        """Keep it; a full disk only costs the next run its time."""
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, safetensors.torch.save(tensors))
        except (OSError, DiskFull) as error:
            log.warning("not cached: %s", error)

    def _path(self, key: str) -> Path:
        digest = hashlib.blake2b(key.encode(), digest_size=20).hexdigest()
        return self._folder / digest[:2] / f"{digest}.safetensors"
