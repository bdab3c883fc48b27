"""Which views a data set has, and what is still to be made of them: a plan, before any of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from lorad.daemon.training.data.buckets import Size, choose, rules
from lorad.daemon.training.data.cache import Cache, Tensors
from lorad.daemon.training.data.item import Item
from lorad.daemon.training.data.manifest import Entry
from lorad.daemon.training.data.pictures import decode, decode_mask
from lorad.daemon.training.data.views import (
    LATENT,
    View,
    mask_of,
    pixels_of,
    views_of,
)
from lorad.shared.errors import DataChanged
from lorad.shared.recipe import Data, Recipe


@dataclass(frozen=True)
class Picture:
    """Where a picture's tensors are."""

    name: str
    sha256: str
    block: int
    """Index into recipe.data."""
    shape: int
    """Index into the shapes."""
    views: range
    """Rows of the shape's tables."""


@dataclass
class Shape:
    """The views of all pictures of one bucket."""

    size: Size
    posteriors: Sequence[torch.Tensor] = field(default_factory=list)
    """[2, c, h/8, w/8] for each view: mean and std, fp32, mapped from the cache."""
    sizes: list[list[int]] = field(default_factory=list)
    """For each view, as `View.sizes`."""
    masks: Sequence[torch.Tensor] = field(default_factory=list)
    """[1, h/8, w/8] for each view; none where no picture of the run has a mask."""


@dataclass(frozen=True)
class Seen:
    """A view of a picture, and what its tensors are called in the cache."""

    picture: int
    view: View
    key: str
    mask_key: str
    """Empty: there is no mask, and everything counts."""


@dataclass
class Work:
    """What is to be made from one picture's file."""

    shape: int
    item: Item
    entry: Entry
    data: Data
    pixels: dict[str, View] = field(default_factory=dict)
    """By key in the cache."""
    masks: dict[str, View] = field(default_factory=dict)

    def make(self) -> tuple[Tensors, Tensors]:
        """Pixels and masks by their keys; a decoding thread runs it.

        Raises:
            DataChanged: a file is not what the manifest names; it would poison the cache.
            Exception: as `decode`.
        """
        data, pixels, masks = b"", {}, {}
        if self.pixels or has_alpha_mask(self.data):
            data = _as_held(self.item, self.item.read, self.entry.sha256)
        if self.pixels:
            picture = decode(data)
            pixels = {key: pixels_of(picture, view) for key, view in self.pixels.items()}
        if self.masks:
            if self.item.read_mask and not has_alpha_mask(self.data):
                data = _as_held(self.item, self.item.read_mask, self.entry.mask_sha256)
            mask = decode_mask(data, alpha=has_alpha_mask(self.data))
            masks = {key: mask_of(mask, view) for key, view in self.masks.items()}
        return pixels, masks


class Part:
    """One bucket while it is encoded."""

    def __init__(self, size: Size, made: str) -> None:
        """`made` says how pictures are encoded, as far as it changes bits."""
        self.shape = Shape(size)
        self.seen: list[Seen] = []
        self.group = f"{made}/{size[0]}x{size[1]}"
        self.mask_group = f"mask/{size[0]}x{size[1]}"
        self.found: dict[str, Tensors] = {}
        self.found_masks: dict[str, Tensors] = {}

    def look(self, cache: Cache) -> None:
        """Find what is in the cache of what was not found yet."""
        keys = {seen.key for seen in self.seen}
        self.found |= cache.find(self.group, keys - self.found.keys())
        masks = {seen.mask_key for seen in self.seen if seen.mask_key}
        self.found_masks |= cache.find(self.mask_group, masks - self.found_masks.keys())

    def fill(self, *, masked: bool) -> Shape:
        """The shape with what was found in its tables."""
        self.shape.sizes = [seen.view.sizes for seen in self.seen]
        self.shape.posteriors = [self.found[seen.key]["posterior"] for seen in self.seen]
        if masked:
            width, height = self.shape.size
            whole = torch.ones(1, height // LATENT, width // LATENT)
            self.shape.masks = [
                self.found_masks[seen.mask_key]["mask"] if seen.mask_key else whole
                for seen in self.seen
            ]
        return self.shape


@dataclass(frozen=True)
class Plan:
    """Every picture's place in the buckets' tables."""

    pictures: list[Picture]
    parts: list[Part]
    """By size."""

    def missing(self, items: list[Item], entries: list[Entry], recipe: Recipe) -> list[Work]:
        """What the cache lacks, by bucket; what several pictures share only once."""
        works: list[Work] = []
        for shape, part in enumerate(self.parts):
            done, here = set(part.found), dict[int, Work]()
            done_masks = {"", *part.found_masks}
            for seen in part.seen:
                if seen.key in done and seen.mask_key in done_masks:
                    continue
                row = seen.picture
                new = Work(shape, items[row], entries[row], recipe.data[entries[row].block])
                work = here.setdefault(row, new)
                if seen.key not in done:
                    work.pixels[seen.key] = seen.view
                if seen.mask_key not in done_masks:
                    work.masks[seen.mask_key] = seen.view
                done.add(seen.key)
                done_masks.add(seen.mask_key)
            works += here.values()
        return works


def plan(entries: list[Entry], recipe: Recipe, multiple: int, made: str) -> Plan:
    """Each picture's bucket and views.

    Raises:
        WrongValue: the buckets do not fit the model.
    """
    rule = rules(recipe, multiple)
    sizes = [choose((entry.width, entry.height), rule) for entry in entries]
    shapes = {size: row for row, size in enumerate(sorted(set(sizes)))}
    parts = [Part(size, made) for size in shapes]
    pictures = []
    for row, (entry, size) in enumerate(zip(entries, sizes, strict=True)):
        data, part = recipe.data[entry.block], parts[shapes[size]]
        first = len(part.seen)
        mask = _mask_name(entry, data)
        for view in views_of((entry.width, entry.height), size, entry.sha256, data):
            mask_key = f"{mask}/{view.key}" if mask else ""
            part.seen.append(Seen(row, view, f"{entry.sha256}/{view.key}", mask_key))
        rows = range(first, len(part.seen))
        pictures.append(Picture(entry.name, entry.sha256, entry.block, shapes[size], rows))
    return Plan(pictures, parts)


def has_alpha_mask(data: Data) -> bool:
    """Whether its pictures' own transparency is the mask."""
    return data.alpha_mask and data.mask_path is None


def _mask_name(entry: Entry, data: Data) -> str:
    return f"alpha/{entry.sha256}" if has_alpha_mask(data) else entry.mask_sha256 or ""


def _as_held(item: Item, read: Callable[[], bytes], sha256: str | None) -> bytes:
    data = read()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise DataChanged(names=item.name)
    return data
