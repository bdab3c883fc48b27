"""`lorad cancel`: save what there is and end a job for good."""

from __future__ import annotations

import argparse

from lorad.shared.jobs import Cancelled, Done
from lorad.shared.messages import CancelJob
from lorad.tui.commands import _steer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One job or more, gently or not."""
    _steer.add_arguments(parser, waits=True)
    parser.add_argument(
        "--force", action="store_true", help="kill at once; the last checkpoint is what remains"
    )


def run(args: argparse.Namespace) -> int:
    """Ask, and return when they have ended."""
    force: bool = args.force
    order = _steer.Order(
        "cancel",
        lambda job_id: CancelJob(id=job_id, force=force),
        # One that cannot save is not cancelled but paused, to be cancelled when that is mended.
        until=_steer.off_its_device,
        missed=lambda _, now: not isinstance(now.status, Cancelled | Done),
    )
    return _steer.steer(args, order)
