"""`lorad dashboard`, and bare `lorad` in a terminal: the live view."""

from __future__ import annotations

import argparse
import os
from typing import get_args

import msgspec

from lorad.shared.config import Config, Images, load_config
from lorad.shared.endpoints import find_home
from lorad.shared.errors import ImagesUnknown
from lorad.tui.commands._arguments import job_id
from lorad.tui.daemon_process import ensure_daemon


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Perhaps a job to begin with."""
    parser.add_argument("id", metavar="ID", type=job_id, nargs="?", help="open on this job")
    parser.add_argument("--readonly", action="store_true", help="look, and touch nothing")
    parser.add_argument(
        "--images",
        choices=get_args(Images),
        help="how an opened picture is drawn; also LORAD_IMAGES",
    )


def run(args: argparse.Namespace) -> int:
    """Start the daemon unless one runs, and look at it."""
    home = find_home()
    config = load_config()
    if args.readonly:
        dashboard = msgspec.structs.replace(config.dashboard, readonly=True)
        config = msgspec.structs.replace(config, dashboard=dashboard)
    ensure_daemon(home)
    if wanted := args.images or os.environ.get("LORAD_IMAGES"):
        if wanted not in get_args(Images):
            raise ImagesUnknown(given=wanted, known=", ".join(get_args(Images)))
        dashboard = msgspec.structs.replace(config.dashboard, images=wanted)
        config = msgspec.structs.replace(config, dashboard=dashboard)
    return open_dashboard(args.id, config)


def open_dashboard(select: int | None, config: Config | None = None) -> int:
    """The dashboard on a job or on the queue; textual is imported here and not before.

    Raises:
        ImagesMissing: these pictures are wanted, and what draws them is not installed.
    """
    from lorad.tui.app import run as run_app

    return run_app(find_home(), select, config or load_config())
