"""`lorad priority`: say which jobs start first."""

from __future__ import annotations

import argparse

from lorad.shared.messages import SetPriority
from lorad.tui.commands._arguments import add_ids, add_json, integer, title
from lorad.tui.commands._steer import arrange


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Jobs and their priority."""
    add_ids(parser)
    parser.add_argument("priority", metavar="N", type=integer, help="higher starts first; 0 usual")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Ask for it."""
    return arrange(
        args,
        [SetPriority(id=job_id, priority=args.priority) for job_id in dict.fromkeys(args.ids)],
        lambda job: f"{title(job)} has priority {job.priority} now.",
    )
