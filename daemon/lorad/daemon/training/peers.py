"""Several processes that share each step of one run, started by the run itself.

Every process does the same work on its own rows of each batch, in lockstep. Rank 0 is the run: it
alone hears orders, reports, draws and saves. What it hears it tells the others before each step.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NoReturn, TypeVar

import msgspec
import torch
import torch.distributed as dist
from accelerate.utils import check_cuda_p2p_ib_support

from lorad.shared.messages import Assignment

log = logging.getLogger(__name__)
T = TypeVar("T")
PATIENCE = timedelta(hours=6)
"""Others wait so long for rank 0 to encode, draw or save."""
MEETING_PATIENCE = timedelta(minutes=10)
"""For a process to start, and on cards for a sum of gradients."""
DYING_SECONDS = 10.0
"""In which one whose connections are gone already is known to have died."""
RANK, COUNT, MEETING = "LORAD_RANK", "LORAD_COUNT", "LORAD_MEETING"
"""Tell a process which one it is, of how many, and the file through which they find each other."""


class Peers:
    """The processes of one run, seen from one of them; alone, every question answers itself."""

    def __init__(self, rank: int = 0, count: int = 1, others: Others | None = None):
        """`others` are those that rank 0 started."""
        self.rank = rank
        self.count = count
        self._others = others
        self._host = dist.new_group(backend="gloo", timeout=PATIENCE) if count > 1 else None

    @property
    def leads(self) -> bool:
        """Whether this process is the run."""
        return self.rank == 0

    def hear(self, said: T) -> T:
        """What rank 0 says; what the others would say does not count."""
        if self._host is None:
            return said
        box = [said]
        with whole(self._others):
            dist.broadcast_object_list(box, src=0, group=self._host)
        return box[0]

    def any(self, flag: bool) -> bool:
        """Whether it is so for one of them."""
        if self._host is None:
            return flag
        told = torch.tensor([int(flag)])
        with whole(self._others):
            dist.all_reduce(told, op=dist.ReduceOp.MAX, group=self._host)
        return bool(told.item())

    def sum(self, gradients: list[torch.Tensor], loss: torch.Tensor) -> torch.Tensor:
        """Add everybody's gradients together in place; everybody's loss, added up."""
        if self._host is None:
            return loss
        flat = torch.cat([*(gradient.flatten().float() for gradient in gradients), loss.view(1)])
        with whole(self._others):
            dist.all_reduce(flat)
        parts = torch.split(flat[:-1], [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))
        return flat[-1]

    @contextlib.contextmanager
    def lead_first(self) -> Iterator[None]:
        """Rank 0 does it, then the others, who find what it left on the disk."""
        if self._host is not None and not self.leads:
            dist.barrier(group=self._host)
        yield
        if self._host is not None and self.leads:
            with whole(self._others):
                dist.barrier(group=self._host)

    def leave(self) -> None:
        """From here on rank 0 needs nobody: one that ends now ends nothing with it."""
        if self._others is not None:
            self._others.leave()

    def end(self) -> None:
        """Have the others gone."""
        if self._others is not None:
            self._others.end()
            dist.destroy_process_group()


class Others:
    """The processes that rank 0 started."""

    def __init__(self, task: Assignment, count: int) -> None:
        """Start them; from here on one that dies ends the run."""
        self._folder = Path(tempfile.mkdtemp(prefix="lorad-"))
        self.meeting = self._folder / "meeting"
        self._ending = threading.Event()
        self._processes = [self._start(task, rank, count) for rank in range(1, count)]

    def _start(self, task: Assignment, rank: int, count: int) -> subprocess.Popen[bytes]:
        place = {RANK: str(rank), COUNT: str(count), MEETING: str(self.meeting)}
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "lorad.daemon.training.peer"],
            stdin=subprocess.PIPE,
            env={**os.environ, **place},
        )
        threading.Thread(target=self._watch, args=(process,), daemon=True).start()
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(msgspec.msgpack.encode(task))
        return process

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        if not self._ending.is_set():
            self._die(process)

    def _die(self, process: subprocess.Popen[bytes]) -> NoReturn:
        """End with a process that died: none of them ends by itself.

        The others wait in a collective that can no longer end; the daemon queues a run that died
        again, and its last checkpoint is whole.
        """
        log.error("A process of this run died (%s), so it ends here.", process.returncode)
        logging.shutdown()
        os._exit(1)

    def leave(self) -> None:
        """Miss none of them any more."""
        self._ending.set()

    def end(self) -> None:
        """Have them gone, and what they met through."""
        self.leave()
        for process in self._processes:
            process.kill()
            process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


@contextlib.contextmanager
def whole(others: Others | None) -> Iterator[None]:
    """Do what needs every process; where it broke off because one died, `others` ends the run.

    An exchange breaks off with the connection, which goes before the process is known to be gone.
    """
    try:
        yield
    except RuntimeError:
        if others is not None:
            time.sleep(DYING_SECONDS)
        raise


def gather(task: Assignment) -> Peers:
    """Start the other processes that the recipe asks for, and meet them.

    Called by rank 0; the others come through `python -m lorad.daemon.training.peer`.
    """
    count = task.recipe.train.num_processes
    if count == 1:
        return Peers()
    others = Others(task, count)
    with whole(others):
        return meet(others.meeting, 0, count, others)


def meet(meeting: Path, rank: int, count: int, others: Others | None = None) -> Peers:
    """Join the others through a file that only this user reads, not an open port."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(rank)
        if not check_cuda_p2p_ib_support():  # cards that do without, and drivers that fail at it
            os.environ.setdefault("NCCL_P2P_DISABLE", "1")
            os.environ.setdefault("NCCL_IB_DISABLE", "1")
    # accelerate is told nothing of ranks: it would ask for a port, and set the threads again.
    dist.init_process_group(
        backend="nccl" if cuda else "gloo",
        init_method=f"file://{meeting}",
        rank=rank,
        world_size=count,
        timeout=MEETING_PATIENCE,
    )
    return Peers(rank, count, others)
