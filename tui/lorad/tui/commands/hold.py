"""`lorad hold`: wait between two steps and keep the device."""

from __future__ import annotations

import argparse

from lorad.shared.messages import HoldJob
from lorad.tui.commands._steer import Order, add_arguments, steer

__all__ = ["add_arguments", "run"]


def run(args: argparse.Namespace) -> int:
    """Ask for each job."""
    return steer(args, Order("hold", lambda job_id: HoldJob(id=job_id)))
