"""One line for whoever comes back: what happened meanwhile."""

from __future__ import annotations

from lorad.tui.happenings import away_line
from lorad.tui.mirror import Away, Mirror
from lorad.tui.widgets.painting import Painting, Row, Span


class SinceLine(Painting):
    """There only while it has something to say, and until it was read."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._away: Away | None = None
        self._read: Away | None = None

    def show(self, mirror: Mirror) -> None:
        """Draw this."""
        if mirror.away is not self._away:
            self._away = mirror.away
            self._settle()

    def read(self) -> None:
        """Somebody has looked."""
        self._read = self._away
        self._settle()

    def _settle(self) -> None:
        news = self._away is not None and self._away is not self._read and away_line(self._away)
        self.set_class(bool(news), "-open")
        self.repaint()

    def paint(self, width: int, height: int) -> list[Row]:
        """The line, and the key that tells more."""
        if self._away is None:
            return [[]]
        return [[Span(away_line(self._away), "accent"), Span("   u", "key"), Span(" more", "dim")]]
