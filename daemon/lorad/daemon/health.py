"""How the daemon itself is: cheap figures, counted as it goes."""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from lorad.shared.levels import Level
from lorad.shared.messages import DaemonInfo, Health, Trouble
from lorad.shared.redact import redact

RATE_SECONDS = 10.0
"""Over which the rate of events is a mean."""
CLIENT_SECONDS = 60.0
TROUBLES = 20
TEXT_LIMIT = 500
_PID = re.compile(r":\d+$")


class Troubles(logging.Handler):
    """Keeps the newest warnings and errors of the daemon's log."""

    def __init__(self) -> None:
        """Of no logger yet."""
        super().__init__(logging.WARNING)
        self.newest: deque[Trouble] = deque(maxlen=TROUBLES)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it: the message, and in one line what was raised."""
        level: Level = "error" if record.levelno >= logging.ERROR else "warning"
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += f" ({record.exc_info[0].__name__}: {record.exc_info[1]})"
        self.newest.append(
            Trouble(time=record.created, level=level, text=redact(text)[:TEXT_LIMIT])
        )


TROUBLED = Troubles()
"""The one of this process: it is a handler of the root logger's."""


@dataclass
class Pulse:
    """What the daemon notes about itself while it works."""

    info: DaemonInfo
    database: Path
    published: Callable[[], int]
    """Events so far."""
    unsettled: Callable[[], int]
    clock: Callable[[], float] = time.monotonic
    late_seconds: float = 0.0
    _beats: deque[tuple[float, int]] = field(default_factory=deque)
    _clients: dict[str, float] = field(default_factory=dict)
    _watchers: set[bytes] = field(default_factory=set)
    _process: psutil.Process = field(default_factory=psutil.Process)

    def __post_init__(self) -> None:
        """Time and count begin here."""
        self._beats.append((self.clock(), self.published()))
        self._process.cpu_percent(None)  # sets the mark that the next call counts from

    def beat(self, late: float) -> None:
        """The loop came round, so many seconds later than it was to."""
        now = self.clock()
        self.late_seconds = max(0.0, late)
        self._beats.append((now, self.published()))
        while len(self._beats) > 2 and self._beats[0][0] < now - RATE_SECONDS:
            self._beats.popleft()

    def asked(self, client: str) -> None:
        """Somebody of this name asked for something."""
        now = self.clock()
        client = _PID.sub("", client)  # a person who asks ten times is not ten
        self._clients[client] = now
        if len(self._clients) > 100:  # names are free to choose
            self._clients = self._recent(now)

    def subscribed(self, frame: bytes) -> None:
        """A frame of the event socket: each watcher has one topic of its own, `~w/...`."""
        if frame[1:4] == b"~w/":
            change = self._watchers.add if frame[:1] == b"\x01" else self._watchers.discard
            change(frame[1:])

    def _recent(self, now: float) -> dict[str, float]:
        return {name: at for name, at in self._clients.items() if now - at <= CLIENT_SECONDS}

    def health(self) -> Health:
        """All of it, now."""
        now, count = self.clock(), self.published()
        began, before = self._beats[0]
        memory = self._process.memory_info()
        return Health(
            daemon=self.info,
            uptime_seconds=max(0.0, time.time() - self.info.started),
            memory_bytes=memory.rss,
            cpu_percent=self._process.cpu_percent(None),
            database_bytes=sum(map(_size, (self.database, Path(f"{self.database}-wal")))),
            events_per_second=(count - before) / max(1.0, now - began),
            beat_late_seconds=self.late_seconds,
            clients=sorted(self._recent(now)),
            watchers=len(self._watchers),
            unsettled=self.unsettled(),
            troubles=list(TROUBLED.newest),
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
