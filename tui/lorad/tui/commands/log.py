"""`lorad log`: what a job's run printed, or the daemon."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from lorad.shared.endpoints import find_home
from lorad.shared.errors import NoDaemon
from lorad.shared.levels import LEVELS
from lorad.tui import places
from lorad.tui.commands import _log
from lorad.tui.commands._arguments import add_json, connect, count, job_id


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whose, how much, how long."""
    parser.add_argument("id", metavar="ID", type=job_id, nargs="?", help="the job's number")
    parser.add_argument("--daemon", action="store_true", help="the daemon's own log")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the job ends")
    parser.add_argument("-n", "--lines", metavar="LINES", type=count, help="only the last lines")
    parser.add_argument("--grep", metavar="TEXT", default="", help="only lines with this text")
    parser.add_argument(
        "--level", choices=LEVELS, default="info", help="only lines that are as bad as this"
    )
    add_json(parser)
    parser.set_defaults(usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Print it, and what is added to it."""
    if (args.id is None) == (not args.daemon):
        args.usage_error("say either a job's number or --daemon")
    if not args.daemon:
        with connect() as daemon:
            whole = _log.job_pieces(daemon, args.id, args.lines, args.follow)
            _print(args, whole, _log.of_job(daemon, args.id, args.follow))
    elif places.host():
        with connect() as daemon:
            whole = _log.daemon_pieces(daemon, args.lines, args.follow)
            _print(args, whole, _log.of_daemon(daemon, args.follow))
    else:
        # The file itself: it is wanted most when the daemon does not answer.
        path = find_home().daemon_log
        if not path.exists():
            raise NoDaemon
        whole = _log.file_pieces(path, args.lines, args.follow)
        _print(args, whole, _log.of_file(path, args.follow))
    return 0


def _print(args: argparse.Namespace, whole: Iterator[_log.Piece], found: _log.Pieces) -> None:
    """All of it, or of what is found the lines that fit."""
    printer = _log.Json(args.id or 0, lines=args.follow) if args.json else _log.Text()
    sieve = _log.Sieve(args.level, args.grep)
    for piece in _log.only(found, sieve, args.lines) if sieve else whole:
        printer.write(piece)
    printer.end()
