"""Listening to the daemon's events, and proof that one does."""

from __future__ import annotations

import time
import uuid
from typing import Any, NamedTuple

import zmq

from lorad.shared import codec
from lorad.shared.codec import Header
from lorad.shared.errors import BadRequest, DaemonSilent
from lorad.shared.keys import Curve
from lorad.shared.messages import Attached, Event

WELCOME_SECONDS = 2.0
"""After so long it is asked for again: it is lost with other events when this end was slow."""


class Heard(NamedTuple):
    """One event as it arrived."""

    topic: str
    header: Header
    event: Event


class Watch:
    """A subscription to the daemon's events."""

    def __init__(
        self, context: zmq.Context[Any], endpoint: str, curve: Curve | None = None
    ) -> None:
        """Nothing is heard before `subscribe`. `curve`: the keys for a daemon on the network."""
        self.socket: zmq.Socket[bytes] = context.socket(zmq.SUB)
        self.socket.linger = 0
        self.socket.rcvhwm = 10_000
        if curve is not None:
            curve.secure(self.socket)
        self.socket.connect(endpoint)
        # `~` sorts last: a SUB that reconnects re-sends its subscriptions sorted by their bytes,
        # and the token's welcome proves that all before it are active.
        self._token = f"~w/{uuid.uuid4().hex}/"
        self._attached = False
        self._asked = 0.0

    def subscribe(self, *topics: str) -> None:
        """Hear these topics too; `attached` is false until the daemon has them all."""
        for topic in topics:
            self.socket.subscribe(topic)
        self._ask_welcome()
        self._attached = False

    def _ask_welcome(self) -> None:
        self.socket.subscribe(self._token)
        self._asked = time.monotonic()

    def unsubscribe(self, *topics: str) -> None:
        """Hear them no longer."""
        for topic in topics:
            self.socket.unsubscribe(topic)

    @property
    def attached(self) -> bool:
        """Whether every event from now on arrives, or shows as a gap in `header.seq`."""
        return self._attached

    def receive(self, timeout: float) -> Heard | None:
        """The next event, or none after `timeout` seconds."""
        if not self._attached and time.monotonic() - self._asked > WELCOME_SECONDS:
            self._ask_welcome()
        if not self.socket.poll(int(timeout * 1000)):
            return None
        topic, *frames = self.socket.recv_multipart()
        try:
            header, event = codec.decode(frames, codec.events)
        except BadRequest:
            return None  # an event of a newer daemon: its state comes by other ways too
        if isinstance(event, Attached):
            self._attached = True
        return Heard(topic.decode(), header, event)

    def wait_attached(self, timeout: float) -> list[Heard]:
        """Wait for the welcome; what arrived before it is not lost.

        Raises:
            DaemonSilent: none came.
        """
        early: list[Heard] = []
        deadline = time.monotonic() + timeout
        while not self._attached:
            left = deadline - time.monotonic()
            if left <= 0:
                raise DaemonSilent(seconds=timeout)
            if heard := self.receive(left):
                early.append(heard)
        return [heard for heard in early if not isinstance(heard.event, Attached)]

    def close(self) -> None:
        """Hear nothing more."""
        self.socket.close()
