"""Which files a run trains on: written before its first step, and held from then on."""

from __future__ import annotations

import functools
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from msgspec import Struct

from lorad.daemon.training.data.index import Index, stamp
from lorad.daemon.training.data.item import Item, name_some, valid_text
from lorad.daemon.training.data.look import Look
from lorad.daemon.training.data.pictures import broken_pictures, fault, read_size
from lorad.daemon.training.files import write_atomically
from lorad.shared.codec import UNDECODABLE
from lorad.shared.errors import DataChanged


class Entry(Struct, frozen=True):
    """One picture."""

    name: str
    size: int
    """In bytes."""
    sha256: str
    captions: tuple[str, ...]
    width: int
    height: int
    """Of the picture when it is upright."""
    mask_sha256: str | None
    block: int
    """Index of its table in `recipe.data`."""


def hold(items: list[Item], path: Path, *, fresh: bool, index: Index | None = None) -> list[Entry]:
    """The manifest of these pictures: written by a fresh run, compared by one that goes on.

    What `index` knows of a file is taken from there instead of reading it.

    Raises:
        BrokenPicture: names those that cannot be read, all at once.
        DataChanged: names what is not as it was; the manifest itself, where it is damaged.
    """
    now = _entries(items, index or Index())
    if fresh or not path.exists():
        write_atomically(path, msgspec.json.format(msgspec.json.encode(now)), "manifest")
        return now
    try:
        then = {one.name: one for one in msgspec.json.decode(path.read_bytes(), type=list[Entry])}
    except UNDECODABLE as error:
        raise DataChanged(names=path.name) from error
    changed = [entry.name for entry in now if then.get(entry.name) != entry]
    gone = sorted(set(then) - {entry.name for entry in now})
    if changed or gone:
        raise DataChanged(names=name_some(changed + gone))
    return now


def _entries(items: list[Item], index: Index) -> list[Entry]:
    # Reading and hashing leave the interpreter to other threads.
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        entries = list(pool.map(functools.partial(_try_entry, index=index), items))
    broken = [entry for entry in entries if isinstance(entry, _Fault)]
    if broken:
        raise broken_pictures([entry.name for entry in broken], broken[0].why)
    index.save()
    return [entry for entry in entries if isinstance(entry, Entry)]


class _Fault(Struct):
    name: str
    why: str


def _try_entry(item: Item, index: Index) -> Entry | _Fault:
    try:
        return _entry(item, index)
    except Exception as error:  # gone, unreadable, or a row of a data set that holds no picture
        return _Fault(item.name, fault(error))


def _entry(item: Item, index: Index) -> Entry:
    found = index.known(item.path, whole=False)
    if found is None:
        before = stamp(item.path)
        data = item.read()
        sha256 = hashlib.sha256(data).hexdigest()
        found = Look(sha256, len(data), *read_size(data))
        index.keep(item.path, before, found, whole=False)
    return Entry(
        name=valid_text(item.name),
        size=found.size,
        sha256=found.sha256,
        captions=tuple(valid_text(caption) for caption in item.captions),
        width=found.width,
        height=found.height,
        mask_sha256=_mask_sha256(item, found, index),
        block=item.block,
    )


def _mask_sha256(item: Item, picture: Look, index: Index) -> str | None:
    if item.read_mask is None:
        return None
    if item.mask_path == item.path:  # its own transparency
        return picture.sha256
    found = index.known(item.mask_path, whole=False)
    if found is None:
        before = stamp(item.mask_path)
        data = item.read_mask()
        found = Look(hashlib.sha256(data).hexdigest(), len(data), *read_size(data))
        index.keep(item.mask_path, before, found, whole=False)
    return found.sha256
