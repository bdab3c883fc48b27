"""What the verbs that change jobs share: ask for all at once, wait until it is so, say so.

Where it is not so in the end, the exit code is 1.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from lorad.shared.clean import clean_line
from lorad.shared.client import Client
from lorad.shared.errors import UnknownJob
from lorad.shared.jobs import Done, Ended, Failed, Job, State
from lorad.shared.lifecycle import PARTICIPLES, can
from lorad.shared.messages import AnyReply, Batch, GetStatus, OneRequest, Removed
from lorad.tui.commands import _json
from lorad.tui.commands._arguments import (
    REASON_LIMIT,
    add_ids,
    add_json,
    connect,
    ending,
    print_document,
    say,
    title,
)

MEANT: dict[str, frozenset[State]] = {
    "resume": frozenset({"paused", "held"}),
    "restart": frozenset({"failed"}),
    "rm": frozenset({"done", "failed", "cancelled"}),
}
"""Whom `--all` means, where that is not everybody who can."""


class Order(NamedTuple):
    """A verb on jobs."""

    verb: str
    request: Callable[[int], OneRequest]
    until: Callable[[Job, Job], bool] | None = None
    """Of a job then and now: whether the verb returns; none: what the daemon answered is all."""
    meanwhile: Callable[[Job], str] | None = None
    """What is said of a job that is waited for; none: its state."""
    missed: Callable[[Job, Job], bool] = lambda _, now: isinstance(now.status, Failed)
    """Of a job then, and as the verb returns after it waited: whether what was asked for did not
    come about."""


def off_its_device(_: Job, now: Job) -> bool:
    """Until a job has no process: it left, or ended, or died."""
    return now.process is None


def unsaved(then: Job, now: Job) -> bool:
    """Whether nothing was saved since. One that took its last step meanwhile is whole."""
    return now.progress.saved == then.progress.saved and not isinstance(now.status, Done)


def add_arguments(parser: argparse.ArgumentParser, waits: bool = False) -> None:
    """One job or more, or all."""
    verb = parser.prog.rpartition(" ")[2]
    states = MEANT.get(verb)
    whom = "every job that can be" if states is None else " and ".join(sorted(states))
    add_ids(parser, or_all=f"instead of numbers: {whom}")
    add_json(parser)
    if waits:
        parser.add_argument(
            "--no-wait",
            action="store_true",
            help="return before it is so; without it the exit code says whether it is",
        )


def steer(args: argparse.Namespace, order: Order, told: Callable[[Job], str] | None = None) -> int:
    """Ask for all jobs in one go, all or none, then wait for them together."""
    until = None if getattr(args, "no_wait", False) else order.until
    with connect() as daemon:
        asked = ask_all(daemon, [order.request(id) for id in whom(args, daemon, order.verb)])
        if until is None:
            show(args, asked, told or sentence)
            return 0
        jobs = [wait_for(daemon, job, until, order.meanwhile) for job in asked]
    both = zip(asked, jobs, strict=True)
    gone = {job.id for then, job in both if not (until(then, job) or isinstance(job.status, Ended))}
    show(args, jobs, lambda job: ending(job) if job.id in gone else (told or sentence)(job))
    return int(bool(gone) or any(map(order.missed, asked, jobs)))


def whom(args: argparse.Namespace, daemon: Client, verb: str) -> list[int]:
    """The jobs that are meant, each once."""
    if bool(args.ids) == args.all:
        args.usage_error("say the numbers of jobs, or --all")
    if not args.all:
        return list(dict.fromkeys(args.ids))
    meant = MEANT.get(verb)
    jobs = daemon.ask(GetStatus()).jobs
    ids = [job.id for job in jobs if (job.state in meant if meant else can(job.state, verb))]
    if not ids:
        say(f"No job can be {PARTICIPLES[verb]} now.")
    return ids


def arrange(
    args: argparse.Namespace, requests: Sequence[OneRequest], told: Callable[[Job], str]
) -> int:
    """Ask for what is done at once, and say what came of it."""
    with connect() as daemon:
        jobs = ask_all(daemon, requests)
    show(args, list({job.id: job for job in jobs}.values()), told)
    return 0


def among_all(
    args: argparse.Namespace,
    requests: Sequence[OneRequest],
    told: Callable[[Job, Sequence[Job]], str],
) -> int:
    """As `arrange`, where what came of it is seen only among all jobs."""
    with connect() as daemon:
        changed = {job.id: job for job in ask_all(daemon, requests)}
        jobs = daemon.ask(GetStatus()).jobs
    now = {job.id: job for job in jobs}
    show(args, [now.get(id, job) for id, job in changed.items()], lambda job: told(job, jobs))
    return 0


def show(args: argparse.Namespace, jobs: list[Job], told: Callable[[Job], str]) -> None:
    """The jobs as a document or as a sentence each."""
    if args.json:
        print_document(jobs=[_json.job_fields(job) for job in jobs])
        return
    for job in jobs:
        print(told(job))


def ask_all(daemon: Client, requests: Sequence[OneRequest]) -> list[Job]:
    """Ask for all or none; the jobs, without those that are gone with it.

    Raises:
        RequestRefused: nothing was changed.
    """
    if not requests:
        return []
    replies: Sequence[AnyReply]
    if len(requests) == 1:
        replies = [daemon.ask(requests[0])]
    else:
        replies = daemon.ask(Batch(requests=list(requests))).replies
    return [job_of(reply) for reply in replies if not isinstance(reply, Removed)]


def job_of(reply: AnyReply) -> Job:
    """The job in a reply."""
    job = getattr(reply, "job", None)
    assert isinstance(job, Job), reply
    return job


def wait_for(
    daemon: Client,
    then: Job,
    until: Callable[[Job, Job], bool],
    meanwhile: Callable[[Job], str] | None = None,
) -> Job:
    """The job once it is so or it ended; as it was seen last, where it was removed."""
    if until(then, then):
        return then
    job, told = then, ""
    for job in changes(daemon, then):
        if until(then, job) or isinstance(job.status, Ended):
            break
        if job.state != told and not told:
            say(f"{meanwhile(job) if meanwhile else f'{title(job)} is {job.state}'} …")
        told = job.state
    return job


def changes(daemon: Client, job: Job) -> Iterator[Job]:
    """The job as it is now and each time that it changed, until it has ended or is removed.

    Nothing comes of one that has: while another was waited for, it may have been removed.
    """
    if isinstance(job.status, Ended):
        return
    try:
        for heard in daemon.follow(job.id):
            if isinstance(heard, Job):
                yield heard
    except UnknownJob:
        return


def sentence(job: Job) -> str:
    """Where a job is now."""
    why = clean_line(job.reason, REASON_LIMIT)
    shown = job.progress.step and job.state in ("paused", "held", "cancelled")
    of = "" if job.max_train_steps is None else f"/{job.max_train_steps}"
    at = f" at step {job.progress.step}{of}" if shown else ""
    return f"{title(job)} is {job.state}{at}" + (f": {why}" if why else ".")
