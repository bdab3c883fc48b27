"""NO_COLOR: what colours said is said by weight, and by the ground's reverse."""

from __future__ import annotations

from functools import lru_cache

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

PLAIN = Style.from_color(RichColor.default(), RichColor.default())
QUIET = 8
"""Bright black, which the theme of sixteen colours has for lines and what matters least."""


class Colourless(LineFilter):
    """No colour at all reaches the terminal, not even grey: nobody knows what its ground is.

    Textual's own filter takes the colours away and leaves a cursor that is nowhere to be seen.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same cells in the terminal's own two colours."""
        return [
            Segment(text, None if style is None else plain(style), control)
            for text, style, control in segments
        ]


@lru_cache(1024)
def plain(style: Style) -> Style:
    """A style without colours: another ground than the terminal's own is its reverse.

    The theme is the one of sixteen colours, whose ground is the terminal's.
    """
    ground, colour = style.bgcolor, style.color
    changed = PLAIN
    if ground is not None and not ground.is_default:
        changed += Style(reverse=True)
    elif colour is not None and colour.number == QUIET:
        changed += Style(dim=True)
    return style + changed
