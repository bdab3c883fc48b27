"""`lorad proxy`: the far end of `lorad --host`."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import version

from lorad.shared.endpoints import find_home
from lorad.shared.messages import PROTOCOL
from lorad.tui.commands._arguments import print_document
from lorad.tui.daemon_process import ensure_daemon


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whether to begin."""
    parser.add_argument("--start", action="store_true", help="start the daemon unless one runs")


def run(args: argparse.Namespace) -> int:
    """Say where the sockets are, and stay for as long as somebody holds our standard input."""
    home = find_home()
    if args.start:
        ensure_daemon(home)
    print_document(
        indent=None,
        version=version("lorad"),
        protocol=PROTOCOL,
        running=home.daemon_pid() is not None,
        control=home.control.removeprefix("ipc://"),
        events=home.events.removeprefix("ipc://"),
    )
    sys.stdout.flush()
    while sys.stdin.buffer.read(4096):
        pass
    return 0
