"""Text from captions, names, logs and models is data: what may reach a terminal, and what not.

A secret may reach nothing: no terminal, no log, no stored line.
"""

from __future__ import annotations

import re

from lorad.shared.redact import LONGEST, redact

# C0 but tab and newline, DEL, C1, bidi controls, line and paragraph separators, private use, lone
# surrogates, what has no width (but the joiners, which emoji and scripts need), tags: each can move
# the cursor, write the clipboard, reorder or hide text.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u070f\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\ue000-\uf8ff\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U0010ffff]"
)
_MARK = (
    "[\u0300-\u036f\u0483-\u0489\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u0e47-\u0e4e"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
_MARKS = re.compile(f"({_MARK}{{3}}){_MARK}+")


def clean(text: str, limit: int = 4096) -> str:
    """The text with no secret in it and nothing that a terminal would obey; at most `limit` long.

    ESC becomes a visible mark, other controls the replacement character. A carriage return that
    ends a line goes; any other one, as progress bars write it, becomes a newline.
    """
    # Before it is cut, or the beginning of a token would be left.
    text = redact(text[: limit + LONGEST])[: limit + 1].replace("\r\n", "\n").replace("\r", "\n")
    text = _UNSAFE.sub(lambda found: "␛" if found.group() == "\x1b" else "\ufffd", text)
    text = _MARKS.sub(r"\1", text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def clean_line(text: str, limit: int = 200) -> str:
    """As `clean`, on one line."""
    return " ".join(clean(text, limit).split())


def first_line(said: object, limit: int = 300) -> str:
    """The first line of what others' code says, mostly of an exception: its type, if it is mute."""
    return clean_line((str(said).splitlines() or [type(said).__name__])[0], limit).rstrip(".")
