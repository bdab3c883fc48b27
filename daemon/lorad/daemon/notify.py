"""Tells the service manager how the daemon is: sd_notify's datagrams, see sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import MutableMapping

log = logging.getLogger(__name__)


class Notifier:
    """To the socket that NOTIFY_SOCKET names; without one nothing is told."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        """The variables are taken out: a run that inherited them could speak for the daemon."""
        name = environment.pop("NOTIFY_SOCKET", "")
        environment.pop("WATCHDOG_USEC", None)
        environment.pop("WATCHDOG_PID", None)
        # A name that begins with @ is abstract: the kernel spells that with a zero byte.
        self._address = b"\0" + os.fsencode(name[1:]) if name[:1] == "@" else os.fsencode(name)

    def tell(self, state: str) -> None:
        """One assignment, such as `READY=1`; a manager that does not listen is not waited for."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            try:
                sock.sendto(state.encode(), self._address)
            except OSError as error:
                log.warning("the service manager was not told %s: %s", state, error)
