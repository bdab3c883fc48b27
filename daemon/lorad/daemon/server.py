"""The sockets of the daemon: bytes in, bytes out, no decisions."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import resource
import socket as sockets
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import zmq
from zmq.utils.monitor import parse_monitor_message

from lorad.shared.codec import MAX_MESSAGE
from lorad.shared.endpoints import Home
from lorad.shared.messages import AnyRequest

if TYPE_CHECKING:
    from lorad.daemon.door import Door

log = logging.getLogger(__name__)

MAX_SUBSCRIPTION = 1024
"""Bytes of a topic that somebody may want to hear; the longest of ours is a tenth of it."""
EVENTS_WAITING = 250
"""Events that wait for one listener; a listener that misses some asks for what they said.

Their bytes are shared between listeners, but each frame that waits is 64 bytes more for each, and
three frames are an event: 48 KB a listener that is stopped.
"""
ANSWERS_WAITING = 16
"""Answers that wait for one client, of up to 8 MiB; nobody asks so far ahead."""
MESSAGES_WAITING = 16
"""Messages of one peer that are read ahead of their turn."""
HANDSHAKE_MS = 3000
BACKLOG = 512
"""Connections that wait to be taken."""
MOST_CONNECTIONS = 2048
"""Of one socket of this machine; some 20 KB each."""
MOST_FILES = 65536
"""libzmq ends the process when somebody connects here and no file can be opened."""
LINGER_MS = 250
ROUND = 64
"""Messages of one socket between two looks at all else that the loop does."""
_names = itertools.count()


def raise_file_limit() -> int:
    """Have leave to open as many files as this user may, within reason; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return wanted if soft == resource.RLIM_INFINITY else soft


class Listener:
    """A bound socket, what bounds it, and how many are connected."""

    def __init__(
        self,
        context: zmq.Context[Any],
        kind: int,
        endpoint: str,
        most: int,
        prepare: Callable[[zmq.Socket[Any]], None],
    ) -> None:
        """Bind; `prepare` sets what else the socket needs before.

        Raises:
            zmq.ZMQError: it cannot be bound there.
        """
        self._most = most
        self._open: set[int] = set()  # the descriptors of its connections
        self.socket: zmq.Socket[Any] = context.socket(kind)
        self.monitor: zmq.Socket[Any] = context.socket(zmq.PAIR)
        # Without an end, or libzmq's own thread would wait for us when very many come at once.
        self.monitor.rcvhwm = 0
        name = f"inproc://connections-{next(_names)}"
        self.socket.monitor(name, zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED)
        self.monitor.connect(name)
        self._limit(kind)
        prepare(self.socket)
        try:
            self.socket.bind(endpoint)
        except zmq.ZMQError:
            self.close()
            raise

    def _limit(self, kind: int) -> None:
        self.socket.linger = LINGER_MS
        self.socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        self.socket.backlog = BACKLOG
        self.socket.rcvhwm = MESSAGES_WAITING
        if kind == zmq.XPUB:
            # Every subscription is seen, repeated ones too: they ask for a welcome.
            self.socket.setsockopt(zmq.XPUB_VERBOSE, 1)
            self.socket.setsockopt(zmq.MAXMSGSIZE, MAX_SUBSCRIPTION)
            self.socket.rcvhwm = 1000
            self.socket.sndhwm = EVENTS_WAITING
        else:
            # A full or vanished peer is an error to see, not a silent loss.
            self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
            self.socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE)
            self.socket.sndhwm = ANSWERS_WAITING

    def count(self) -> None:
        """Take in who came and went."""
        while self.monitor.poll(0):
            event = parse_monitor_message(self.monitor.recv_multipart())
            if event["event"] == zmq.EVENT_ACCEPTED:
                self._open.add(event["value"])
            else:
                self._open.discard(event["value"])

    @property
    def full(self) -> bool:
        """Whether more are connected than should be."""
        return len(self._open) >= self._most

    def close(self) -> None:
        """Let go of everybody."""
        self.socket.disable_monitor()
        self.monitor.close(linger=0)
        self.socket.close(linger=LINGER_MS)


