"""What all mistakes are."""

from __future__ import annotations

import inspect


class LoradError(Exception):
    """Something went wrong in lorad."""

    exit_code = 1
    pauses = False
    """Whether a run that meets it is paused rather than failed, to be resumed when it is gone."""

    def __init__(self, **details: object) -> None:
        """Keep the details; the sentence is made from them when somebody reads it."""
        super().__init__(details)
        self.details = details

    def __str__(self) -> str:
        """The class's sentence, filled in."""
        sentence = " ".join((inspect.getdoc(type(self)) or "").split())
        return sentence.format(**self.details)


class Unforeseen(LoradError):
    """Something unexpected happened ({what}). `LORAD_TRACEBACK=1` shows the traceback."""
