"""A terminal's answer that comes after the app has the keyboard must not be taken for keys.

Textual gives what it does not understand to the app letter by letter, and `K` moves a job. So what
the terminal sends goes through a sieve first, in a session whose terminal was asked and was late.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

from textual._xterm_parser import XTermParser
from textual.drivers import linux_driver
from textual.message import Message

ANSWERS = re.compile(
    "\x1b_G[^\x1b]{0,200}\x1b\\\\|\x1b\\[6;\\d{1,4};\\d{1,4}t|\x1b\\[\\?[\\d;]{1,100}c"
)
BEGUN = re.compile(
    "\x1b(?:_(?:G[^\x1b]{0,200}\x1b?)?|\\[(?:6(?:;[\\d;]{0,9})?|\\?[\\d;]{0,100})?)?$"
)
HELD_SECONDS = 0.1
"""What is no answer by then was a key."""


class LateParser(XTermParser):
    """Textual's own, behind the sieve."""

    def __init__(self, debug: bool = False) -> None:
        super().__init__(debug)
        self._begun = ""
        self._since = 0.0

    def feed(self, data: str) -> Iterable[Message]:
        """What the terminal sent, without its answers; an empty text is the end."""
        if not data:
            return super().feed(data)
        text = ANSWERS.sub("", self._begun + data)
        begun = BEGUN.search(text)
        self._begun, self._since = (begun[0] if begun else ""), time.monotonic()
        text = text.removesuffix(self._begun)
        return super().feed(text) if text else ()

    def tick(self) -> Iterable[Message]:
        """Called again and again: what was held back for too long goes on."""
        yield from super().tick()
        if self._begun and time.monotonic() - self._since >= HELD_SECONDS:
            text, self._begun = self._begun, ""
            yield from super().feed(text)


class LateDriver(linux_driver.LinuxDriver):
    """For a terminal that was asked and has not answered in time."""

    def run_input_thread(self) -> None:
        """As ever; the parser is made in there, by this name and in no other way."""
        linux_driver.XTermParser = LateParser  # type: ignore[attr-defined]
        super().run_input_thread()
