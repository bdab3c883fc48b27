"""Text from captions, names, logs and models is data: what may reach a terminal, and what not.

A secret may reach nothing: no terminal, no log, no stored line.
"""

from __future__ import annotations

import os
import re

# C0 but tab and newline, DEL, C1, bidi controls, line and paragraph separators, private use,
# lone surrogates: each can move the cursor, write the clipboard, reorder or hide text.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
    "\ud800-\udfff\ue000-\uf8ff]"
)
_MARKS = re.compile(
    "([\u0300-\u036f\u0483-\u0489\u20d0-\u20ff]{3})[\u0300-\u036f\u0483-\u0489\u20d0-\u20ff]+"
)


_SHAPES = (
    r"hf_[A-Za-z0-9]{20,}",
    r"hf_oauth_[A-Za-z0-9._-]{20,}",
    r"wandb_v1_[A-Za-z0-9_-]{20,}",
    r"gh[pousr]_[A-Za-z0-9]{30,}",
)
"""Tokens as they are made by Hugging Face, Weights & Biases and GitHub."""
_SECRET_NAME = re.compile(r"(TOKEN|API_KEY|SECRET|PASSWORD)$")
_SHORTEST = 12
"""Characters; a shorter word may stand anywhere by chance."""


def _secrets() -> re.Pattern[bytes]:
    """What is a secret: by its shape, or since this process was given it as one.

    LORAD_TOKEN is not among them: a run says it to its daemon.
    """
    given = {
        value.strip()
        for name, value in os.environ.items()
        if _SECRET_NAME.search(name) and name != "LORAD_TOKEN"
    }
    exact = [re.escape(value) for value in given if len(value) >= _SHORTEST]
    return re.compile("|".join([*sorted(exact, key=len, reverse=True), *_SHAPES]).encode())


_SECRET = _secrets()


def redact_bytes(data: bytes) -> bytes:
    """The bytes with stars over every token and key; no place in them moves, not even a length."""
    return _SECRET.sub(lambda found: b"*" * len(found.group()), data)


def redact(text: str) -> str:
    """The text with stars over every token and key."""
    data = text.encode("utf-8", "surrogatepass")
    return redact_bytes(data).decode("utf-8", "surrogatepass") if _SECRET.search(data) else text


def has_secret(data: bytes) -> bool:
    """Whether there is a token or key in it."""
    return _SECRET.search(data) is not None


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
