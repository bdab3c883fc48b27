"""The first and the last line: who and where, and which keys there are."""

from __future__ import annotations

import getpass
import time
from collections.abc import Sequence

from lorad.shared.clean import clean_line
from lorad.tui.format import duration
from lorad.tui.keys import as_set
from lorad.tui.mirror import Listing, Mirror, listed
from lorad.tui.totals import Tally, count_words, eta_words
from lorad.tui.widgets.painting import Painting, Row, Span, width_of


class Header(Painting):
    """User and host on the left, the daemon on the right. No clock: it would repaint for ever."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._mirror = Mirror()
        self._listing = Listing()
        self._tally = Tally()

    def show(self, mirror: Mirror, listing: Listing | None = None) -> None:
        """Draw this; a screen that has the listing of its jobs already hands it over."""
        self._mirror = mirror
        self._listing = listing or listed(self._listing, mirror.jobs, mirror.gpus)
        self.repaint()

    def paint(self, width: int, height: int) -> list[Row]:
        """One line; what does not fit on the right goes first."""
        left = [Span("lorad", "accent+bold"), Span(f"  {self._where()}", "dim")]
        config = getattr(self.app, "config", None)
        if config is not None and config.dashboard.readonly:
            left.append(Span("  looks only", "warn"))
        right = self._state()
        room = width - width_of(left) - width_of(right)
        while right and room < 2:
            right = right[:-1]
            room = width - width_of(left) - width_of(right)
        return [[*left, Span(" " * max(0, room)), *right]]

    def _where(self) -> str:
        if self._mirror.place:
            return clean_line(self._mirror.place, 60)
        host = self._mirror.daemon.hostname if self._mirror.daemon else ""
        return f"{_user()}@{clean_line(host, 60)}" if host else ""

    def _state(self) -> Row:
        mirror = self._mirror
        if mirror.stale_since is not None:
            at = time.strftime("%H:%M:%S", time.localtime(mirror.stale_since))
            if mirror.daemon is None:
                return [Span("○ no daemon", "warn")]
            age = duration(5 * round((time.time() - mirror.stale_since) / 5))
            mended = [Span("  no daemon: `lorad up`", "warn")] if mirror.none_runs else []
            stale = Span(f"○ stale since {at}", "warn")
            return [stale, *mended, Span(f"  for {age}; runs go on", "dim")]
        if mirror.daemon is None:
            return [Span("connecting", "dim")]
        if mirror.trouble:
            return [Span("◑ the daemon ends  ", "warn"), Span(mirror.trouble, "dim")]
        found = self._tally.of(self._listing, len(mirror.gpus))
        words, left = count_words(found), eta_words(found)
        busy = bool(found.training) + bool(found.waiting)
        parts = [Span("● ", "good"), Span(", ".join(words[:busy]) or "idle", "text")]
        if left:
            parts.append(Span("  time unknown" if left == "unknown" else f"  {left} left", "text"))
        parts += [Span(f"  {word}", "warn") for word in self._stopped()]
        if words[busy:]:
            parts.append(Span("  " + ", ".join(words[busy:]), "dim"))
        version = clean_line(mirror.daemon.version, 20)
        return [*parts, Span(f"  daemon {version}", "dim")]

    def _stopped(self) -> list[str]:
        """Why what could start does not."""
        paused = [clean_line(group.name, 32) for group in self._mirror.groups if group.paused]
        drained = ["drained"] if self._mirror.draining else []
        return [*drained, *(f"{name} paused" for name in paused)]


def _user() -> str:
    try:
        return clean_line(getpass.getuser(), 40)
    except (KeyError, OSError):
        return "?"  # a uid without a name, as containers have


class Hints(Painting):
    """The keys, the most useful first, as many as fit."""

    def __init__(self, hints: Sequence[tuple[str, str]], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._hints = hints

    def paint(self, width: int, height: int) -> list[Row]:
        """One line. The last hint, how to find the others, is always there."""
        named = [(as_set(keys, self.screen), what) for keys, what in self._hints]
        *hints, last = [[Span(keys, "key"), Span(f" {what}", "dim")] for keys, what in named]
        row: Row = []
        for hint in hints:
            if width_of(row) + width_of(hint) + 3 + width_of(last) > width:
                break
            row += [*hint, Span("   ")]
        return [[*row, *last]]
