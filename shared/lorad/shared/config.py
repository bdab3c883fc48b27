"""What a person set once for all their use of lorad: one file, read by both sides.

`$XDG_CONFIG_HOME/lorad/config.toml`, or the file that LORAD_CONFIG names. Options of a command
line come before it, and so do the environment's variables where there are some.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from lorad.shared.endpoints import expanded, xdg
from lorad.shared.errors import (
    ConfigNotToml,
    ConfigUnreadable,
    NotWritable,
    UnknownSetting,
    WrongSetting,
)
from lorad.shared.files import write_whole
from lorad.shared.recipe.writing import as_toml, with_key
from lorad.shared.tables import unknown_key, wrong_value
from lorad.shared.toml import NoToml, read_toml, read_value

Images = Literal["auto", "kitty", "sixel", "half", "ascii", "off"]
Notify = Literal["auto", "off", "bell", "osc9", "osc777"]
HookName = Literal["done", "failed", "paused", "stalled", "nan", "hung", "disk_low", "queue_empty"]


class Dashboard(Struct, frozen=True, kw_only=True):
    """How the dashboard looks and behaves."""

    theme: str = "lorad"
    """`lorad`, `lorad-light`, `lorad-colour-blind`, `lorad-16`, or one of Textual's."""
    frame_seconds: Annotated[float, Meta(ge=0.05, le=60)] = 0.25
    """At least this long from one frame to the next: a slow link carries no more."""
    images: Images = "auto"
    """How pictures are drawn; `half` is half blocks, which every terminal has."""
    readonly: bool = False
    """Look, and touch nothing."""
    notify: Notify = "auto"
    """How the terminal is told that a job ended; `auto`: by a notification where it is known to
    show one."""


class Hooks(Struct, frozen=True, kw_only=True):
    """What the daemon does when something happens."""

    on: tuple[HookName, ...] = ("done", "failed", "paused", "stalled", "nan", "hung", "disk_low")
    command: tuple[str, ...] = ()
    """A program and its arguments; never given to a shell."""
    webhook: str = ""
    """Gets a JSON object by POST."""
    stalled_seconds: float = 900.0
    """A running job that reported nothing for so long is stalled."""
    disk_low_gib: float = 5.0
    """Less free space than this is little."""


class Runs(Struct, frozen=True, kw_only=True):
    """How the daemon looks after the runs."""

    hang_seconds: Annotated[float, Meta(ge=0)] = 60.0
    """A run that neither reports nor does anything for so long, or for ten times its longest
    silence so far where that is more, hangs: it is ended and goes on from its checkpoint. 0: it is
    left alone."""


class DaemonSettings(Struct, frozen=True, kw_only=True):
    """How the daemon of this box is reached."""

    listen: str = ""
    """`tcp://HOST:PORT` opens it to the keys that `lorad key allow` knows; empty: to this machine's
    user alone, also through ssh. Read when the daemon starts."""


class HostEntry(Struct, frozen=True, kw_only=True):
    """Another box."""

    ssh: str = ""
    """What ssh is told: `user@box`; empty: its name here."""
    command: str = "lorad"
    """How lorad is called there, for a shell that ssh opens."""
    address: str = ""
    """`tcp://HOST:PORT` in place of ssh, where that daemon listens on the network."""
    key: str = ""
    """The public half of its key, which `lorad key server` shows there."""


class Config(Struct, frozen=True, kw_only=True):
    """The whole file."""

    dashboard: Dashboard = Dashboard()
    keys: dict[str, str] = field(default_factory=dict)
    """Another key for a binding: `"job.pause" = "f5"`; several with commas."""
    hosts: dict[str, str | HostEntry] = field(default_factory=dict)
    """Short names of boxes for `--host`: `gpu1 = "ann@gpu1.example.org"`, or a table."""
    hooks: Hooks = Hooks()
    runs: Runs = Runs()
    daemon: DaemonSettings = DaemonSettings()

    def host(self, name: str) -> HostEntry:
        """A box by its name here; one that has none is what ssh knows by it."""
        entry = self.hosts.get(name, name)
        return HostEntry(ssh=entry) if isinstance(entry, str) else entry


