"""`lorad rm`: forget jobs; their output folders stay."""

from __future__ import annotations

import argparse

from lorad.shared.messages import RemoveJob
from lorad.tui.commands import _steer
from lorad.tui.commands._arguments import connect, print_document


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One job or more."""
    _steer.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Forget all of them, or none."""
    with connect() as daemon:
        removed = _steer.whom(args, daemon, "rm")
        _steer.ask_all(daemon, [RemoveJob(id=job_id) for job_id in removed])
    if args.json:
        print_document(removed=removed)
    else:
        for job_id in removed:
            print(f"Job {job_id} is forgotten; its files stay.")
    return 0
