"""`lorad events`: what happened, a JSON object a line."""

from __future__ import annotations

import argparse
import re
import select
import sys
import time
from collections.abc import Iterator
from datetime import datetime

from lorad.shared.client import Client
from lorad.shared.errors import DaemonError, DaemonSilent, UnknownJob
from lorad.shared.messages import DAEMON_TOPIC, NEWS_TOPIC, Beat, GetNews, Happened, Happenings
from lorad.shared.messages import Happening as Line
from lorad.tui.commands import _json
from lorad.tui.commands._arguments import connect, job_id, print_document, say

RETRY_SECONDS = 1.0
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whose, from where, how long."""
    parser.add_argument("id", metavar="ID", type=job_id, nargs="?", help="of this job alone")
    parser.add_argument("-f", "--follow", action="store_true", help="go on as things happen")
    parser.add_argument(
        "--since",
        metavar="SEQ|TIME",
        type=since,
        default=None,
        help="after this `seq`; or from 2h, 30m, or a date and time on",
    )
    parser.add_argument("--json", action="store_true", help="as it is anyway")


def since(text: str) -> tuple[int, float]:
    """A number of the list, or a time in seconds since the epoch: the other one is 0."""
    if text.isascii() and text.isdigit() and int(text) < 2**63:
        return int(text), 0.0
    if found := re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text):
        return 0, time.time() - float(found[1]) * UNITS[found[2]]
    try:
        return 0, datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(
            f"`{text}` is no place to begin: say a `seq`, 2h, or 2026-01-31T14:05."
        ) from None


def run(args: argparse.Namespace) -> int:
    """Print what was asked for; with --follow for as long as somebody reads."""
    after, at = args.since or (0, 0.0)
    with connect() as daemon:
        if args.id is not None:
            _refuse_unknown(daemon, args.id)
        if args.follow and args.since is None:
            after = _ask(daemon, GetNews(limit=1)).head  # from now on
        lines = follow(daemon, after, at) if args.follow else told(daemon, after, at)
        for line in lines:
            if args.id in (None, line.id):
                print_document(indent=None, flush=True, **_json.happening_fields(line))
    return 0


def _refuse_unknown(daemon: Client, id: int) -> None:
    """A wrong number is told; that of a job that is forgotten is none.

    Raises:
        UnknownJob: there never was such a job.
    """
    if not _ask(daemon, GetNews(id=id, limit=1)).happenings:
        raise UnknownJob(id=id)


def told(daemon: Client, after: int, at: float) -> Iterator[Line]:
    """All that is stored, from there on."""
    while True:
        reply = _ask(daemon, GetNews(after=after, since=at, limit=1000))
        yield from reply.happenings
        if not reply.happenings:
            return
        after = reply.happenings[-1].number


def follow(daemon: Client, after: int, at: float) -> Iterator[Line]:
    """From there on for ever, each line once and in order: what was missed is asked for.

    A daemon that goes away is waited for; its number goes on where it was.
    """
    silent = False
    while True:
        try:
            for line in _heard(daemon, after, at):
                silent = False
                if line is not None:
                    after = line.number
                    yield line
        except DaemonError as error:
            if not silent:
                say(f"{error} Waiting for it.")
            silent = True
            time.sleep(RETRY_SECONDS)


def _heard(daemon: Client, after: int, at: float) -> Iterator[Line | None]:
    """One daemon's life; none says that it is there."""
    daemon.greet()
    watch = daemon.watch(NEWS_TOPIC, DAEMON_TOPIC)
    try:
        watch.wait_attached(daemon.home.patience)
        yield None
        # What was said before this question is in its answer, or has a number above.
        missing, heard_of = True, 0
        while True:
            if missing:
                for line in told(daemon, after, at):
                    after = line.number
                    yield line
            heard = watch.receive(daemon.home.patience)
            _end_unread()
            if heard is None or heard.header.epoch != daemon.daemon.epoch:
                raise DaemonSilent(seconds=daemon.home.patience)
            missing = False
            match heard.event:
                case Beat(heads=heads):  # an event that was lost shows here if no other follows
                    missing = heads.get(NEWS_TOPIC, 0) > heard_of
                    heard_of = heads.get(NEWS_TOPIC, heard_of)
                case Happened(happening=line):
                    heard_of = heard.header.seq
                    missing = line.number > after + 1
                    if line.number == after + 1:
                        after += 1
                        yield line
    finally:
        watch.close()


def _ask(daemon: Client, request: GetNews) -> Happenings:
    reply = daemon.ask(request)
    assert isinstance(reply, Happenings), reply
    return reply


def _end_unread() -> None:
    """Whoever reads only the first lines is gone by now, and nothing may happen for hours."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)  # errors are always told
    if any(state & (select.POLLERR | select.POLLHUP) for _, state in poll.poll(0)):
        raise BrokenPipeError
