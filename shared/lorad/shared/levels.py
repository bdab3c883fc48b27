"""How bad a line of a log is. The daemon says it in each line, a run where it is not mere news."""

from __future__ import annotations

import re
from typing import Literal, get_args

Level = Literal["info", "warning", "error"]
LEVELS: tuple[Level, ...] = get_args(Level)

_SAID = re.compile(
    r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ )?(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b", re.ASCII
)
_OF: dict[str, Level] = {"WARNING": "warning", "ERROR": "error", "CRITICAL": "error"}
_BAD = re.compile(r"\b(?:error|exception|traceback|out of memory)\b", re.I)
_RAISED = re.compile(r"[\w.]*(?:Error|Exception)\b")
_DOUBTFUL = re.compile(r"\b(?:warning|WARNING|Warning|[A-Za-z]+Warning)\b")


def level_of(line: str, before: Level = "info") -> Level:
    """The level of a line, after one of level `before`.

    What other programs print says no level, and is known by its words. An indented line goes with
    the one before it, as the lines of a traceback do.
    """
    if said := _SAID.match(line):
        return _OF.get(said[1], "info")
    if line[:1] in (" ", "\t", "") and before != "info":
        return before
    if _BAD.search(line) or _RAISED.match(line):
        return "error"
    return "warning" if _DOUBTFUL.search(line) else "info"


def fits(line: str, level: Level, least: Level, find: str) -> bool:
    """Whether a line of this level is as bad as `least` and has the text, in capitals or not."""
    return LEVELS.index(level) >= LEVELS.index(least) and find.lower() in line.lower()
