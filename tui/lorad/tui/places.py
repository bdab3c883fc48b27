"""Which daemon is meant: the one here, or one that `--host` or `LORAD_HOST` names."""

from __future__ import annotations

import os

from lorad.shared.clean import clean_line
from lorad.shared.config import Config, HostEntry, load_config
from lorad.shared.endpoints import Home, Place, find_home
from lorad.shared.errors import ServerKeyMissing
from lorad.tui.tunnel import Tunnel

VARIABLE = "LORAD_HOST"


def host() -> str:
    """The box that is meant; empty: this one."""
    return os.environ.get(VARIABLE, "")


def place(*, start: bool = False) -> Place:
    """Where the daemon is that the command line means; nothing is connected yet.

    Raises:
        HostUnnamed: ssh would take the name for an option.
        ConfigError: config.toml cannot be used, which may say how to reach that host.
    """
    return way(host(), start=start) if host() else find_home()


def way(name: str, *, start: bool = False, config: Config | None = None) -> Place:
    """The way to a host, by its name in config.toml, its address, or by what ssh calls it.

    Raises:
        LoradError: why it cannot be tried.
    """
    config = config or load_config()
    entry = config.host(name)
    if entry.address or name.startswith("tcp://"):
        return _over_tcp(name, entry, config)
    return Tunnel(entry.ssh or name, command=entry.command, start=start)


def _over_tcp(name: str, entry: HostEntry, config: Config) -> Place:
    """With this user's key, and the key that the box is known by."""
    from lorad.shared.keys import Curve, checked_key, client_path, own_pair
    from lorad.shared.tcp import TcpPlace, endpoints

    address = entry.address or name
    endpoints(address)
    others = (other for other in map(config.host, config.hosts) if other.address == address)
    key = entry.key or next((other.key for other in others if other.key), "")
    if not key:
        raise ServerKeyMissing(address=clean_line(address))
    return TcpPlace(address, Curve(checked_key(key), own_pair(client_path())))


def local(where: Place) -> Home | None:
    """The place, where it is on this machine."""
    return where if isinstance(where, Home) else None
