"""Pictures that were asked for, as many as fit."""

from __future__ import annotations

from collections import OrderedDict

from lorad.shared.messages import GetPicture, Picture, SamplePicture
from lorad.tui.images import Images

BYTES = 32 << 20
SLOW_COLOURS = 64
"""Of an opened picture over SSH: a quarter of the bytes, and hardly seen."""
LARGEST = 2048
"""Pixels a side, as the daemon has it."""


class Shelf:
    """Replies by what was asked, the oldest gone first."""

    def __init__(self) -> None:
        self._replies: OrderedDict[GetPicture, Picture] = OrderedDict()
        self.bytes = 0

    def get(self, request: GetPicture) -> Picture | None:
        """The answer to this, if there is one."""
        reply = self._replies.get(request)
        if reply is not None:
            self._replies.move_to_end(request)
        return reply

    def put(self, request: GetPicture, reply: Picture) -> None:
        """Keep an answer."""
        before = self._replies.pop(request, None)
        self.bytes += len(reply.data) - (len(before.data) if before else 0)
        self._replies[request] = reply
        while self.bytes > BYTES and len(self._replies) > 1:
            _, gone = self._replies.popitem(last=False)
            self.bytes -= len(gone.data)


def wish(id: int, picture: SamplePicture, space: tuple[int, int], images: Images) -> GetPicture:
    """As many pixels of a picture as fit in so many cells and lines of this terminal."""
    cells, lines = space
    per_cell = images.cell if images.pixels else (1, 2)
    if images.pixels and images.slow:
        per_cell = (max(1, per_cell[0] // 2), max(1, per_cell[1] // 2))
    return GetPicture(
        id=id,
        step=picture.step,
        index=picture.index,
        width=min(LARGEST, cells * per_cell[0]),
        height=min(LARGEST, lines * per_cell[1]),
        form="png" if images.pixels else "pixels",
        colours=SLOW_COLOURS if images.slow else 0,
    )
