"""`lorad up`: start the daemon in the background."""

from __future__ import annotations

import argparse

from lorad.shared.clean import clean_line
from lorad.shared.endpoints import Home, find_home
from lorad.tui import places
from lorad.tui.commands._arguments import connect
from lorad.tui.daemon_process import ensure_daemon

SIDES = ("-wal", "-shm")
"""What belongs to a database beside it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with a queue that cannot be read."""
    parser.add_argument(
        "--new-queue", action="store_true",
        help="keep a queue that cannot be read aside, and begin with an empty one",
    )  # fmt: skip
    parser.set_defaults(usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Start it unless it runs."""
    if host := places.host():
        if args.new_queue:
            args.usage_error("say --new-queue on the box itself")
        with connect(start=True) as daemon:
            print(f"The daemon on {clean_line(host)} is up (pid {daemon.daemon.pid}).")
        return 0
    home = find_home()
    before = _kept(home)
    started = ensure_daemon(home, *(["--new-queue"] if args.new_queue else []))
    for path in sorted(_kept(home) - before):
        print(f"The queue that could not be read is kept as {clean_line(path)}.")
    how = "The daemon is up" if started else "The daemon runs already"
    print(f"{how} (pid {home.daemon_pid()}). `lorad` opens the dashboard.")
    return 0


def _kept(home: Home) -> set[str]:
    """What was put aside so far."""
    return {str(path) for path in home.folder.glob("lorad.db.*T*") if path.name[-4:] not in SIDES}
