"""One picture and its caption, whatever they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from lorad.shared.clean import clean_line
from lorad.shared.errors import CaptionColumn


@dataclass(frozen=True)
class Item:
    """A picture and its caption."""

    name: str
    """Its path below the folder, or its row in a data set."""
    caption: str
    read: Callable[[], bytes]
    """The picture's file."""

    @cached_property
    def digest(self) -> tuple[int, str]:
        """Size in bytes and sha256 of the file."""
        data = self.read()
        return len(data), hashlib.sha256(data).hexdigest()


def name_some(names: list[str], most: int = 5) -> str:
    """The first few names, for a sentence."""
    shown = ", ".join(clean_line(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def pick_caption_column(columns: Mapping[str, bool], wanted: str | None, source: object) -> str:
    """The column that holds the captions; `columns` says of each whether it holds strings.

    Raises:
        CaptionColumn: it is no column of strings, or several may be meant.
    """
    strings = [name for name, is_text in columns.items() if is_text]
    if wanted is not None:
        if wanted in strings:
            return wanted
    elif "text" in strings:
        return "text"
    elif len(strings) == 1:
        return strings[0]
    raise CaptionColumn(source=source, columns=", ".join(strings) or "(it has none)")
