"""Pictures are drawn in a thread and kept: the loop only puts them where they belong."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Any, NamedTuple

from rich.color import ColorSystem
from textual.message import Message
from textual.widget import Widget

from lorad.tui.widgets.looks import Box, Drawn, Look, Source, draw

CELLS = 30_000
"""Kept at most, two and a half terminals of 200 x 60. A cell is some 800 bytes in four objects,
which the garbage collector walks over."""
CALM_SECONDS = 0.15
"""What may be wanted next waits until the loop has had its frame: they share one interpreter."""
TOLD_SECONDS = 0.03
"""At least this long from one `PicturesReady` to the next while there is more to draw."""


class PicturesReady(Message, bubble=False):
    """Some of what the widget wished for is there."""


class Key(NamedTuple):
    """One picture at one size."""

    content: str
    box: Box


class Easel:
    """Draws what widgets wish for, the first wish first, and remembers it within a bound."""

    def __init__(self, look: Look, system: ColorSystem | None = None) -> None:
        """The thread begins with the first wish."""
        self.look = look
        self._system = system
        self._kept: OrderedDict[Key, Drawn] = OrderedDict()
        self._cells = 0
        self._wishes: dict[Key, tuple[Source, set[Widget]]] = {}
        self._expected: dict[Key, Source] = {}
        self._calm = 0.0
        self._lock = threading.Lock()
        self._wished = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._ended = False
        self._at_work = False

    def get(self, source: Source, box: Box, widget: Widget) -> Drawn | None:
        """The picture; none while it is drawn: the widget will be told."""
        key = Key(source.key, box)
        with self._lock:
            drawn = self._kept.get(key)
            if drawn is not None:
                self._kept.move_to_end(key)
                return drawn
            self._wishes.setdefault(key, (source, set()))[1].add(widget)
            self._begin()
        return None

    def expect(self, source: Source, box: Box) -> None:
        """It may be wished for next: it is drawn when there is nothing else to do."""
        key = Key(source.key, box)
        with self._lock:
            if key not in self._kept:
                self._expected[key] = source
                self._begin()

    def _begin(self) -> None:
        self._wished.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="easel", daemon=True)
            self._thread.start()

    def forget_wishes(self, widget: Widget) -> None:
        """It paints anew: what it wished for before may be out of sight by now."""
        with self._lock:
            self._calm = time.monotonic() + CALM_SECONDS
            self._expected.clear()
            for key, (_, widgets) in list(self._wishes.items()):
                widgets.discard(widget)
                if not widgets:
                    del self._wishes[key]

    @property
    def busy(self) -> bool:
        """Whether something is still to be drawn that is wished for."""
        with self._lock:
            return self._at_work or bool(self._wishes)

    @property
    def cells(self) -> int:
        """How many are kept."""
        return self._cells

    def stop(self) -> None:
        """Draw no more."""
        with self._lock:
            self._ended = True
            self._wished.notify()

    # -- the thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        told = 0.0
        waiting: set[Widget] = set()
        while (wish := self._next()) is not None:
            key, source, widgets = wish
            drawn = draw(source, key.box, self.look, self._system)
            waiting |= widgets
            with self._lock:
                self._keep(key, drawn)
                last = not self._wishes
            if last or time.monotonic() - told > TOLD_SECONDS:
                self._tell(waiting)
                told = time.monotonic()
            with self._lock:
                self._at_work = False

    def _next(self) -> tuple[Key, Source, set[Widget]] | None:
        """The oldest wish, or in calm what is expected; none at the end."""
        with self._lock:
            while not self._ended:
                left = self._calm - time.monotonic()
                if self._wishes:
                    key = next(iter(self._wishes))
                    self._at_work = True
                    return key, *self._wishes.pop(key)
                if self._expected and left <= 0:
                    key = next(iter(self._expected))
                    return key, self._expected.pop(key), set()
                self._wished.wait(left if self._expected else None)
            return None

    def _keep(self, key: Key, drawn: Drawn) -> None:
        if key not in self._kept:
            self._cells += _size(drawn)
        self._kept[key] = drawn
        while self._cells > CELLS and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self._cells -= _size(gone)

    def _tell(self, widgets: set[Any]) -> None:
        while widgets:
            widget = widgets.pop()
            if widget.is_attached:
                widget.post_message(PicturesReady())


def _size(drawn: Drawn) -> int:
    return drawn.width * len(drawn.rows)
