"""`lorad undo`: take back the newest change of the queue."""

from __future__ import annotations

import argparse

from lorad.shared.clean import clean_line
from lorad.shared.errors import NothingToUndo
from lorad.shared.messages import GetUndo, Undo
from lorad.tui.commands import _json
from lorad.tui.commands._arguments import add_json, connect, print_document


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Only what it would be, or do it."""
    parser.add_argument("--show", action="store_true", help="only say what it would take back")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Ask for it."""
    with connect() as daemon:
        if args.show:
            next_one = daemon.ask(GetUndo())
            if not next_one.number:
                raise NothingToUndo
            said, by, jobs = next_one.said, next_one.actor, []
        else:
            undone = daemon.ask(Undo())
            said, by, jobs = undone.said, "", undone.jobs
    if args.json:
        more = {"actor": by} if args.show else {"jobs": [_json.job_fields(job) for job in jobs]}
        print_document(said=said, **more)
    elif args.show:
        print(f"Next to undo: {clean_line(said, 500)} (by {clean_line(by, 100)}).")
    else:
        print(f"Undone: {clean_line(said, 500)}.")
    return 0
