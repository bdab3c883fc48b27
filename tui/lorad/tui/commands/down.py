"""`lorad down`: end the daemon, and return when it is gone."""

from __future__ import annotations

import argparse
import time

from lorad.shared.client import Client
from lorad.shared.endpoints import Place
from lorad.shared.errors import NoDaemon
from lorad.shared.messages import DAEMON_TOPIC, Ending, ShutDown, ShuttingDown
from lorad.shared.watch import Watch
from lorad.tui import places
from lorad.tui.commands._arguments import connect, say

POLL_SECONDS = 0.1
ANSWER_SECONDS = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What becomes of the runs."""
    parser.add_argument(
        "--leave-runs",
        action="store_true",
        help="let the runs train on; the next daemon takes them over",
    )


def run(args: argparse.Namespace) -> int:
    """Ask it to go and wait for its lock: whoever starts the next one must find it free."""
    with connect() as daemon:
        watch = daemon.watch(DAEMON_TOPIC)
        pausing = _ask(daemon, args.leave_runs)
        if pausing:
            jobs = ", ".join(map(str, pausing))
            say(f"Pausing job {jobs}; the daemon goes when that is saved …")
        _wait_gone(daemon.home, watch)
    runs = "finds the runs that train on" if args.leave_runs else "resumes what it paused"
    there = f" --host {places.host()}" if places.host() else ""
    print(f"The daemon is down. `lorad{there} up` starts it again and {runs}.")
    return 0


def _wait_gone(where: Place, watch: Watch) -> None:
    """Here its lock says it; on another box its own last word, or silence."""
    if home := places.local(where):
        while home.daemon_pid() is not None:
            time.sleep(POLL_SECONDS)
        return
    while (heard := watch.receive(where.patience)) and not isinstance(heard.event, Ending):
        pass


def _ask(daemon: Client, leave_runs: bool) -> list[int]:
    """Which runs it waits for."""
    daemon.greet()
    try:
        reply = daemon.ask(ShutDown(leave_runs=leave_runs), timeout=ANSWER_SECONDS)
    except NoDaemon:
        return []  # it was gone before its answer was out
    assert isinstance(reply, ShuttingDown), reply
    return reply.pausing
