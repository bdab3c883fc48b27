"""Every picture decoded to its end, by processes that may crash or run out of memory alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lorad.daemon.training.data.crew import Read, in_workers
from lorad.daemon.training.data.index import Index, stamp
from lorad.daemon.training.data.item import Item
from lorad.daemon.training.data.look import Look, look


@dataclass(frozen=True)
class Seen:
    """What a picture turned out to be."""

    look: Look | None
    why: str = ""
    """If it cannot be decoded."""


@dataclass(frozen=True)
class Sight:
    """What all pictures and masks turned out to be."""

    pictures: list[Seen]
    """One an item."""
    masks: dict[int, Seen] = field(default_factory=dict)
    """By the item's place, where the mask is a file of its own."""


def look_over(
    items: list[Item], index: Index | None = None, tell: Callable[[int], None] = lambda done: None
) -> Sight:
    """Look at each picture and its mask; what `index` knows is not looked at again.

    `tell` hears how many are done, and may end it by raising.
    """
    index = index or Index()
    masked = [
        number
        for number, item in enumerate(items)
        if item.read_mask is not None and (item.path is None or item.mask_path != item.path)
    ]
    files: list[tuple[Path | None, Read]] = [(item.path, item.read) for item in items]
    files += [(items[n].mask_path, items[n].read_mask or items[n].read) for n in masked]
    seen = _look_at(files, index, tell)
    index.save()
    return Sight(seen[: len(items)], dict(zip(masked, seen[len(items) :], strict=True)))


def _look_at(
    files: list[tuple[Path | None, Read]], index: Index, tell: Callable[[int], None]
) -> list[Seen]:
    known = [index.known(path, whole=True) for path, _ in files]
    unknown = [file for file, found in zip(files, known, strict=True) if found is None]
    before = [stamp(path) for path, _ in unknown]
    looks: list[Seen] = []
    for found in in_workers(look, [read for _, read in unknown]):
        if len(looks) % 50 == 0:
            tell(len(looks))
        if isinstance(found, Look):
            index.keep(unknown[len(looks)][0], before[len(looks)], found, whole=True)
            looks.append(Seen(found))
        else:
            looks.append(Seen(None, str(found)))
    fresh = iter(looks)
    return [Seen(found) if found is not None else next(fresh) for found in known]
