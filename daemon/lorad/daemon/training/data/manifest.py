"""Which files a run trains on: written before its first step, and held from then on."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from lorad.daemon.training.data.item import Item, name_some
from lorad.daemon.training.files import write_atomically
from lorad.shared.errors import BrokenPicture, DataChanged


class Entry(Struct, frozen=True):
    """One picture."""

    name: str
    size: int
    """In bytes."""
    sha256: str
    caption: str


def hold(items: list[Item], path: Path, *, fresh: bool) -> list[Entry]:
    """The manifest of these pictures: written by a fresh run, compared by one that goes on.

    Raises:
        BrokenPicture: one cannot be read.
        DataChanged: names what is not as it was.
    """
    now = [_entry(item) for item in items]
    if fresh or not path.exists():
        write_atomically(path, msgspec.json.format(msgspec.json.encode(now)))
        return now
    then = {entry.name: entry for entry in msgspec.json.decode(path.read_bytes(), type=list[Entry])}
    changed = [entry.name for entry in now if then.get(entry.name) != entry]
    gone = sorted(set(then) - {entry.name for entry in now})
    if changed or gone:
        raise DataChanged(names=name_some(changed + gone))
    return now


def _entry(item: Item) -> Entry:
    try:
        size, sha256 = item.digest
    except Exception as error:  # gone, unreadable, or a row of a data set that holds no picture
        raise BrokenPicture(names=item.name, why=error, them="it") from error
    # A file name need not be valid UTF-8; JSON must be.
    name, caption = (
        text.encode("utf-8", "backslashreplace").decode() for text in (item.name, item.caption)
    )
    return Entry(name, size, sha256, caption)
