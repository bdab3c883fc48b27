"""Starts the daemon: a process of its own that outlives this one and the SSH session."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from lorad.shared.client import Client
from lorad.shared.endpoints import Home
from lorad.shared.errors import DaemonDidNotStart, DaemonSilent, NoDaemon
from lorad.shared.messages import DaemonInfo
from lorad.tui.unit import start_by_unit

START_SECONDS = 20.0
"""A daemon answers within one; a busy disk or a cold NFS home may take some more."""
POLL_SECONDS = 0.03


def ensure_daemon(home: Home, *arguments: str) -> bool:
    """Start the daemon unless one runs; whether it was started, and answers.

    `arguments` are for a daemon that is started.

    Raises:
        DaemonDidNotStart: it died; the sentence has the end of its log.
        DaemonError: one runs, but is silent or speaks another protocol.
    """
    if home.daemon_pid() is not None:
        greet(home)
        return False
    if start_by_unit():
        greet(home)
        return True
    home.make()
    before = _stamp(home)
    log_begins = home.daemon_log.stat().st_size if home.daemon_log.exists() else 0
    process = _spawn(home, arguments)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        # A socket that is new says that the lock is held. Asking for the lock itself until then
        # could take it away from the daemon in the very moment in which it wants it.
        if _stamp(home) != before and _answers(home):
            return True
        if process.poll() is not None:
            if _answers(home):
                return False  # somebody else started one in the same moment
            raise DaemonDidNotStart(log=home.daemon_log, why=_log_end(home, log_begins))
        time.sleep(POLL_SECONDS)
    raise DaemonSilent(seconds=START_SECONDS)


def greet(home: Home) -> DaemonInfo:
    """The daemon that answers.

    Raises:
        DaemonError: none does.
    """
    with Client(home, name="lorad") as client:
        return client.greet()


def _answers(home: Home) -> bool:
    try:
        greet(home)
    except (NoDaemon, DaemonSilent):
        return False
    return True


def _spawn(home: Home, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    environment = dict(os.environ)
    if "LORAD_HOME" in environment:
        environment["LORAD_HOME"] = str(home.folder)  # absolute, as it starts in another folder
    log = os.open(home.daemon_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "lorad.daemon", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=home.folder,  # nothing of the user's here could be imported by mistake
            env=environment,
            start_new_session=True,
        )
    finally:
        os.close(log)


def _stamp(home: Home) -> tuple[int, int] | None:
    """Which control socket is there: a dead daemon's stays behind."""
    try:
        about = (Path(home.sockets) / "control.sock").stat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns


def _log_end(home: Home, begins: int) -> str:
    """The last lines that this start wrote."""
    with home.daemon_log.open("rb") as file:
        file.seek(begins)
        lines = file.read()[-4096:].decode(errors="replace").split("\n")
    told = [line.rstrip() for line in lines if line.strip()][-5:]
    return "\n  ".join(["", *told]) if told else "nothing."
