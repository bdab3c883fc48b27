"""`lorad update`: change what jobs wait for and where they may run."""

from __future__ import annotations

import argparse
import time

from lorad.shared.jobs import Ended, Job, Queued
from lorad.shared.messages import UpdateJob
from lorad.tui import format
from lorad.tui.commands._arguments import add_ids, add_json, title
from lorad.tui.commands._steer import arrange
from lorad.tui.commands._terms import add_terms, fields


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Jobs, and their other terms."""
    add_ids(parser)
    add_terms(parser)
    add_json(parser)
    parser.epilog = "`none` takes a term back: --after none, --delay none, --gpu none."
    parser.set_defaults(usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Ask for it."""
    terms = fields(args)
    if not terms:
        args.usage_error("say what to change, such as --group")
    requests = [UpdateJob(id=job_id, **terms) for job_id in dict.fromkeys(args.ids)]
    return arrange(args, requests, sentence)


def sentence(job: Job) -> str:
    """What holds of it now."""
    terms = format.terms(job, time.time())
    when = " when it starts again" if job.process else ""
    if isinstance(job.status, Ended):
        rest = "; what it waits for counts when it starts again."
    elif terms:
        rest = f"{when}: {terms}."
    else:
        rest = " and waits for its turn alone." if isinstance(job.status, Queued) else f"{when}."
    return f"{title(job)} is in group {job.group}{rest}"
