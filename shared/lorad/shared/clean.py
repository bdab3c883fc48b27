"""Text from captions, names, logs and models is data: what may reach a terminal, and what not.

A secret may reach nothing: no terminal, no log, no stored line.
"""

from __future__ import annotations

import re

from lorad.shared.redact import redact

# C0 but tab and newline, DEL, C1, bidi controls, line and paragraph separators, private use,
# lone surrogates: each can move the cursor, write the clipboard, reorder or hide text.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
    "\ud800-\udfff\ue000-\uf8ff]"
)
_MARKS = re.compile(
    "([\u0300-\u036f\u0483-\u0489\u20d0-\u20ff]{3})[\u0300-\u036f\u0483-\u0489\u20d0-\u20ff]+"
)


def clean(text: str, limit: int = 4096) -> str:
    """The text with no secret in it and nothing that a terminal would obey; at most `limit` long.

    ESC becomes a visible mark, other controls the replacement character. A carriage return that
    ends a line goes; any other one, as progress bars write it, becomes a newline.
    """
    # Before it is cut, or the beginning of a token would be left.
    text = redact(text[: limit + 200])[: limit + 1].replace("\r\n", "\n").replace("\r", "\n")
    text = _UNSAFE.sub(lambda found: "␛" if found.group() == "\x1b" else "\ufffd", text)
    text = _MARKS.sub(r"\1", text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def clean_line(text: str, limit: int = 200) -> str:
    """As `clean`, on one line."""
    return " ".join(clean(text, limit).split())
