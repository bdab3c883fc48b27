"""One connection to a daemon's control socket."""

from __future__ import annotations

import time
from typing import Any

import zmq

from lorad.shared.endpoints import Place
from lorad.shared.errors import KeyRefused

CHECK_SECONDS = 1.0
"""While an answer is waited for, this often somebody looks whether it can still come."""
RECONNECT_MS = 500
"""Each try through ssh is a round trip for nothing."""


class Connection:
    """Fresh, and never made again: what was asked on an old one must not reach another daemon."""

    def __init__(self, context: zmq.Context[Any], place: Place) -> None:
        """Begin to connect; nothing is waited for."""
        self._place = place
        self._refusals: zmq.Socket[Any] | None = None
        self.socket: zmq.Socket[bytes] = context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.reconnect_ivl = RECONNECT_MS
        # Without this a request for a daemon that is away waits here and reaches the next one.
        self.socket.setsockopt(zmq.IMMEDIATE, 1)
        if place.curve is not None:
            place.curve.secure(self.socket)
            self._refusals = self.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
        self.socket.connect(place.control)

    def close(self) -> None:
        """Let go of it."""
        if self._refusals is not None:
            self.socket.disable_monitor()
            self._refusals.close()
        self.socket.close()

    def ready(self, what: int, deadline: float) -> bool:
        """Whether it can be written or read in time. A place that is lost ends the waiting.

        Raises:
            DaemonError: nobody is there any more.
            KeyRefused: the daemon does not know our key.
        """
        while (left := deadline - time.monotonic()) > 0:
            if self.socket.poll(int(min(left, CHECK_SECONDS) * 1000), what):
                return True
            self._place.check()
            if self._refusals is not None and self._refusals.poll(0):
                raise KeyRefused(address=self._place.control)
        return bool(self.socket.poll(0, what))
