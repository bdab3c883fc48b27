"""`lorad move`: change a waiting job's place in the queue."""

from __future__ import annotations

import argparse

from lorad.shared.messages import Changed, MoveJob
from lorad.tui.commands import _json
from lorad.tui.commands._arguments import (
    add_id,
    add_json,
    connect,
    count,
    print_document,
    title,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A job and its new place."""
    add_id(parser)
    parser.add_argument("to", metavar="PLACE", type=count, help="1 is the front of the queue")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Ask for it."""
    with connect() as daemon:
        reply = daemon.ask(MoveJob(id=args.id, to=args.to))
    assert isinstance(reply, Changed), reply
    if args.json:
        print_document(jobs=[_json.job_fields(reply.job)])
    else:
        print(f"{title(reply.job)} is at place {args.to} now, or at the end if that is nearer.")
    return 0
