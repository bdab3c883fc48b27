"""Lines of a log before or after a place in it, sifted; never more than some MiB at a time.

A log may be of any length, and so may a line of it. What is read for one answer is bounded; an
answer says how far it looked, and whoever wants more asks from there.
"""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

from lorad.daemon.bounded import begin_of
from lorad.shared.levels import Level, fits, level_of
from lorad.shared.messages import GetLogLines, LogLine, LogLines

REACHES = (1 << 16, 1 << 19, 1 << 22)
"""Bytes that are looked at, more when the fewer do not have enough lines."""
LINE_LIMIT = 1000
"""Characters of a line that are told."""
MAX_LINES = 1000
MAX_FIND = 200


def lines_of(path: Path, ask: GetLogLines) -> LogLines:
    """What is asked for of this file; one that is not there is empty."""
    try:
        with path.open("rb") as file:
            return read_lines(file, ask, begin_of(file.fileno()))
    except FileNotFoundError:
        return LogLines(lines=[], begin=0, end=0, size=0)


def read_lines(file: BinaryIO, ask: GetLogLines, first: int = 0) -> LogLines:
    """As `lines_of`, of an open file, of which nothing is kept before `first`."""
    size = file.seek(0, 2)
    offset = max(first, size if ask.offset < 0 else min(size, ask.offset))
    found = _before(file, offset, size, ask) if ask.back else _after(file, offset, size, ask)
    if found.begin > first or not first:
        return found
    kept = [line for line in found.lines if line.offset >= first]
    return LogLines(lines=kept, begin=0, end=found.end, size=size)


def _before(file: BinaryIO, offset: int, size: int, ask: GetLogLines) -> LogLines:
    most = _most(ask)
    found: list[LogLine] = []
    begin = start = offset
    data, cut = b"", True
    for reach in REACHES:
        start = max(0, offset - reach)
        data = _read(file, start, offset - start)
        first = 0 if _begins_line(file, start) else data.find(b"\n") + 1
        cut = first == len(data) or (start > 0 and first == 0 and not _begins_line(file, start))
        begin = start if cut else start + first
        rest = b"" if data.endswith(b"\n") else _line_at(file, offset)
        found = [] if cut else _sifted(data[first:] + rest, begin, ask)[0]
        if len(found) >= most or start == 0:
            break
    end = offset
    if offset == size and not cut and not data.endswith(b"\n"):
        end = start + data.rfind(b"\n") + 1  # the last line has no end yet
    if len(found) >= most:
        found = found[-most:]
        begin = found[0].offset
    return LogLines(lines=found, begin=begin, end=end, size=size)


def _after(file: BinaryIO, offset: int, size: int, ask: GetLogLines) -> LogLines:
    most = _most(ask)
    found: list[LogLine] = []
    end = offset
    for reach in REACHES:
        data = _read(file, offset, reach)
        at_end = offset + len(data) >= size
        first = 0 if _begins_line(file, offset) else data.find(b"\n") + 1
        whole = data.rfind(b"\n") + 1
        if not whole and not at_end:
            # Inside of a line that is longer than this reach.
            end = offset + len(data)
            found = _sifted(data, offset, ask)[0] if _begins_line(file, offset) else []
            continue
        told = data[first:] if at_end and (first or _begins_line(file, offset)) else b""
        found, ends = _sifted(told or data[first:whole], offset + first, ask)
        end = offset + whole
        if len(found) >= most:
            found, end = found[:most], min(end, ends[most - 1])
        if len(found) >= most or at_end:
            break
    return LogLines(lines=found, begin=offset, end=end, size=size)


def _sifted(data: bytes, begin: int, ask: GetLogLines) -> tuple[list[LogLine], list[int]]:
    """The lines that fit, and where each ends. `data` begins with a line."""
    pieces = data.split(b"\n")
    if not pieces[-1]:
        pieces.pop()
    offsets = list(accumulate((len(piece) + 1 for piece in pieces), initial=begin))
    found, ends = [], []
    level: Level = "info"
    for number, piece in enumerate(pieces):
        text = piece.decode(errors="replace")
        level = level_of(text[:LINE_LIMIT], level)
        if fits(text, level, ask.level, ask.find[:MAX_FIND]):
            line = LogLine(offset=offsets[number], text=text[:LINE_LIMIT], level=level)
            found.append(line)
            ends.append(offsets[number + 1])
    return found, ends


def _most(ask: GetLogLines) -> int:
    return max(1, min(ask.limit, MAX_LINES))


def _read(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(length)


def _line_at(file: BinaryIO, offset: int) -> bytes:
    """As much of a line as is told of it, from the middle on."""
    return _read(file, offset, 4 * LINE_LIMIT).partition(b"\n")[0]


def _begins_line(file: BinaryIO, offset: int) -> bool:
    return offset == 0 or _read(file, offset - 1, 1) == b"\n"
