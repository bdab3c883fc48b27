"""Keys for those who reach a daemon over TCP: a pair for each side, and the list of who may.

CURVE's keys are 32 bytes. People see and type them as 64 hexadecimal digits, which no shell minds.
"""

from __future__ import annotations

import os
import re
import stat
import time
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import zmq
from msgspec import Struct
from zmq.utils import z85

from lorad.shared.config import config_path
from lorad.shared.endpoints import Home, make_private
from lorad.shared.errors import KeyNamed, KeysUnreadable, NotAKey, NotWritable
from lorad.shared.files import write_whole
from lorad.shared.recipe.writing import as_toml
from lorad.shared.toml import read_toml

Right = Literal["watch", "steer"]
"""`watch` asks and listens, `steer` does all; who steers can run programs as the daemon's user."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_KEY = re.compile(r"[0-9a-f]{64}")


class Pair(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Both halves of a key."""

    public: str
    secret: str

    def __repr__(self) -> str:
        """Without the secret: what is printed by mistake ends in a log."""
        return f"Pair(public={self.public!r})"


class Allowed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who may connect."""

    key: str
    """The public half."""
    right: Right = "watch"
    added: float = 0.0
    """Seconds since the epoch."""


class Curve(NamedTuple):
    """What a client's socket needs before it connects."""

    server: str
    """The daemon's public half: whoever answers without the secret one is not spoken to."""
    mine: Pair

    def secure(self, socket: zmq.Socket[Any]) -> None:
        """Have a socket speak to this daemon alone, under this key."""
        socket.setsockopt(zmq.CURVE_SERVERKEY, wire(self.server))
        socket.setsockopt(zmq.CURVE_PUBLICKEY, wire(self.mine.public))
        socket.setsockopt(zmq.CURVE_SECRETKEY, wire(self.mine.secret))


def wire(key: str) -> bytes:
    """As libzmq wants a key.

    Raises:
        NotAKey: it is none.
    """
    return z85.encode(bytes.fromhex(checked_key(key)))


def checked_key(key: str) -> str:
    """A key as it is stored.

    Raises:
        NotAKey: it is none.
    """
    key = key.strip().lower()
    if not _KEY.fullmatch(key):
        raise NotAKey
    return key


def client_path() -> Path:
    """This user's own pair, beside the settings."""
    return config_path().parent / "key.toml"


def server_path(home: Home) -> Path:
    """The daemon's pair."""
    return home.folder / "server-key.toml"


def allowed_path(home: Home) -> Path:
    """Who may connect to it."""
    return home.folder / "keys.toml"


def own_pair(path: Path) -> Pair:
    """The pair in this file; a new one where there is none.

    Raises:
        KeysUnreadable: it cannot be used, or others can read it.
        NotWritable: a new one cannot be stored.
    """
    if (found := read_pair(path)) is not None:
        return found
    public, secret = zmq.curve_keypair()
    pair = Pair(public=z85.decode(public).hex(), secret=z85.decode(secret).hex())
    _write(path, msgspec.to_builtins(pair))
    return pair


def read_pair(path: Path) -> Pair | None:
    """The pair in this file, if there is one.

    Raises:
        KeysUnreadable: it cannot be used, or others can read it.
    """
    if (tables := _read(path)) is None:
        return None
    about = path.stat()
    if about.st_uid != os.getuid() or stat.S_IMODE(about.st_mode) & 0o077:
        raise KeysUnreadable(path=path, why="others can read it: make a new one, and allow that")
    pair: Pair = _convert(tables, Pair, path)
    for half in (pair.public, pair.secret):
        if not _KEY.fullmatch(half):
            raise KeysUnreadable(path=path, why="it holds no key")
    return pair


def read_allowed(path: Path) -> dict[str, Allowed]:
    """Who may connect, by name.

    Raises:
        KeysUnreadable: the list cannot be used.
    """
    found: dict[str, Allowed] = _convert(_read(path) or {}, dict[str, Allowed], path)
    for name, one in found.items():
        if not (_NAME.fullmatch(name) and _KEY.fullmatch(one.key)):
            raise KeysUnreadable(path=path, why=f"`{name}` is no name with a key")
    return found


def allow(path: Path, name: str, key: str, right: Right) -> Allowed:
    """Let somebody in; a name that is there gets this key and right instead.

    Raises:
        KeyNamed: the name cannot be used, or the key has another one.
        NotAKey: it is none.
        KeysUnreadable: the list cannot be used.
        NotWritable: it cannot be stored.
    """
    if not _NAME.fullmatch(name):
        raise KeyNamed(name=name, why="a name is letters, digits and . _ @ -, 64 at most")
    key = checked_key(key)
    known = read_allowed(path)
    for other, one in known.items():
        if one.key == key and other != name:
            raise KeyNamed(name=name, why=f"this key is on the list already, as {other}")
    known[name] = Allowed(key=key, right=right, added=time.time())
    _write(path, msgspec.to_builtins(known))
    return known[name]


def remove(path: Path, name: str) -> None:
    """Let somebody in no more.

    Raises:
        KeyNamed: nobody has this name.
        KeysUnreadable: the list cannot be used.
        NotWritable: it cannot be stored.
    """
    known = read_allowed(path)
    if known.pop(name, None) is None:
        raise KeyNamed(name=name, why="no key has this name; `lorad key list` has them all")
    _write(path, msgspec.to_builtins(known))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return read_toml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no TOML"
        raise KeysUnreadable(path=path, why=why) from error


def _convert(tables: dict[str, Any], kind: Any, path: Path) -> Any:
    try:
        return msgspec.convert(tables, kind)
    except msgspec.ValidationError as error:
        raise KeysUnreadable(path=path, why=str(error)) from error


def _write(path: Path, tables: dict[str, Any]) -> None:
    """At once, for the owner alone, whatever the umask."""
    lines: list[str] = []
    for name, value in tables.items():
        if isinstance(value, dict):
            lines += [f"[{as_toml(name)}]", *(f"{k} = {as_toml(v)}" for k, v in value.items()), ""]
        else:
            lines.append(f"{name} = {as_toml(value)}")
    try:
        make_private(path.parent)
        write_whole(path, "\n".join(lines).rstrip() + "\n")
    except OSError as error:
        raise NotWritable(path=path, why=error.strerror) from error
