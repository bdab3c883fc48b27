"""The daemon as a service of the user's own systemd: its unit, and the way to `systemctl`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from lorad.shared.clean import clean_line
from lorad.shared.endpoints import expanded, xdg
from lorad.shared.errors import NoUserManager, UnitRefused

NAME = "lorad.service"
CARRIED = (
    "LORAD_HOME", "LORAD_CONFIG", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HF_HOME",
    "HF_HUB_CACHE",
)  # fmt: skip
"""Variables that say where things are; one that holds a secret is never written down."""
WATCHDOG_SECONDS = 60
"""Without a word from the daemon's loop for so long it is restarted; it speaks every second."""
SECONDS = 60.0
UNIT = """\
# Written by `lorad install`; `lorad install --remove` takes it away.
[Unit]
Description=lorad, LoRA fine-tuning of Stable Diffusion
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
{settings}
WatchdogSec={watchdog}
TimeoutStartSec=300
Restart=on-failure
RestartSec=2
# The runs are processes of their own: they train on while the daemon is restarted.
KillMode=process
UMask=0077
LimitNOFILE=65536

[Install]
WantedBy=default.target
"""


def unit_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the user's own units are."""
    config = environment.get("XDG_CONFIG_HOME", "")
    folder = Path(config) if config.startswith("/") else xdg("XDG_CONFIG_HOME", ".config")
    return folder / "systemd" / "user" / NAME


def unit_text(environment: Mapping[str, str] = os.environ) -> str:
    """The unit for this Python and for the folders that the environment names."""
    return UNIT.format(settings="\n".join(_settings(environment)), watchdog=WATCHDOG_SECONDS)


def _settings(environment: Mapping[str, str]) -> list[str]:
    """The lines by which one unit differs from another."""
    lines = []
    for name in CARRIED:
        if value := environment.get(name, ""):
            # The unit starts elsewhere, so what is relative here would mean something else there.
            path = str(expanded(value).absolute())
            lines.append(f"Environment={quoted(f'{name}={path}')}")
    python = quoted(sys.executable).replace("$", "$$")
    return [*lines, f"ExecStart={python} -P -m lorad.daemon"]


def quoted(word: str) -> str:
    """A word as systemd reads it: `%` begins a specifier, a backslash an escape."""
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("%", "%%")):
        word = word.replace(plain, escaped)
    return f'"{word}"'


def systemctl(*words: str) -> str:
    """Ask the user's own manager; what it printed.

    Raises:
        NoUserManager: there is none, or it does not answer.
        UnitRefused: it says no.
    """
    command = ["systemctl", "--user", *words]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS
        )
    except FileNotFoundError:
        raise NoUserManager(why="there is no systemctl") from None
    except subprocess.TimeoutExpired:
        raise NoUserManager(why=f"systemctl took more than {SECONDS:g} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        why = clean_line(lines[0]).rstrip(".")
        if words == ("show-environment",) or "connect to" in why:
            raise NoUserManager(why=why)
        raise UnitRefused(command=" ".join(command), why=why)
    return done.stdout


def start_by_unit() -> bool:
    """Start the daemon through its unit, if there is one for just this Python and these folders.

    False: there is none, or nobody starts it; the caller does as without one.
    """
    try:
        lines = unit_path().read_text().splitlines()
    except OSError:
        return False
    ours = [line for line in lines if line.startswith(("Environment=", "ExecStart="))]
    if ours != _settings(os.environ):
        return False  # of another home: that daemon is not the one that is meant
    try:
        systemctl("start", NAME)
    except (NoUserManager, UnitRefused):
        return False
    return True
