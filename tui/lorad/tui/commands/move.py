"""`lorad move`: change a waiting job's place in the queue."""

from __future__ import annotations

import argparse

from lorad.shared.messages import MoveJob
from lorad.tui.commands._arguments import add_id, add_json, count, title
from lorad.tui.commands._steer import arrange


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A job and its new place."""
    add_id(parser)
    parser.add_argument("to", metavar="PLACE", type=count, help="1 is the front of the queue")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Ask for it."""
    return arrange(
        args,
        MoveJob(id=args.id, to=args.to),
        lambda job: f"{title(job)} is at place {args.to} now, or at the end if that is nearer.",
    )
