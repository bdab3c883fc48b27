"""Entries that are made when they are first asked for, or when there is time.

What an entry is depends on its file and the weights alone, never on when it is made: so a run whose
pictures are encoded as they are shown has the bits of one that encodes them all before its first
step, and takes that step at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import overload

import torch

from lorad.daemon.training.data.cache import Cache, Tensors

Make = Callable[[int], Tensors]
"""An entry by its place in the list; may raise."""


class Later(Sequence[Tensors]):
    """A list of entries of which the cache holds some."""

    def __init__(self, cache: Cache, group: str, keys: list[str], make: Make) -> None:
        """`keys` are what the entries are called in the cache; equal ones are made once."""
        self._cache = cache
        self._group = group
        self._keys = keys
        self._make = make
        self._found = cache.find(group, keys)
        self._writer = cache.writer(group)
        self._writer.tidy()
        self._missing = iter([row for row, key in enumerate(keys) if key not in self._found])

    def __len__(self) -> int:
        """All of them, made or not."""
        return len(self._keys)

    @overload
    def __getitem__(self, row: int) -> Tensors: ...
    @overload
    def __getitem__(self, row: slice) -> list[Tensors]: ...
    def __getitem__(self, row: int | slice) -> Tensors | list[Tensors]:
        """The entry; it is made now if that is the first time."""
        if isinstance(row, slice):
            return [self[at] for at in range(len(self))[row]]
        key = self._keys[row]
        entry = self._found.get(key) or self._writer.pending.get(key)
        return entry if entry is not None else self._add(key, self._make(row))

    def make_more(self) -> bool:
        """Make one that nobody has asked for yet; false: there is none."""
        for row in self._missing:
            if self._keys[row] not in self._found and self._keys[row] not in self._writer.pending:
                self[row]
                return True
        return False

    def flush(self) -> None:
        """Write what has been made, which is mapped from then on."""
        self._writer.flush()
        self._map()

    def _add(self, key: str, entry: Tensors) -> Tensors:
        self._writer.put(key, entry)
        if not self._writer.pending:
            self._map()
        return entry

    def _map(self) -> None:
        self._found |= self._writer.lost
        self._found |= self._cache.find(self._group, set(self._keys) - self._found.keys())


class Column(Sequence[torch.Tensor]):
    """One tensor of each entry."""

    def __init__(self, entries: Sequence[Tensors], name: str) -> None:
        """`name` is what the tensor is called in each of them."""
        self._entries = entries
        self._name = name

    def __len__(self) -> int:
        """As many as there are entries."""
        return len(self._entries)

    @overload
    def __getitem__(self, row: int) -> torch.Tensor: ...
    @overload
    def __getitem__(self, row: slice) -> list[torch.Tensor]: ...
    def __getitem__(self, row: int | slice) -> torch.Tensor | list[torch.Tensor]:
        """The tensor of that entry."""
        if isinstance(row, slice):
            return [entry[self._name] for entry in self._entries[row]]
        return self._entries[row][self._name]


def make_some(lists: list[Later], seconds: float) -> bool:
    """Make entries for so long, one at least; false: all are made, and written."""
    end = time.monotonic() + seconds
    for entries in lists:
        while entries.make_more():
            if time.monotonic() >= end:
                return True
    for entries in lists:
        entries.flush()
    return False
