"""What a job waits for and where it may run, as `add` and `update` take it."""

from __future__ import annotations

import argparse
import re
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, get_args

from lorad.shared.jobs import AfterReboot
from lorad.tui.commands._arguments import integer, job_id

NONE = ("none", "any", "now")
"""Words that take a term back."""
AMOUNT = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
FORMS = "2h30m, 08:30 or 2026-11-24T08:30"


def add_terms(parser: argparse.ArgumentParser) -> None:
    """The options; each is none unless it is said."""
    parser.add_argument("-g", "--group", metavar="GROUP", help="the group whose slots it takes")
    parser.add_argument(
        "--after", metavar="ID", type=job_ids, nargs="+", action="extend",
        help="start when these jobs are done",
    )  # fmt: skip
    parser.add_argument(
        "--delay", metavar="WHEN", type=start_time,
        help="start then or later: 2h30m from now, at 08:30, at 2026-11-24T08:30",
    )  # fmt: skip
    add_gpus(parser, "may run on these alone: 0,1, or UUIDs")
    parser.add_argument(
        "--retries", metavar="N", type=from_zero, help="try a failed run again, N times at most"
    )
    parser.add_argument(
        "--after-reboot", choices=get_args(AfterReboot),
        help="when the machine was started again under it: go on by itself, or wait as paused",
    )  # fmt: skip


def add_gpus(parser: argparse.ArgumentParser, text: str) -> None:
    """Cards by index or UUID."""
    parser.add_argument(
        "--gpu", "--gpus", metavar="GPU", dest="gpus", type=gpu_names, action="extend", help=text
    )


def fields(args: argparse.Namespace) -> dict[str, Any]:
    """What was said, by the names of the requests' fields."""
    told = {
        "group": args.group,
        "after": None if args.after is None else tuple(chain.from_iterable(args.after)),
        "start_after": args.delay,
        "gpus": None if args.gpus is None else tuple(args.gpus),
        "retries": args.retries,
        "after_reboot": args.after_reboot,
    }
    return {name: value for name, value in told.items() if value is not None}


def job_ids(text: str) -> list[int]:
    """Numbers with commas; `none` is no job."""
    return [] if text in NONE else [job_id(part) for part in text.split(",")]


def gpu_names(text: str) -> list[str]:
    """Names with commas; `any` is every card."""
    return [] if text in NONE else [part.strip() for part in text.split(",") if part.strip()]


def from_zero(text: str) -> int:
    """A whole number from 0 on."""
    value = integer(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"`{text}` is no whole number from 0 on.")
    return value


def start_time(text: str) -> float:
    """Seconds since the epoch; 0 for `none`."""
    if text in NONE:
        return 0.0
    now = datetime.now()
    try:
        then = moment(text, now)
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(f"`{text}` is no time. Say {FORMS}.") from None
    if then.timestamp() <= now.timestamp():
        raise argparse.ArgumentTypeError(f"`{text}` is over already. Say {FORMS}.")
    return then.timestamp()


def moment(text: str, now: datetime) -> datetime:
    """The time that a text means; `now` and what bears no zone are of the clock on the wall.

    Raises:
        ValueError: it means none.
        OverflowError, OSError: it is too far away.
    """
    if (found := AMOUNT.fullmatch(text)) and text:
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        amount = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        # Added to the clock on the wall it would be an hour off when that is changed meanwhile.
        return datetime.fromtimestamp(now.timestamp() + amount.total_seconds())
    if found := CLOCK.fullmatch(text):
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        today = now.replace(hour=hours, minute=minutes, second=seconds, microsecond=0)
        return today if today > now else today + timedelta(days=1)
    return datetime.fromisoformat(text)
