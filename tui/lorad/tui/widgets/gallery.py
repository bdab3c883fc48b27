"""A painting that has pictures in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from textual.filter import ANSIToTruecolor, LineFilter

from lorad.tui.easel import PicturesReady
from lorad.tui.widgets.looks import Box, Drawn, Source, room
from lorad.tui.widgets.painting import Painting, Span

if TYPE_CHECKING:
    from lorad.tui.app import LoradApp


class Gallery(Painting):
    """Paints again when pictures that it asked for were drawn."""

    def repaint(self) -> None:
        """Paint again and refresh the cells that differ."""
        if self.is_mounted:
            self._app.easel.forget_wishes(self)
        super().repaint()

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Without the one that replaces the terminal's own colours: here it finds none.

        It looks at every cell of every picture all the same.
        """
        filters = super().get_line_filters()
        if self.app.no_color:
            return filters
        return [one for one in filters if not isinstance(one, ANSIToTruecolor)]

    def on_pictures_ready(self, event: PicturesReady) -> None:
        self.repaint()

    def picture(self, source: Source, box: Box) -> Drawn:
        """The picture, or until it is drawn an empty place of its size."""
        drawn = self._app.easel.get(source, box, self)
        if drawn is None:
            width, height = room(source, box)
            drawn = Drawn(tuple([Span(" " * width)] for _ in range(height)), width)
        return drawn

    def expect(self, source: Source, box: Box) -> None:
        """Have it drawn, since it may be wanted next."""
        self._app.easel.expect(source, box)

    @property
    def _app(self) -> LoradApp:
        return cast("LoradApp", self.app)
