"""What the daemon tells everybody: numbered per stream, so that a loss shows."""

from __future__ import annotations

import time
from typing import Any, Protocol

import zmq

from lorad.shared import codec
from lorad.shared.messages import Attached, Event
from lorad.shared.redact import redact_bytes

LIVE_SECONDS = 60.0
"""A stream that is silent for longer is left out of the beat, or many jobs make it heavy."""


class Outlet(Protocol):
    """Where events go."""

    def send_multipart(self, frames: list[bytes], /, flags: int = 0) -> Any: ...


class Events:
    """Numbers and publishes."""

    def __init__(self, outlet: Outlet, epoch: str) -> None:
        """`epoch` names this daemon's life."""
        self._outlet = outlet
        self._epoch = epoch
        self._heads: dict[str, int] = {}
        self._spoke: dict[str, float] = {}

    def publish(self, topic: str, event: Event) -> None:
        """Say it to whoever listens; nobody is waited for."""
        self._heads[topic] = self._heads.get(topic, 0) + 1
        self._spoke[topic] = time.monotonic()
        header, payload = codec.encode(event, epoch=self._epoch, seq=self._heads[topic])
        frames = [topic.encode(), header, redact_bytes(payload)]
        self._outlet.send_multipart(frames, zmq.DONTWAIT)

    def published(self) -> int:
        """How many events so far, of all streams."""
        return sum(self._heads.values())

    def welcome(self, token: str) -> None:
        """Tell one client that all it subscribed to before is active."""
        frames = codec.encode(Attached(), epoch=self._epoch)
        self._outlet.send_multipart([token.encode(), *frames], zmq.DONTWAIT)

    def heads(self) -> dict[str, int]:
        """The newest number of each live stream."""
        since = time.monotonic() - LIVE_SECONDS
        return {topic: head for topic, head in self._heads.items() if self._spoke[topic] >= since}
