"""One picture, as large as the terminal allows."""

from __future__ import annotations

from lorad.shared.clean import clean_line
from lorad.shared.messages import SamplePicture
from lorad.tui.browse import Browse
from lorad.tui.format import fit
from lorad.tui.widgets.gallery import Gallery
from lorad.tui.widgets.looks import Box, Source, room, thumb
from lorad.tui.widgets.painting import Row, Span, centred

CAPTION = 2
"""Lines below the picture."""
ENLARGE = 16


class Enlarged(Gallery):
    """The thumbnail at first, and more of the picture when it is there."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._picture: SamplePicture | None = None
        self._browse = Browse()
        self._source: Source | None = None
        self._note = ""

    def show(
        self, picture: SamplePicture | None, browse: Browse, source: Source | None, note: str
    ) -> None:
        """Draw this picture; from `source` where more of it is known than its thumbnail."""
        self._picture, self._browse, self._source, self._note = picture, browse, source, note
        self.repaint()

    @property
    def space(self) -> tuple[int, int]:
        """Cells and lines that a picture has."""
        width, height = self.content_size
        return max(1, width), max(1, height - CAPTION)

    def paint(self, width: int, height: int) -> list[Row]:
        """The picture over its caption."""
        picture = self._picture
        box = Box(width, max(1, height - CAPTION), ENLARGE)
        if picture is None:
            text = f"not drawn at step {self._browse.shown}"
            rows = centred([[Span(text, "dim")]], width, box.lines)
        else:
            rows = self._large(picture, box, width)
        rows += [[] for _ in range(box.lines - len(rows))]
        return [*rows[: box.lines], *self._caption(width)]

    def _large(self, picture: SamplePicture, box: Box, width: int) -> list[Row]:
        source = self._source or thumb(picture)
        # Its own size tells the place, so that nothing moves when more of it is known.
        size = room(Source("", b"", picture.width, picture.height), box)
        drawn = self.picture(source, Box(*size, ENLARGE))
        return centred([*drawn.rows], width, box.lines)

    def _caption(self, width: int) -> list[Row]:
        picture, browse = self._picture, self._browse
        words = [" · ".join(filter(None, [f"step {browse.shown}", browse.name(browse.shown)]))]
        if browse.instead is not None:
            words[0] = f"⇄ {words[0]} in place of {browse.step}"
        prompt = ""
        if picture is not None:
            prompt = clean_line(picture.prompt, 400)
            words += [f"seed {picture.seed}", f"{picture.width}x{picture.height}"]
            words.append(self._note or clean_line(picture.path, 4096))
        return [
            [Span(fit(prompt, width), "text")],
            [Span(fit(clean_line(" · ".join(words), 4200), width), "dim")],
        ]
