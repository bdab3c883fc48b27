"""`lorad save`: a checkpoint and the LoRA file, after this step."""

from __future__ import annotations

import argparse

from lorad.shared.clean import clean_line
from lorad.shared.jobs import Failed, Job
from lorad.shared.messages import SaveJob
from lorad.tui.commands import _steer
from lorad.tui.commands._arguments import title


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One job or more."""
    _steer.add_arguments(parser, waits=True)


def run(args: argparse.Namespace) -> int:
    """Ask, and return when the files are there: scripts want to use them next.

    1 where one did not come to save: the disk is full, its run died.
    """
    order = _steer.Order("save", lambda job_id: SaveJob(id=job_id), _over, _asked, _missed)
    if args.no_wait:
        return _steer.steer(args, order, lambda job: f"{title(job)} saves after this step.")
    return _steer.steer(args, order, sentence)


def _asked(job: Job) -> str:
    return f"{title(job)} is asked for a checkpoint"


def _over(then: Job, now: Job) -> bool:
    return not _steer.unsaved(then, now) or now.process is None


def _missed(then: Job, now: Job) -> bool:
    return isinstance(now.status, Failed) or _steer.unsaved(then, now)


def sentence(job: Job) -> str:
    """What it saved, or where it is."""
    if job.process is None or job.progress.saved_step is None:
        return _steer.sentence(job)
    folder = clean_line(job.folder, 4096)
    return f"{title(job)} saved step {job.progress.saved_step} to {folder}."
