"""What this terminal shows pictures with: pixels of its own, half blocks, or signs.

Half blocks work everywhere and are what grids are drawn with. Pixels are for the opened picture
alone, by the extra `lorad[images]` (textual-image), which is imported only when they are wanted.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, cast, get_args

from textual.widget import Widget

from lorad.shared.config import Images as Wanted
from lorad.shared.endpoints import Home
from lorad.shared.errors import ImagesMissing
from lorad.tui.probe import CELL, Abilities, ask_terminal
from lorad.tui.widgets.looks import Colours, Look

WANTED: tuple[str, ...] = get_args(Wanted)


class Images(NamedTuple):
    """How pictures are shown."""

    pixels: Literal["kitty", "sixel"] | None = None
    """The protocol for an opened picture; none: as the grid."""
    cells: Literal["auto", "half", "ascii", "off"] = "auto"
    """`auto`: half blocks where the terminal has colours."""
    cell: tuple[int, int] = CELL
    """Width and height of a cell in pixels."""
    slow: bool = False
    """Over SSH: fewer colours, and half as many pixels."""
    late: bool = False
    """The terminal was asked and has not answered yet: an answer may still come."""


def find_images(
    wanted: Wanted,
    home: Home,
    environment: Mapping[str, str] = os.environ,
    ask: Callable[[Home, Mapping[str, str]], Abilities] = ask_terminal,
) -> Images:
    """What is wanted, as far as this terminal and this installation have it.

    Raises:
        ImagesMissing: pixels are asked for by name and textual-image is not installed.
    """
    slow = bool(environment.get("SSH_CONNECTION"))
    if wanted in ("half", "ascii", "off"):
        return Images(cells=cast(Any, wanted), slow=slow)
    installed = importlib.util.find_spec("textual_image") is not None
    if wanted != "auto":
        if not installed:
            raise ImagesMissing(wanted=wanted)
        return Images(pixels=cast(Any, wanted), cell=ask(home, environment).cell, slow=slow)
    # In tmux and screen it is not the outer terminal that answers, and pictures stay behind.
    inside = environment.get("TMUX") or environment.get("TERM", "").startswith(("screen", "tmux"))
    if not installed or inside or not sys.__stdin__ or not sys.__stdin__.isatty():
        return Images(slow=slow)
    able = ask(home, environment)
    return Images(pixels=choose(able), cell=able.cell, slow=slow, late=able.late)


def choose(able: Abilities) -> Literal["kitty", "sixel"] | None:
    """Sixel where both are claimed: WezTerm and Konsole claim Kitty without its placeholders."""
    if able.sixel:
        return "sixel"
    return "kitty" if able.kitty else None


def look(images: Images, colour_system: str | None, plain: bool, dark: bool) -> Look:
    """How the grid is drawn. `plain`: NO_COLOR, which greys of half blocks would still break."""
    if images.cells in ("ascii", "off"):
        return Look(cast(Any, images.cells), dark=dark)
    if images.cells == "auto" and (plain or colour_system is None):
        return Look("ascii", dark=dark)
    known: dict[str, Colours] = {"standard": "16", "256": "256", "windows": "16"}
    colours = known.get(colour_system or "", "fewer" if images.slow else "all")
    return Look("half", colours, dark)


class PixelWidget(NamedTuple):
    """A widget of textual-image, and how to give it a PNG."""

    widget: Widget
    show: Callable[[bytes | None], None]


def pixel_widget(images: Images, id: str) -> PixelWidget:
    """The widget for an opened picture."""
    module = _import_quietly(images.cell)
    kind = module.SixelImage if images.pixels == "sixel" else module.TGPImage
    widget = kind(id=id)

    def show(png: bytes | None) -> None:
        widget.image = None if png is None else io.BytesIO(png)

    return PixelWidget(widget, show)


def prepare_pixels(images: Images) -> None:
    """Import what draws pixels, before the app has the terminal."""
    if images.pixels:
        _import_quietly(images.cell)


def _import_quietly(cell: tuple[int, int]) -> Any:
    """textual-image asks the terminal when it is imported; we have asked already."""
    if "textual_image.widget" in sys.modules:
        return sys.modules["textual_image.widget"]
    with _no_terminal():
        module = importlib.import_module("textual_image.widget")
        terminal = importlib.import_module("textual_image._terminal")
    size = getattr(terminal, "CellSize", None)
    ask = getattr(terminal, "get_cell_size", None)
    if size is not None and ask is not None:
        ask._result = size(*cell)
    return module


@contextmanager
def _no_terminal() -> Iterator[None]:
    """As if stdout were no terminal."""
    before = sys.__stdout__
    sys.__stdout__ = io.TextIOWrapper(io.BytesIO())  # type: ignore[misc]
    try:
        yield
    finally:
        sys.__stdout__ = before  # type: ignore[misc]
