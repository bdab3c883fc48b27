"""What files were found to be, so that a second start on the same folder reads none of them.

Kept in the cache and safe to delete. A file that was changed since is another one by its size, its
times or its inode. One that was changed shortly before the index was written is not put into it:
another change within the same tick of the clock could not be told (as git's racy entries,
https://git-scm.com/docs/racy-git).
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from pathlib import Path

import msgspec
from msgspec import Struct

from lorad.daemon.training.data.look import Look
from lorad.daemon.training.files import PRIVATE_FILE, UNWRITTEN, write_atomically
from lorad.shared.codec import UNDECODABLE
from lorad.shared.endpoints import make_private

log = logging.getLogger(__name__)
VERSION = 1
"""Counts up when a picture is looked at in another way."""
RACY_NS = 2_000_000_000


class _Known(Struct, frozen=True, array_like=True):
    stamp: tuple[int, int, int, int, int]
    look: Look
    whole: bool
    """Decoded to its end; else only its header was read."""


class Index:
    """Looks by path."""

    def __init__(self, path: Path | None = None) -> None:
        """Without a path nothing is kept beyond this object."""
        self._path = path
        self._old = _load(path) if path is not None else {}
        self._new: dict[str, _Known] = {}

    def known(self, path: Path | None, *, whole: bool) -> Look | None:
        """What the file is, if it has not changed since somebody looked; `whole`: decoded."""
        if path is None:
            return None
        key = os.fsencode(path).hex()
        found = self._new.get(key) or self._old.get(key)
        if found is None or (whole and not found.whole) or found.stamp != stamp(path):
            return None
        self._new[key] = found
        return found.look

    def keep(self, path: Path | None, before: Stamp | None, look: Look, *, whole: bool) -> None:
        """Remember a look; `before` is the file's stamp from before it was read."""
        if path is not None and before is not None and before == stamp(path):
            self._new[os.fsencode(path).hex()] = _Known(before, look, whole)

    def save(self) -> None:
        """Write what was asked for and what was kept; a full disk only costs the next run time."""
        if self._path is None or self._new == self._old:
            return
        newest = time.time_ns() - RACY_NS
        settled = {
            key: known
            for key, known in self._new.items()
            if max(known.stamp[1], known.stamp[2]) < newest
        }
        try:
            make_private(self._path.parent)
            write_atomically(
                self._path, msgspec.msgpack.encode((VERSION, settled)), mode=PRIVATE_FILE
            )
        except UNWRITTEN as error:
            log.warning("not cached: %s", error)


Stamp = tuple[int, int, int, int, int]
"""Size, times of change of content and of anything in ns, device, inode."""


def stamp(path: Path | None) -> Stamp | None:
    """What changes when the file does; none if it cannot be asked."""
    try:
        found = os.stat(path) if path is not None else None
    except OSError:
        return None
    if found is None:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_dev, found.st_ino


def open_index(cache: Path, sources: list[str]) -> Index:
    """The index for these picture folders."""
    digest = hashlib.blake2b("\0".join(sources).encode("utf-8", "surrogatepass"), digest_size=16)
    return Index(cache / "looks" / f"{digest.hexdigest()}.msgpack")


def _load(path: Path) -> dict[str, _Known]:
    try:
        version, known = msgspec.msgpack.decode(
            path.read_bytes(), type=tuple[int, dict[str, _Known]]
        )
    except FileNotFoundError:
        return {}
    except (OSError, *UNDECODABLE) as error:
        log.warning("a cached file is unusable and made again: %s", error)
        return {}
    return known if version == VERSION else {}
