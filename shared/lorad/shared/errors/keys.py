"""Keys, and a daemon on the network."""

from __future__ import annotations

from lorad.shared.errors.base import LoradError
from lorad.shared.errors.daemon import DaemonError, DaemonSilent


class KeysUnreadable(LoradError):
    """The keys in {path} cannot be used: {why}."""

    exit_code = 2


class NotAKey(LoradError):
    """This is no key: one has 64 hexadecimal digits. `lorad key` shows the public half of yours."""

    exit_code = 2


class KeyNamed(LoradError):
    """The key {name} cannot be changed so: {why}."""

    exit_code = 2


class AddressUnusable(LoradError):
    """`{address}` is no address on the network: write tcp://HOST:PORT. Events come at the port
    after it."""

    exit_code = 2


class NoKeyAllowed(DaemonError):
    """The daemon is to listen at {address}, and no key may connect, so it does not start. `lorad
    key allow NAME KEY --watch` lets one in; without `daemon.listen` in {config} it listens on this
    machine alone."""

    exit_code = 2


class CannotListen(DaemonError):
    """The daemon cannot listen at {address}: {why}. `daemon.listen` in {config} says where."""


class MayOnlyWatch(DaemonError):
    """Your key ({name}) may only watch this daemon. `lorad key allow {name} KEY --steer` on its box
    lets it do more."""


class KeyGone(DaemonError):
    """Your key may not use this daemon any more."""

    exit_code = 3


class KeyRefused(DaemonSilent):
    """The daemon at {address} does not let this key in. `lorad key` shows it here; `lorad key allow
    NAME KEY --watch` there lets it in."""


class ServerKeyMissing(DaemonError):
    """The key of {address} is not known here. `lorad key server` on its box shows it; `lorad config
    'hosts.NAME={{address="{address}", key="..."}}'` writes it down, and then it is `--host
    NAME`."""

    exit_code = 2


class NoAnswerOverTcp(DaemonSilent):
    """Nobody answers at {address} within {seconds:g} s. Is the daemon up, is its key in config.toml
    still the one that `lorad key server` shows there, and does `lorad key list` there have the one
    that `lorad key` shows here?"""
