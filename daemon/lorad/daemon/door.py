"""The way in from the network: over CURVE, for the keys on the owner's list and nobody else.

It has a context of its own, so that whatever knocks there takes nothing from those on this machine.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from typing import Any

import zmq

from lorad.daemon.server import LINGER_MS, Listener
from lorad.shared.config import config_path, load_config
from lorad.shared.endpoints import Home
from lorad.shared.errors import (
    CannotListen,
    ConfigError,
    KeyGone,
    LoradError,
    MayOnlyWatch,
    NoKeyAllowed,
)
from lorad.shared.keys import Allowed, allowed_path, own_pair, read_allowed, server_path, wire
from lorad.shared.messages import READING, AnyRequest
from lorad.shared.tcp import endpoints

log = logging.getLogger(__name__)

MOST_GUESTS = 256
ZAP = "inproc://zeromq.zap.01"
DOMAIN = b"lorad"
HANDSHAKES = 64
"""Answered in one round of the daemon's loop."""
STRANGERS_SECONDS = 60.0
"""Between two lines of the log about those who may not come in."""
DEAD_MS = 30_000
"""Without a sign of life for so long, the other end is gone."""


class Door:
    """Control and events on the network."""

    def __init__(self, home: Home, address: str, most: int) -> None:
        """Listen.

        Raises:
            LoradError: the address is none, it is taken, or no key may connect.
        """
        self._home = home
        self._address = address
        self._endpoints = endpoints(address)
        self._pair = own_pair(server_path(home))
        self._told = float("-inf")
        self._most = min(most, MOST_GUESTS)
        self._read_at: tuple[int, ...] | None = ()
        self._allowed: dict[str, tuple[str, Allowed]] = {}  # by key
        self.context: zmq.Context[Any] = zmq.Context()
        self.zap: zmq.Socket[Any] = self.context.socket(zmq.REP)
        self.zap.linger = 0
        self.zap.bind(ZAP)
        self._listeners: list[Listener] = []
        try:
            self._read_at = self._stamp()
            self._keep(read_allowed(allowed_path(home)))
            if not self._allowed:
                raise NoKeyAllowed(address=address, config=config_path())
            self._open()
        except zmq.ZMQError as error:
            self.close()
            why = os.strerror(error.errno or 0)
            raise CannotListen(address=address, why=why, config=config_path()) from error
        except LoradError:
            self.close()
            raise
        log.info("listening at %s and the port after it", address)

    def readable(self) -> list[zmq.Socket[Any]]:
        """What to poll."""
        found = [socket for one in self._listeners for socket in (one.socket, one.monitor)]
        return [*found, self.zap]

    def count(self) -> None:
        """Take in who came and went."""
        for listener in self._listeners:
            listener.count()

    @property
    def listeners(self) -> list[Listener]:
        """Where clients ask and where they listen; nothing while it is shut."""
        return self._listeners

    def answer_handshakes(self) -> None:
        """Say of each that knocks whether its key is on the list (ZeroMQ RFC 27)."""
        for _ in range(HANDSHAKES):
            if not self.zap.poll(0):
                return
            version, request, domain, _, _, mechanism, *proof = self.zap.recv_multipart()
            self.look()
            code, why, user = b"400", b"this key is not allowed here", b""
            if (version, domain, mechanism, len(proof)) == (b"1.0", DOMAIN, b"CURVE", 1):
                key = proof[0].hex()
                if key in self._allowed:
                    code, why, user = b"200", b"OK", key.encode()
            if code != b"200":
                self._tell_of_strangers()
            self.zap.send_multipart([version, request, code, why, user, b""])

    def _tell_of_strangers(self) -> None:
        now = time.monotonic()
        if now - self._told > STRANGERS_SECONDS:
            self._told = now
            log.warning("somebody knocks whose key is not allowed")

    def check(self, key: str, request: AnyRequest) -> str:
        """The name of who asks, where that may be asked.

        Raises:
            KeyGone: the key is on the list no more.
            MayOnlyWatch: it may ask and not do.
        """
        self.look()
        if key not in self._allowed:
            raise KeyGone
        name, one = self._allowed[key]
        if one.right != "steer" and not isinstance(request, READING):
            raise MayOnlyWatch(name=name)
        return name

    def look(self) -> None:
        """Read the list when it changed. Whoever is on it no more is cut off, with everybody.

        libzmq cannot close one connection; the others are back in a moment, and see the hole.
        """
        stamp = self._stamp()
        if stamp != self._read_at:
            before = set(self._allowed)
            self._read_at = stamp
            try:
                now = read_allowed(allowed_path(self._home))
            except LoradError as error:
                log.error("nobody is let in from the network: %s", error)
                now = {}
            self._keep(now)
            if before - set(self._allowed):
                self._shut()
        if any(listener.full for listener in self._listeners):
            # libzmq can neither refuse a connection nor end one: all are ended.
            log.warning("too many connections from the network: all of them are ended")
            self._shut()
        if self._allowed and not self._listeners:
            with contextlib.suppress(zmq.ZMQError):  # the port is not free yet: in a moment
                self._open()

    def _stamp(self) -> tuple[int, ...] | None:
        try:
            about = allowed_path(self._home).stat()
        except OSError:
            return None
        return about.st_mtime_ns, about.st_ino, about.st_size

    def _keep(self, allowed: dict[str, Allowed]) -> None:
        self._allowed = {one.key: (name, one) for name, one in allowed.items()}

    def _open(self) -> None:
        control, events = self._endpoints
        first = Listener(self.context, zmq.ROUTER, control, self._most, self._guard)
        try:
            second = Listener(self.context, zmq.XPUB, events, self._most, self._guard)
        except zmq.ZMQError:
            first.close()
            raise
        self._listeners = [first, second]

    def _guard(self, socket: zmq.Socket[Any]) -> None:
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_SECRETKEY, wire(self._pair.secret))
        socket.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)
        # Without it libzmq lets everybody in when nobody answers for the list.
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
        socket.setsockopt(zmq.IPV6, 1 if "[" in self._address else 0)
        socket.setsockopt(zmq.HEARTBEAT_IVL, DEAD_MS // 3)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, DEAD_MS)

    def _shut(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners = []

    def close(self) -> None:
        """Let the last messages out, then close."""
        self._shut()
        self.context.destroy(linger=LINGER_MS)


def open_door(home: Home, most: int) -> Door | None:
    """A door where the settings ask for one.

    Raises:
        LoradError: it cannot be opened, or nobody may come in.
    """
    try:
        address = load_config().daemon.listen
    except ConfigError as error:  # what nobody can read opens nothing
        log.warning("listening on this machine alone: %s", error)
        return None
    return Door(home, address, most) if address else None
