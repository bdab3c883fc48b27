"""`lorad up`: start the daemon in the background."""

from __future__ import annotations

import argparse

from lorad.shared.endpoints import find_home
from lorad.tui.daemon_process import ensure_daemon


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing."""


def run(args: argparse.Namespace) -> int:
    """Start it unless it runs."""
    home = find_home()
    started = ensure_daemon(home)
    how = "The daemon is up" if started else "The daemon runs already"
    print(f"{how} (pid {home.daemon_pid()}). `lorad` opens the dashboard.")
    return 0
