"""`lorad priority`: say which jobs start first."""

from __future__ import annotations

import argparse

from lorad.shared.messages import Changed, SetPriority
from lorad.tui.commands import _json
from lorad.tui.commands._arguments import (
    add_id,
    add_json,
    connect,
    integer,
    print_document,
    title,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A job and its priority."""
    add_id(parser)
    parser.add_argument("priority", metavar="N", type=integer, help="higher starts first; 0 usual")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Ask for it."""
    with connect() as daemon:
        reply = daemon.ask(SetPriority(id=args.id, priority=args.priority))
    assert isinstance(reply, Changed), reply
    if args.json:
        print_document(jobs=[_json.job_fields(reply.job)])
    else:
        print(f"{title(reply.job)} has priority {reply.job.priority} now.")
    return 0
