"""`lorad copy`: a job's recipe as a new job, with changes."""

from __future__ import annotations

import argparse

from lorad.shared.messages import CopyJob
from lorad.tui.commands import _arguments
from lorad.tui.commands._arguments import connect
from lorad.tui.commands._new import add_queueing, tell_new


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A job, and what is other about the new one."""
    _arguments.add_id(parser)
    _arguments.add_changes(parser, least="*", help="any key of the recipe: rank=8 train.seed=2")
    parser.add_argument("--name", default="", help="of the new job; else a number is added")
    add_queueing(parser)


def run(args: argparse.Namespace) -> int:
    """Ask for it."""
    request = CopyJob(
        id=args.id,
        changes=_arguments.changes_of(args),
        name=args.name,
        stash=args.stash,
        priority=args.priority,
    )
    with connect() as daemon:
        tell_new(args, [daemon.ask(request).job])
    return 0
