"""`python -m lorad.daemon.training.peer`: another process of a run that has several."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import time
from pathlib import Path

import msgspec

from lorad.daemon import stacks
from lorad.shared.errors import LoradError
from lorad.shared.messages import AnyReport, Assignment, Order, Wanted

PR_SET_PDEATHSIG = 1
TOGETHER_SECONDS = 30.0
"""In which the run says what all its processes met."""


class Silent:
    """A line that hears and says nothing: rank 0 speaks for all."""

    wanted: Wanted = "run"

    def report(self, *reports: AnyReport) -> None:
        """Nobody listens."""

    def settle(self) -> None:
        """There is nothing."""

    def orders(self) -> list[Order]:
        """They come through rank 0."""
        return []


def main() -> None:
    """Take the task from the parent, and train with it until it ends or is gone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a dead run leaves no orphans
    if folder := os.environ.get("LORAD_RUN_FOLDER"):  # as the run's own, for one that hangs
        stacks.answer(Path(folder))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the run decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(
        level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stdout
    )
    from lorad.daemon.training.loop import train  # after that: it takes seconds
    from lorad.daemon.training.peers import COUNT, MEETING, RANK, meet

    task = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Assignment)
    rank, count = int(os.environ[RANK]), int(os.environ[COUNT])
    try:
        train(task, Silent(), meet(Path(os.environ[MEETING]), rank, count))
    except LoradError as error:
        # Most of them the run meets as well: it says them, and ends this process.
        time.sleep(TOGETHER_SECONDS)
        print(f"ERROR: process {rank}: {error}", flush=True)
        os._exit(1)  # what only this one met ends the run, which would wait for it
    while True:  # the run still draws and saves, and then ends this process
        signal.pause()


if __name__ == "__main__":
    main()
