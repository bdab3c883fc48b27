"""`lorad wait`: return when jobs have ended, with an exit code that says how."""

from __future__ import annotations

import argparse

from lorad.shared.client import Client
from lorad.shared.jobs import Done, Job
from lorad.tui.commands import _json, _steer
from lorad.tui.commands._arguments import (
    add_ids,
    add_json,
    connect,
    ending,
    print_document,
    say,
    title,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One job or more."""
    add_ids(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Wait for all of them: 0 when every one is done, else 1."""
    code, ended = 0, []
    with connect() as daemon:
        jobs = [daemon.job(job_id) for job_id in args.ids]  # a wrong number is told at once
        for job in jobs:
            last, how = wait_for_end(daemon, job, quiet=args.json)
            ended.append(last)
            code = max(code, how)
    if args.json:
        print_document(jobs=[_json.job_fields(job) for job in ended])
    return code


def wait_for_end(daemon: Client, then: Job, quiet: bool = True) -> tuple[Job, int]:
    """The job as it ended, and 0 if it is done, else 1. A paused one keeps waiting.

    One that was removed meanwhile is as it was seen last, and 1.
    """
    job, told = then, ""
    for job in _steer.changes(daemon, then):
        if job.state in ("paused", "stashed") and told != job.state:
            verb = "resume" if job.state == "paused" else "enqueue"
            say(f"{title(job)} is {job.state}; `lorad {verb} {job.id}` lets it go on.")
        told = job.state
    done = isinstance(job.status, Done)
    sentence = ending(job)
    if not quiet:
        print(sentence, flush=True)
    elif not done:
        say(sentence)
    return job, 0 if done else 1
