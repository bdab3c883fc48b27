"""`lorad resume`: back into the queue, to go on from the last checkpoint."""

from __future__ import annotations

import argparse

from lorad.shared.messages import ResumeJob
from lorad.tui.commands._steer import Order, add_arguments, steer

__all__ = ["add_arguments", "run"]


def run(args: argparse.Namespace) -> int:
    """Ask for each job."""
    return steer(args, Order("resume", lambda job_id: ResumeJob(id=job_id)))
