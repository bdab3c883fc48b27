"""`lorad dashboard`, and bare `lorad` in a terminal: the live view."""

from __future__ import annotations

import argparse

from lorad.shared.endpoints import find_home
from lorad.tui.commands._arguments import job_id
from lorad.tui.daemon_process import ensure_daemon


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Perhaps a job to begin with."""
    parser.add_argument("id", metavar="ID", type=job_id, nargs="?", help="open on this job")


def run(args: argparse.Namespace) -> int:
    """Start the daemon unless one runs, and look at it."""
    home = find_home()
    ensure_daemon(home)
    return open_dashboard(args.id)


def open_dashboard(select: int | None) -> int:
    """The dashboard on a job or on the queue; textual is imported here and not before."""
    from lorad.tui.app import run as run_app

    return run_app(find_home(), select=select)
