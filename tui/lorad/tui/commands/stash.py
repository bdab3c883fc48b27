"""`lorad stash`: keep waiting jobs out of the queue."""

from __future__ import annotations

import argparse

from lorad.shared.messages import StashJob
from lorad.tui.commands._steer import Order, add_arguments, steer

__all__ = ["add_arguments", "run"]


def run(args: argparse.Namespace) -> int:
    """Ask for each job."""
    return steer(args, Order("stash", lambda job_id: StashJob(id=job_id)))
