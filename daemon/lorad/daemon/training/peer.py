"""`python -m lorad.daemon.training.peer`: another process of a run that has several."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Literal

import msgspec

from lorad.daemon.training.loop import train
from lorad.daemon.training.peers import MEETING, meet
from lorad.shared.messages import AnyReport, Assignment, Order

PR_SET_PDEATHSIG = 1


class Silent:
    """A line that hears and says nothing: rank 0 speaks for all."""

    wanted: Literal["run", "pause", "cancel"] = "run"

    def report(self, *reports: AnyReport) -> None:
        """Nobody listens."""

    def orders(self) -> list[Order]:
        """They come through rank 0."""
        return []


def main() -> None:
    """Take the task from the parent, and train with it until it ends or is gone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a dead run leaves no orphans
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the run decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stdout)
    task = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Assignment)
    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    train(task, Silent(), meet(Path(os.environ[MEETING]), rank, count))


if __name__ == "__main__":
    main()
