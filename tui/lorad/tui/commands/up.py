"""`lorad up`: start the daemon in the background."""

from __future__ import annotations

import argparse

from lorad.shared.clean import clean_line
from lorad.shared.endpoints import find_home
from lorad.tui import places
from lorad.tui.commands._arguments import connect
from lorad.tui.daemon_process import ensure_daemon


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing."""


def run(args: argparse.Namespace) -> int:
    """Start it unless it runs."""
    if host := places.host():
        with connect(start=True) as daemon:
            print(f"The daemon on {clean_line(host)} is up (pid {daemon.daemon.pid}).")
        return 0
    home = find_home()
    started = ensure_daemon(home)
    how = "The daemon is up" if started else "The daemon runs already"
    print(f"{how} (pid {home.daemon_pid()}). `lorad` opens the dashboard.")
    return 0
