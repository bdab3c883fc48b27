"""`lorad enqueue`: put stashed jobs back into the queue."""

from __future__ import annotations

import argparse

from lorad.shared.messages import EnqueueJob
from lorad.tui.commands._steer import Order, add_arguments, steer

__all__ = ["add_arguments", "run"]


def run(args: argparse.Namespace) -> int:
    """Ask for each job."""
    return steer(args, Order("enqueue", lambda job_id: EnqueueJob(id=job_id)))
