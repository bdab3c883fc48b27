"""`lorad restart`: back into the queue, to train from the first step."""

from __future__ import annotations

import argparse

from lorad.shared.messages import RestartJob
from lorad.tui.commands._steer import Order, add_arguments, steer

__all__ = ["add_arguments", "run"]


def run(args: argparse.Namespace) -> int:
    """Ask for each job."""
    return steer(args, Order("restart", lambda job_id: RestartJob(id=job_id)))
