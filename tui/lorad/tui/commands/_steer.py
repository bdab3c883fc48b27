"""What the verbs that change jobs share: ask for each, wait until it is so, say so."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

from lorad.shared.client import Client
from lorad.shared.errors import LoradError
from lorad.shared.jobs import Ended, Failed, Job, State
from lorad.shared.messages import Accepted, AnyRequest, Changed
from lorad.tui.cli import complain
from lorad.tui.commands import _json
from lorad.tui.commands._arguments import add_ids, add_json, connect, print_document, say, title


class Order(NamedTuple):
    """A verb on jobs."""

    request: Callable[[int], AnyRequest]
    until: frozenset[State] = frozenset()
    """Reached before the verb returns; empty: what the daemon answered is all there is."""


def add_arguments(parser: argparse.ArgumentParser, waits: bool = False) -> None:
    """One job or more."""
    add_ids(parser)
    add_json(parser)
    if waits:
        parser.add_argument("--no-wait", action="store_true", help="return before it is so")


def steer(args: argparse.Namespace, order: Order) -> int:
    """Ask for every job, then wait for them together; one that fails keeps none from the rest."""
    code, jobs = 0, []
    with connect() as daemon:
        for job_id in args.ids:
            try:
                jobs.append(_ask(daemon, order.request(job_id)))
            except LoradError as error:
                complain(str(error))
                code = max(code, error.exit_code)
        if order.until and not getattr(args, "no_wait", False):
            jobs = [wait_for(daemon, job, order.until) for job in jobs]
    show(args, jobs, sentence)
    return max([code, *(1 for job in jobs if isinstance(job.status, Failed))])


def arrange(args: argparse.Namespace, request: AnyRequest, told: Callable[[Job], str]) -> int:
    """Ask for what is done at once, and say what came of it."""
    with connect() as daemon:
        job = _ask(daemon, request)
    show(args, [job], told)
    return 0


def show(args: argparse.Namespace, jobs: list[Job], told: Callable[[Job], str]) -> None:
    """The jobs as a document or as a sentence each."""
    if args.json:
        print_document(jobs=[_json.job_fields(job) for job in jobs])
        return
    for job in jobs:
        print(told(job))


def _ask(daemon: Client, request: AnyRequest) -> Job:
    reply = daemon.ask(request)
    assert isinstance(reply, Accepted | Changed), reply
    return reply.job


def wait_for(daemon: Client, job: Job, states: frozenset[State]) -> Job:
    """The job once it is in one of the states, or has ended, or is gone."""
    if job.state in states:
        return job
    told = ""
    for heard in daemon.follow(job.id):
        if not isinstance(heard, Job):
            continue
        job = heard
        if job.state in states or isinstance(job.status, Ended):
            break
        if job.state != told and not told:
            say(f"{title(job)} is {job.state} …")
        told = job.state
    return job


def sentence(job: Job) -> str:
    """Where a job is now."""
    why = job.reason
    shown = job.progress.step and job.state in ("paused", "cancelled")
    of = "" if job.max_train_steps is None else f"/{job.max_train_steps}"
    at = f" at step {job.progress.step}{of}" if shown else ""
    return f"{title(job)} is {job.state}{at}" + (f": {why}" if why else ".")
