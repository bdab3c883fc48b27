"""A link in user space between two unix sockets: slow, narrow, and dead for moments.

As a program: `relay.py LISTEN TARGET`, which is what the tests' `ssh` runs for `-L`.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

CHUNK = 1024


@dataclass
class Weather:
    """How the link is, now; every connection and both directions share it."""

    delay: float = 0.0
    """Seconds, one way."""
    rate: float = 0.0
    """Bytes a second, one way; 0: no limit."""
    buffer: int = 64 * 1024
    """Bytes under way in one direction of one connection; who sends more waits."""
    cut: threading.Event = field(default_factory=threading.Event)
    """While it is set nothing moves."""
    carried: int = 0
    """Bytes so far."""
    _free: dict[bool, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def due(self, size: int, downwards: bool) -> float:
        """When so many bytes that come now have arrived, as they share the line with others."""
        with self._lock:
            self.carried += size
            begin = max(time.monotonic(), self._free.get(downwards, 0.0))
            self._free[downwards] = begin + (size / self.rate if self.rate else 0.0)
            return self._free[downwards] + self.delay


class Relay:
    """Listens at one path and goes on to another."""

    def __init__(self, listen: Path, target: Path, weather: Weather | None = None) -> None:
        """Begins at once."""
        self.weather = weather or Weather()
        self._target = target
        self._open: set[socket.socket] = set()
        self._server = socket.socket(socket.AF_UNIX)
        listen.unlink(missing_ok=True)
        self._server.bind(str(listen))
        self._server.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(str(self._target))
            except OSError:
                near.close()
                far.close()
                continue
            self._open |= {near, far}
            left = threading.Semaphore(1)

            def over(
                near: socket.socket = near,
                far: socket.socket = far,
                left: threading.Semaphore = left,
            ) -> None:
                if not left.acquire(blocking=False):  # the other direction is over too
                    self._open -= {near, far}
                    near.close()
                    far.close()

            _Way(near, far, self.weather, over, downwards=False)
            _Way(far, near, self.weather, over, downwards=True)

    def drop(self) -> None:
        """End all connections, as a network that changed does."""
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def close(self) -> None:
        """Carry nothing more."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.drop()


class _Way:
    """One direction of one connection."""

    def __init__(
        self,
        source: socket.socket,
        sink: socket.socket,
        weather: Weather,
        over: Callable[[], None],
        *,
        downwards: bool,
    ) -> None:
        self._end = over
        self._source, self._sink, self._weather = source, sink, weather
        self._downwards = downwards
        self._flying: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._changed = threading.Condition()
        self._over = False
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        taking = threading.Thread(target=self._take, daemon=True)
        taking.start()
        self._give()
        taking.join()
        self._end()

    def _take(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._size < self._weather.buffer or self._over)
            try:
                data = self._source.recv(CHUNK)
            except OSError:
                data = b""
            with self._changed:
                due = self._weather.due(len(data), self._downwards)
                self._flying.append((due, data))
                self._size += len(data)
                self._changed.notify_all()
            if not data or self._over:
                return

    def _give(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._flying))
                due, data = self._flying[0]
            time.sleep(max(0.0, due - time.monotonic()))
            while self._weather.cut.is_set():
                time.sleep(0.01)
            with self._changed:
                self._flying.popleft()
                self._size -= len(data)
                self._changed.notify_all()
            try:
                if not data:
                    self._sink.shutdown(socket.SHUT_WR)
                    return
                self._sink.sendall(data)
            except OSError:
                with self._changed:
                    self._over = True
                    self._changed.notify_all()
                with contextlib.suppress(OSError):
                    self._source.shutdown(socket.SHUT_RDWR)
                return
