"""What the verbs that make new jobs of what is there share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from lorad.shared.jobs import Job
from lorad.tui.commands import _arguments, _json


def add_queueing(parser: argparse.ArgumentParser) -> None:
    """How to queue them, and how to say it."""
    parser.add_argument("--stash", action="store_true", help="keep out of the queue for now")
    parser.add_argument(
        "--priority", metavar="N", type=_arguments.integer, default=0, help="higher starts first"
    )
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("-q", "--print-id", action="store_true", help="print the numbers alone")
    _arguments.add_json(forms)


def tell_new(args: argparse.Namespace, jobs: Sequence[Job]) -> None:
    """The new jobs as they were asked for."""
    if args.json:
        _arguments.print_document(jobs=[_json.job_fields(job) for job in jobs])
        return
    for job in jobs:
        print(job.id if args.print_id else f"{_arguments.title(job)} is {job.state}.")
