"""Tables of tensors of one shape: on the device where they fit, else mapped on the host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from lorad.daemon.training.data.later import Column

RESIDENT_SHARE = 0.25
"""Of the free memory of a card, for all tables together."""
ROWS_AT_ONCE = 256
"""Copied together onto the device, so that the host never holds a whole table."""


class Rows(NamedTuple):
    """Which rows of a table are wanted."""

    host: list[int]
    device: torch.Tensor
    """[n]."""


class Mover:
    """The way onto the device, which never waits for it."""

    def __init__(self, device: torch.device) -> None:
        """Looks at how much memory is free."""
        self.device = device
        self._room = 0.0
        if device.type == "cuda":
            self._room = RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]

    def move(self, tensor: torch.Tensor) -> torch.Tensor:
        """From the host; through pinned memory, or the copy would wait for all before it."""
        if self.device.type == "cuda" and tensor.device.type == "cpu":
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)

    def rows(self, *lists: list[int]) -> list[Rows]:
        """Lists of the same length, brought over in one copy."""
        moved = self.move(torch.tensor(lists, dtype=torch.int64))
        return [Rows(host, device) for host, device in zip(lists, moved.unbind(), strict=True)]

    def take_room(self, size: int) -> bool:
        """Whether so many bytes may stay on the device."""
        if size > self._room:
            return False
        self._room -= size
        return True


class Table:
    """Tensors of one shape, taken by row."""

    def __init__(self, rows: Sequence[torch.Tensor], mover: Mover) -> None:
        """On a CPU they stay where they are, which for a mapped file is the disk."""
        self._rows = rows
        self._mover = mover
        self._resident: torch.Tensor | None = None
        if not rows or isinstance(rows, Column):  # which are made as they are asked for
            return
        shape = (len(rows), *rows[0].shape)
        if mover.take_room(len(rows) * rows[0].nbytes):
            self._resident = torch.empty(shape, dtype=rows[0].dtype, device=mover.device)
            for first in range(0, len(rows), ROWS_AT_ONCE):
                some = torch.stack(list(rows[first : first + ROWS_AT_ONCE]))
                self._resident[first : first + len(some)].copy_(some)
            self._rows = ()

    def take(self, at: Rows) -> torch.Tensor:
        """[n, …] on the device."""
        if self._resident is not None:
            return self._resident.index_select(0, at.device)
        rows = [self._rows[row] for row in at.host]
        if self._mover.device.type != "cuda":
            return torch.stack(rows)
        staged = torch.empty((len(rows), *rows[0].shape), dtype=rows[0].dtype, pin_memory=True)
        return torch.stack(rows, out=staged).to(self._mover.device, non_blocking=True)
