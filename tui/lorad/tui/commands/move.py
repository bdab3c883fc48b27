"""`lorad move`: change a waiting job's place in the queue."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from lorad.shared.jobs import Job, Queued
from lorad.shared.messages import MoveJob
from lorad.tui.commands._arguments import add_ids, add_json, count, title
from lorad.tui.commands._steer import among_all

END = 2**31


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Jobs and their new place."""
    add_ids(parser)
    parser.add_argument("to", metavar="PLACE", type=count, help="1 is the front of the queue")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Ask for it; several go one behind the other, in the order in which they were said."""
    ids = list(dict.fromkeys(args.ids))
    places = {job_id: place for place, job_id in enumerate(ids, args.to)}
    # First behind all others, where none of them is counted when another one finds its place.
    away = [MoveJob(id=job_id, to=END) for job_id in ids[:-1] and ids]
    requests = [*away, *(MoveJob(id=job_id, to=place) for job_id, place in places.items())]
    return among_all(args, requests, lambda job, now: f"{title(job)} is {_where(job, now)}.")


def _where(job: Job, now: Sequence[Job]) -> str:
    """The place that it has: there may be fewer than was said."""
    from lorad.tui.mirror import in_order

    waiting = [one.id for one in in_order(now) if isinstance(one.status, Queued)]
    if job.id not in waiting:
        return "starting: its turn came meanwhile"
    return f"at place {waiting.index(job.id) + 1} of the {len(waiting)} that wait"
