"""The sockets of the daemon: bytes in, bytes out, no decisions."""

from __future__ import annotations

import os
from typing import Any

import zmq

from lorad.shared.codec import MAX_MESSAGE
from lorad.shared.endpoints import Home


class Sockets:
    """Control, events and runs, bound for their owner alone."""

    def __init__(self, home: Home) -> None:
        """Bind. The caller holds the lock: a second bind on one path steals it in silence."""
        self.context: zmq.Context[Any] = zmq.Context()
        before = os.umask(0o077)
        try:
            self.control = self._bind(zmq.ROUTER, home.control)
            self.events = self._bind(zmq.XPUB, home.events)
            self.runs = self._bind(zmq.ROUTER, home.runs)
        finally:
            os.umask(before)

    def _bind(self, kind: int, endpoint: str) -> zmq.Socket[Any]:
        socket: zmq.Socket[Any] = self.context.socket(kind)
        socket.linger = 250
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE)
        if kind == zmq.XPUB:
            # Every subscription is seen, repeated ones too: they ask for a welcome.
            socket.setsockopt(zmq.XPUB_VERBOSE, 1)
            socket.sndhwm = 10_000
        else:
            # A full or vanished peer is an error to see, not a silent loss.
            socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        socket.bind(endpoint)
        return socket

    def close(self) -> None:
        """Let the last messages out, then close."""
        self.context.destroy(linger=250)
