"""`lorad drain`: start nothing new; what runs goes on."""

from __future__ import annotations

import argparse

from lorad.shared.jobs import Active
from lorad.shared.messages import Drain, GetStatus
from lorad.tui.commands import _json
from lorad.tui.commands._arguments import add_json, connect, print_document


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Begin or end it."""
    parser.add_argument("--end", action="store_true", help="let jobs start again")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Ask for it."""
    with connect() as daemon:
        daemon.ask(Drain(end=args.end))
        status = daemon.ask(GetStatus())
    if args.json:
        print_document(**_json.groups_fields(status))
        return 0
    if args.end:
        print("Jobs start again.")
        return 0
    count = sum(isinstance(job.status, Active) for job in status.jobs)
    goes = {0: "and nothing runs", 1: "and one job goes on"}.get(count, f"and {count} jobs go on")
    print(f"The queue is drained: nothing starts, {goes}. `lorad drain --end` takes it back.")
    return 0
