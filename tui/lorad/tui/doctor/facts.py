"""What the doctor looks at: plain values, so that each check is a function of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Install:
    """This lorad and what it stands on."""

    python: tuple[int, int, int] = (3, 12, 0)
    lorad: str = "0.1.0"
    base: dict[str, str] = field(default_factory=dict)
    """The packages that every client needs, with their versions; empty: not there."""
    train: dict[str, str] = field(default_factory=dict)
    """Those of `lorad[train]`."""


@dataclass(frozen=True)
class Folder:
    """One that lorad writes to."""

    path: str
    there: bool = True
    owned: bool = True
    mode: int = 0o700
    writable: bool = True
    filesystem: str = "ext4"
    free_bytes: int | None = 100 << 30
    why: str = ""
    """Why nothing is known of it."""


@dataclass(frozen=True)
class DaemonFacts:
    """What is known of the daemon from outside it."""

    where: str = ""
    """The box, where it is another one."""
    pid: int | None = None
    """Of the holder of the lock; none: nobody holds it."""
    socket_there: bool = False
    socket_bytes: int = 40
    """The length of its longest path."""
    sockets_elsewhere: str = ""
    """A short folder that is used in place of the daemon's own."""
    version: str = ""
    """What it answered; empty: it did not."""
    epoch_seconds: float | None = None
    """Its clock less ours, where it told one."""
    refusal: str = ""
    """The sentence with which it could not be talked to."""
    troubles: tuple[str, ...] = ()
    """What it logged last of warnings and errors."""


@dataclass(frozen=True)
class Session:
    """What happens to a user's processes here."""

    user: str = "anna"
    linger: bool | None = None
    """None: there is no logind."""
    kills: bool | None = None
    """logind's KillUserProcesses."""
    unit: bool = False
    """Whether `lorad install` was here."""
    files: int = 524288
    """How many files a process may have open."""
    clock_synchronized: bool | None = None
    skew_seconds: float = 0.0
    """The file system's clock less ours."""


@dataclass(frozen=True)
class Terminal:
    """Where the dashboard would be drawn."""

    tty: bool = True
    term: str = "xterm-256color"
    colours: int = 256
    no_colour: bool = False
    encoding: str = "utf-8"
    width: int = 120
    height: int = 40
    tmux: str = ""
    """tmux's version, inside of it."""
    passthrough: str = ""
    """tmux's `allow-passthrough`."""
    ssh: str = ""
    """ssh's version; empty: there is none."""
    over_ssh: bool = False


@dataclass(frozen=True)
class Hub:
    """Where models come from."""

    cache: str = ""
    there: bool = False
    token: bool = False
    """Whether one is found; it is never read further than that."""
    offline: bool = False
    why: str = ""
    """Why nothing more is known of it."""


@dataclass(frozen=True)
class Box:
    """What a process that knows the daemon's rooms found: `lorad.daemon.tools box`."""

    database: dict[str, Any] | None = None
    cards: dict[str, Any] | None = None
    torch: dict[str, Any] | None = None
    checkpoints: dict[str, Any] | None = None
    why: str = ""
    """Why some of it is missing."""


@dataclass(frozen=True)
class Facts:
    """All of it."""

    install: Install = field(default_factory=Install)
    folders: tuple[tuple[str, Folder], ...] = ()
    """Each with what it is for: `state`, `cache`, `output`."""
    daemon: DaemonFacts = field(default_factory=DaemonFacts)
    session: Session = field(default_factory=Session)
    terminal: Terminal = field(default_factory=Terminal)
    hub: Hub = field(default_factory=Hub)
    box: Box = field(default_factory=Box)
