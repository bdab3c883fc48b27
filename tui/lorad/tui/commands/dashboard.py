"""`lorad dashboard`, and bare `lorad` in a terminal: the live view."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from typing import get_args

import msgspec

from lorad.shared.clean import clean_line
from lorad.shared.config import Config, Images, load_config
from lorad.shared.endpoints import Home, Place
from lorad.shared.errors import ImagesUnknown, LoradError, NoTerminal
from lorad.tui import places
from lorad.tui.commands._arguments import job_id
from lorad.tui.daemon_process import ensure_daemon


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Perhaps a job to begin with, and whose."""
    parser.add_argument("id", metavar="ID", type=job_id, nargs="?", help="open on this job")
    parser.add_argument("--readonly", action="store_true", help="look, and touch nothing")
    parser.add_argument(
        "--images",
        choices=get_args(Images),
        help="how an opened picture is drawn; also LORAD_IMAGES",
    )
    parser.add_argument(
        "--host",
        metavar="[USER@]BOX",
        action="append",
        default=[],
        help="another box, through ssh; several times: several, and `o` goes from one to the next",
    )


def run(args: argparse.Namespace) -> int:
    """Start the daemon unless one runs, and look at it."""
    config = load_config()
    if args.readonly:
        dashboard = msgspec.structs.replace(config.dashboard, readonly=True)
        config = msgspec.structs.replace(config, dashboard=dashboard)
    if wanted := args.images or os.environ.get("LORAD_IMAGES"):
        if wanted not in get_args(Images):
            raise ImagesUnknown(given=wanted, known=", ".join(get_args(Images)))
        dashboard = msgspec.structs.replace(config.dashboard, images=wanted)
        config = msgspec.structs.replace(config, dashboard=dashboard)
    return open_dashboard(args.id, args.host, config)


def open_dashboard(
    select: int | None, hosts: list[str] | None = None, config: Config | None = None
) -> int:
    """The dashboard on a job or on the queue; textual is imported here and not before.

    The first place is reached before it opens: ssh may have to ask for a password.

    Raises:
        NoTerminal: nobody could see it, or press a key.
        ImagesMissing: these pictures are wanted, and what draws them is not installed.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise NoTerminal
    config = config or load_config()
    ways, left_out = _places(hosts or [], config)
    first = next(iter(ways.values()))
    if isinstance(first, Home):
        ensure_daemon(first)
    else:
        first.open()
    gc.disable()  # what is imported stays: to look it over is a tenth of the time it takes
    from lorad.tui.app import run as run_app

    return run_app(ways, select, config, left_out)


def _places(hosts: list[str], config: Config) -> tuple[dict[str, Place], list[str]]:
    """What the dashboard may look at, by name, the first one first; "" is this machine.

    And a sentence for each of the settings' hosts to which there is no way: nobody asked for it,
    so it keeps nobody from the others.

    Raises:
        LoradError: there is no way to one that was asked for.
    """
    if hosts:
        return {name: places.way(name, start=True, config=config) for name in hosts}, []
    ways: dict[str, Place] = {places.host(): places.place(start=True)}
    left_out = []
    for name in config.hosts:
        if name not in ways:
            try:
                ways[name] = places.way(name, start=True, config=config)
            except LoradError as error:
                left_out.append(f"{clean_line(name, 60)} of the settings is left out: {error}")
    return ways, left_out
