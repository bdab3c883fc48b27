"""`lorad pause`: checkpoint and leave the device, to go on from there later."""

from __future__ import annotations

import argparse

from lorad.shared.messages import PauseJob
from lorad.tui.commands import _steer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One job or more."""
    _steer.add_arguments(parser, waits=True)


def run(args: argparse.Namespace) -> int:
    """Ask, and return when the devices are free: scripts want to use them next."""
    order = _steer.Order("pause", lambda job_id: PauseJob(id=job_id), _steer.reached("paused"))
    return _steer.steer(args, order)