class Entrance:
    """A way in for this machine's user: its file stays while the listener behind it changes.

    libzmq can neither refuse a connection nor end one. When there are too many, all are ended with
    their listener; the next one takes up who waits at the file. libzmq's own file would be removed
    some time after, and perhaps the next one's.
    """

    def __init__(self, context: zmq.Context[Any], kind: int, endpoint: str, most: int) -> None:
        """Bind, for the owner alone. The caller holds the lock: what is there is a dead daemon's.

        Raises:
            OSError: there can be no socket.
        """
        self._path = Path(endpoint.removeprefix("ipc://"))
        self._file = sockets.socket(sockets.AF_UNIX)
        self._file.setblocking(False)
        self._path.unlink(missing_ok=True)
        before = os.umask(0o077)
        try:
            self._file.bind(str(self._path))
        finally:
            os.umask(before)
        self._file.listen(BACKLOG)
        self._listen = partial(Listener, context, kind, endpoint, most, self._prepare)
        self._listener = self._listen()

    def _prepare(self, socket: zmq.Socket[Any]) -> None:
        socket.setsockopt(zmq.USE_FD, os.dup(self._file.fileno()))

    @property
    def socket(self) -> zmq.Socket[Any]:
        """Where messages come from; another one after all connections were ended."""
        return self._listener.socket

    @property
    def readable(self) -> list[zmq.Socket[Any]]:
        """What to poll."""
        return [self._listener.socket, self._listener.monitor]

    def look(self) -> None:
        """Count who came and went; when there are too many, end all."""
        self._listener.count()
        if self._listener.full:
            log.warning("too many connections to %s: all of them are ended", self._path.name)
            self._listener.close()
            self._listener = self._listen()

    def close(self) -> None:
        """Let go of everybody, and of the file."""
        self._listener.close()
        self._file.close()
        self._path.unlink(missing_ok=True)


class Peer(NamedTuple):
    """Somebody who asked, and how to answer."""

    socket: zmq.Socket[Any]
    identity: bytes
    key: str | None = None
    """Of whoever came over the network, as libzmq has proved it; none for this machine's user."""

    def send(self, frames: list[bytes]) -> None:
        """Answer, unless it went away or reads nothing: nobody is waited for."""
        with contextlib.suppress(zmq.ZMQError):
            self.socket.send_multipart([self.identity, *frames], zmq.DONTWAIT)


class Sockets:
    """Control, events and runs, bound for their owner alone."""

    def __init__(self, home: Home) -> None:
        """Bind. The caller holds the lock: a second bind on one path steals it in silence."""
        self.most = raise_file_limit() // 6
        """Connections that one socket may have, for the files that there are."""
        most = min(self.most, MOST_CONNECTIONS)
        self.context: zmq.Context[Any] = zmq.Context()
        self._control = Entrance(self.context, zmq.ROUTER, home.control, most)
        self._events = Entrance(self.context, zmq.XPUB, home.events, most)
        self._runs = Entrance(self.context, zmq.ROUTER, home.runs, most)
        self._local = (self._control, self._events, self._runs)
        self.door: Door | None = None
        """From the network."""

    @property
    def runs(self) -> zmq.Socket[Any]:
        """Where runs report."""
        return self._runs.socket

    def readable(self) -> list[zmq.Socket[Any]]:
        """What to poll."""
        local = [socket for entrance in self._local for socket in entrance.readable]
        return [*local, *self.door.readable()] if self.door else local

    def asked(self) -> Iterator[tuple[Peer, list[bytes]]]:
        """Requests that wait."""
        door = self.door.listeners[:1] if self.door else []
        for socket in _waiting([self._control.socket, *(listener.socket for listener in door)]):
            identity, *frames = socket.recv_multipart(copy=False)
            key = None
            if socket is not self._control.socket:
                key = str(frames[-1].get("User-Id")) if frames else ""
            yield Peer(socket, identity.bytes, key), [frame.bytes for frame in frames]

    def subscribed(self) -> Iterator[bytes]:
        """Frames that wait on the events: who subscribes, and to what."""
        for socket in _waiting(self._outlets()):
            yield socket.recv_multipart()[0]

    def send_multipart(self, frames: list[bytes], /, flags: int = 0) -> None:
        """Tell an event to whoever listens."""
        for socket in self._outlets():
            socket.send_multipart(frames, flags)

    def check(self, key: str, request: AnyRequest) -> str:
        """The name of who asks from the network, where that may be asked.

        Raises:
            DaemonError: it may not.
        """
        assert self.door is not None, "nobody comes from the network"
        return self.door.check(key, request)

    def look(self) -> None:
        """Count who came and went, and let nobody in from the network who may not."""
        for entrance in self._local:
            entrance.look()
        if self.door:
            self.door.count()
            self.door.answer_handshakes()
            self.door.look()

    def _outlets(self) -> list[zmq.Socket[Any]]:
        door = self.door.listeners[1:] if self.door else []
        return [self._events.socket, *(listener.socket for listener in door)]

    def close(self) -> None:
        """Let the last messages out, then close."""
        if self.door:
            self.door.close()
        for entrance in self._local:
            entrance.close()
        self.context.destroy(linger=LINGER_MS)


def _waiting(sockets: Iterable[zmq.Socket[Any]]) -> Iterator[zmq.Socket[Any]]:
    """Each, as often as it has a message: so often that who says much holds up nobody for long."""
    for socket in sockets:
        for _ in range(ROUND):
            if socket.closed or not socket.poll(0):
                break
            yield socket
