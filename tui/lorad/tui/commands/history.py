"""`lorad history`: who changed what, and when, also what was refused.

WHO is a client as it called itself (`lorad anna@box:4711`, the number its process), or the
scheduler, a run, the daemon. It is a claim: whoever may use the sockets may say any name.
"""

from __future__ import annotations

import argparse
import sys
import time

from lorad.shared.clean import clean_line
from lorad.shared.messages import GetNews, Happening
from lorad.tui.commands import _json
from lorad.tui.commands._arguments import add_json, connect, count, job_id, print_document, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All jobs or one."""
    parser.epilog = (
        "WHO is what a client called itself: its user, box and process. It is a claim, not a"
        " proof. `refused` is a command that changed nothing, and why. `lorad events -f` goes on."
    )
    parser.add_argument("id", metavar="ID", type=job_id, nargs="?", help="only this job")
    parser.add_argument("-n", metavar="N", type=count, default=100, help="the newest N; else 100")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """A line for each change, oldest first."""
    with connect() as daemon:
        news = daemon.ask(GetNews(id=args.id, limit=min(args.n, 2**31), newest=True))
    changes = news.happenings
    if args.json:
        print_document(changes=[_json.happening_fields(change) for change in changes])
    elif not changes:
        say("Nothing has happened yet.")
    elif sys.stdout.isatty():
        from lorad.tui import render

        head = ("TIME", "JOB", "WHAT", "STATE", "WHO", "WHY")
        print(render.columns([head, *map(_cells, changes)]))
    else:
        print("\n".join("\t".join(_cells(change)) for change in changes))
    return 0


def _cells(change: Happening) -> tuple[str, ...]:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(change.time))
    name = f" ({clean_line(change.name, 40)})" if change.name else ""
    state = change.after or ("gone" if change.id else "-")
    if change.before and change.before != change.after:
        state = f"{change.before} → {state}"
    who, why = clean_line(change.actor, 60), clean_line(change.text, 200)
    return when, f"{change.id or '-'}{name}", clean_line(change.event, 20), state, who, why
