"""One picture and its captions, whatever they come from, and what was met on the way to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lorad.shared.clean import clean_line
from lorad.shared.errors import CaptionColumn, LoradError


@dataclass(frozen=True)
class Item:
    """A picture and its captions."""

    name: str
    """Its path below the folder, or its row in a data set; unique in the run."""
    captions: tuple[str, ...]
    """One at least; trigger word, prefix and suffix are in already."""
    read: Callable[[], bytes]
    """The picture's file."""
    read_mask: Callable[[], bytes] | None = None
    """Its mask's file; the picture's own where its transparency is the mask."""
    block: int = 0
    """Index of its table in `recipe.data`."""
    path: Path | None = None
    """Of the picture's file, where it has one of its own."""
    mask_path: Path | None = None


@dataclass
class Findings:
    """What was met while pictures were looked for: mistakes, and what is only said."""

    problems: list[LoradError] = field(default_factory=list)
    """Each keeps the run from starting."""
    notes: list[str] = field(default_factory=list)
    """Sentences."""


def name_some(names: list[str], most: int = 5) -> str:
    """The first few names, for a sentence."""
    shown = ", ".join(clean_line(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def shown(path: object) -> str:
    """A path for a sentence: a name may hold what a terminal would obey, or no valid UTF-8."""
    return clean_line(str(path), 300)


def valid_text(text: str) -> str:
    """The text as JSON can hold it: a file name need not be valid UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def pick_caption_column(columns: Mapping[str, bool], wanted: str | None, source: object) -> str:
    """The column that holds the captions; `columns` says of each whether it may.

    Raises:
        CaptionColumn: it holds neither strings nor lists of them, or several may be meant.
    """
    texts = [name for name, is_text in columns.items() if is_text]
    if wanted is not None:
        if wanted in texts:
            return wanted
    elif "text" in texts:
        return "text"
    elif len(texts) == 1:
        return texts[0]
    known = ", ".join(clean_line(name) for name in texts)
    raise CaptionColumn(source=source, columns=known or "(it has none)")
