"""A daemon that listens on the network: only when it was told to, and only to keys it knows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lorad.shared.errors import AddressUnusable
from lorad.shared.keys import Curve

_ADDRESS = re.compile(r"tcp://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9*._-]+):([0-9]{1,5})")
PATIENCE_SECONDS = 20.0


def is_tcp(address: str) -> bool:
    """Whether somebody means the network."""
    return address.startswith("tcp://")


def endpoints(address: str) -> tuple[str, str]:
    """Where clients ask and where they listen: a port, and the one after it.

    Raises:
        AddressUnusable: it is no address.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None or not 0 < (port := int(found[2])) < 65535:
        raise AddressUnusable(address=address)
    return address, f"tcp://{found[1]}:{port + 1}"


@dataclass(frozen=True)
class TcpPlace:
    """A `Place` that is reached over TCP, with keys."""

    address: str
    curve: Curve
    patience: float = PATIENCE_SECONDS
    """A bad link may be silent for some seconds."""

    @property
    def control(self) -> str:
        """Where clients ask."""
        return endpoints(self.address)[0]

    @property
    def events(self) -> str:
        """Where clients listen."""
        return endpoints(self.address)[1]

    def open(self) -> None:
        """Nothing lies between."""

    def check(self) -> None:
        """Nobody can know without asking."""
