"""`lorad status`: the queue and the machine, or one job in full."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import msgspec

from lorad.shared.client import Client
from lorad.shared.errors import UnknownJob
from lorad.shared.messages import GetMetrics, GetNotes, GetStatus, Status, WhyJob
from lorad.tui.commands import _json
from lorad.tui.commands._arguments import add_json, connect, job_id, print_document

MOST_LOOKS = 20_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One job, or all."""
    parser.add_argument("id", metavar="ID", type=job_id, nargs="?", help="one job in full")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Ask and print."""
    with connect() as daemon:
        status = daemon.ask(GetStatus())
        if args.id is not None:
            status = _only(status, args.id)
        if args.json:
            whole = args.id is None
            more = {"totals": _json.totals_fields(status)} if whole else _history(daemon, args.id)
            print_document(**_json.status_fields(status), **more)
            return 0
        from lorad.tui import render

        if args.id is not None:
            print(render.plain_job(status.jobs[0], daemon.ask(WhyJob(id=args.id)).sentence))
        elif sys.stdout.isatty():
            from rich.console import Console

            console = Console(highlight=False)
            console.print(render.status_table(status, console.width))
        else:
            print(render.plain_status(status))
    return 0


def _history(daemon: Client, job_id: int) -> dict[str, Any]:
    metrics = daemon.ask(GetMetrics(id=job_id, limit=MOST_LOOKS))
    return _json.history_fields(metrics, daemon.ask(GetNotes(id=job_id)))


def _only(status: Status, job_id: int) -> Status:
    """The status with one job."""
    jobs = [job for job in status.jobs if job.id == job_id]
    if not jobs:
        raise UnknownJob(id=job_id)
    return msgspec.structs.replace(status, jobs=jobs)
