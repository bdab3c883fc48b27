"""`lorad move`: change a waiting job's place in the queue."""

from __future__ import annotations

import argparse

from lorad.shared.messages import MoveJob
from lorad.tui.commands._arguments import add_ids, add_json, count, title
from lorad.tui.commands._steer import arrange

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
    return arrange(
        args,
        requests,
        lambda job: (
            f"{title(job)} is at place {places[job.id]} now, or at the end if that is nearer."
        ),
    )
