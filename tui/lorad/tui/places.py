"""Which daemon is meant: the one here, or one that `--host` or `LORAD_HOST` names."""

from __future__ import annotations

import os

from lorad.shared.config import Config, load_config
from lorad.shared.endpoints import Home, Place, find_home
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
    return tunnel(host(), start=start) if host() else find_home()


def tunnel(name: str, *, start: bool = False, config: Config | None = None) -> Tunnel:
    """The way to a host, by its name in config.toml or by what ssh calls it."""
    entry = (config or load_config()).host(name)
    return Tunnel(entry.ssh or name, command=entry.command, start=start)


def local(where: Place) -> Home | None:
    """The place, where it is on this machine."""
    return where if isinstance(where, Home) else None
