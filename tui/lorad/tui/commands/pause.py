"""`lorad pause`: checkpoint and leave the device, to go on from there later."""

from __future__ import annotations

import argparse

from lorad.shared.jobs import Failed, Job
from lorad.shared.messages import PauseJob
from lorad.tui.commands import _steer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One job or more."""
    _steer.add_arguments(parser, waits=True)


def run(args: argparse.Namespace) -> int:
    """Ask, and return when the devices are free: scripts want to use them next.

    1 where one left its device and could not save: the disk is full, its run died.
    """
    order = _steer.Order(
        "pause", lambda job_id: PauseJob(id=job_id), _steer.off_its_device, missed=_missed
    )
    return _steer.steer(args, order)


def _missed(then: Job, now: Job) -> bool:
    # One that had taken no step has nothing to save; where saving went wrong, there is a reason.
    return isinstance(now.status, Failed) or (bool(now.reason) and _steer.unsaved(then, now))
