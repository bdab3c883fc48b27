"""The part of a log that a viewer holds: some thousand lines around where somebody looks. Pure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from lorad.shared.messages import LogLine, LogLines

MOST_LINES = 3000


@dataclass(frozen=True)
class LogWindow:
    """Lines without a gap, and between which bytes of the log they stand."""

    lines: tuple[LogLine, ...] = ()
    begin: int = 0
    end: int = 0
    size: int = 0
    """Of the log, as told last."""
    loaded: bool = False
    at_end: bool = False
    """Whether there was nothing after it when it was told."""

    @property
    def at_begin(self) -> bool:
        """Whether there is nothing before it."""
        return self.loaded and self.begin == 0

    def line_at(self, offset: int) -> int:
        """The number of the first line that begins there or later."""
        return bisect_left(self.lines, offset, key=lambda line: line.offset)


def opened(reply: LogLines) -> LogWindow:
    """A window with these lines alone."""
    lines = tuple(reply.lines)
    return LogWindow(lines, reply.begin, reply.end, reply.size, True, _ends(reply))


def _ends(reply: LogLines) -> bool:
    """Whether the log ends with these lines, the last of which may have no end yet."""
    open_line = bool(reply.lines) and reply.lines[-1].offset >= reply.end
    return reply.end >= reply.size or open_line


def extended(window: LogWindow, reply: LogLines, back: bool) -> LogWindow:
    """More lines at one end; what is too much goes at the other."""
    if back:
        lines = (*reply.lines, *window.lines)
        kept = lines[:MOST_LINES]
        whole = len(kept) == len(lines)
        end = window.end if whole else lines[MOST_LINES].offset
        return LogWindow(kept, reply.begin, end, reply.size, True, whole and window.at_end)
    # The last line was told before it had its end.
    known = window.lines[: window.line_at(reply.begin)]
    lines = (*known, *reply.lines)
    kept = lines[-MOST_LINES:]
    begin = window.begin if len(kept) == len(lines) else kept[0].offset
    at_end = _ends(reply) or reply.end <= reply.begin
    return LogWindow(kept, begin, reply.end, reply.size, True, at_end)