def config_path() -> Path:
    """The file; it need not be there."""
    if override := os.environ.get("LORAD_CONFIG"):
        return expanded(override).absolute()
    return xdg("XDG_CONFIG_HOME", ".config") / "lorad" / "config.toml"


def load_config(path: Path | None = None) -> Config:
    """What the file says; all defaults where there is none.

    Raises:
        ConfigError: it cannot be read, or says what no setting can be.
    """
    path = path or config_path()
    source = _read(path)
    try:
        tables = read_toml(source)
    except NoToml as error:
        raise ConfigNotToml(path=path, why=error) from error
    return _convert(tables, source, path)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigUnreadable(path=path, why=why) from error


def _convert(tables: dict[str, Any], source: str, path: Path) -> Config:
    if (unknown := unknown_key(tables, Config)) is not None:
        where = _line(source, unknown.key)
        raise UnknownSetting(path=path, where=where, key=unknown.key, hint=unknown.hint)
    try:
        return msgspec.convert(tables, Config)
    except msgspec.ValidationError as error:
        wrong = wrong_value(error, Config)
        where = _line(source, wrong.key)
        raise WrongSetting(path=path, where=where, key=wrong.key, why=wrong.why) from error


def _line(source: str, key: str) -> str:
    """`, line 3`, where the key's last word begins a line; else nothing."""
    name = key.rpartition(".")[2].partition("[")[0]
    for number, line in enumerate(source.splitlines(), 1):
        if line.partition("=")[0].strip().strip("\"'").rpartition(".")[2] == name:
            return f", line {number}"
    return ""


def save_setting(table: str, key: str, value: Any, path: Path | None = None) -> None:
    """Write one setting into the file, or take it out: none. What else is there stays as it is.

    Raises:
        ConfigError: there is no such setting, it does not fit, or what is there already does not.
        NotWritable: nobody can write there.
    """
    path = path or config_path()
    load_config(path)  # a file with a mistake is mended by hand, or two would be in it
    source = _read(path)
    wanted = read_toml(source)
    if value is None:
        if key not in wanted.get(table, {}):
            return
        del wanted[table][key]
    else:
        _convert({table: {key: value}}, "", path)
        wanted[table] = {**wanted.get(table, {}), key: read_value(as_toml(value))}
    for text in _ways(source, table, key, value):
        with contextlib.suppress(NoToml):
            if _without_empty(read_toml(text)) == _without_empty(wanted):
                _replace(path, text)
                return
    why = "it cannot be put into what is in that file; write it there by hand"
    raise WrongSetting(path=path, where="", key=f"{table}.{key}", why=why)


def _without_empty(tables: dict[str, Any]) -> dict[str, Any]:
    """A header may be there without a key below it."""
    return {name: table for name, table in tables.items() if table != {}}


def _ways(source: str, table: str, key: str, value: Any) -> Iterator[str]:
    """The text with another value, in each of the ways that a file may have it.

    Most of them come true in few files: whoever calls it reads the text again.
    """
    bare = re.fullmatch(r"[\w-]+", key, re.ASCII) is not None
    names = [key] if bare else [as_toml(key), f"'{key}'"]
    text = None if value is None else as_toml(value)
    for name in names:
        yield with_key(source, table, name, text, mark="")
        yield with_key(source, "", f"{table}.{name}", text, mark="")
    if bare and isinstance(value, dict):
        section = f"{table}.{key}"
        for gone in read_toml(source).get(table, {}).get(key, {}):
            if gone not in value:
                source = with_key(source, section, gone, None)
        for inner, one in value.items():
            source = with_key(source, section, inner, as_toml(one), mark="")
        yield source


def _replace(path: Path, text: str) -> None:
    """Another text in place of a file's, for as many eyes as before; a new one is its owner's.

    Raises:
        NotWritable: nobody can write there.
    """
    target = path.resolve()  # of a link, as people have them in their dotfiles, the link stays
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o600
        write_whole(target, text.rstrip("\n") + "\n", mode)
    except OSError as error:
        raise NotWritable(path=path, why=error.strerror) from error
