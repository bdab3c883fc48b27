"""Several processes that share each step of one run: accelerate's ranks, started by the run itself.

Every process does the same work on its own rows of each batch, in lockstep. Rank 0 is the run: it
alone hears orders, reports, draws and saves. What it hears it tells the others before each step.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import msgspec
import torch
import torch.distributed as dist

from lorad.shared.messages import Assignment

log = logging.getLogger(__name__)
T = TypeVar("T")
PATIENCE = timedelta(hours=6)
"""Others wait so long for rank 0 to encode, draw or save."""
MEETING = "LORAD_MEETING"
"""Names the file through which the processes find each other."""


class Peers:
    """The processes of one run, seen from one of them; alone, every question answers itself."""

    def __init__(
        self, rank: int = 0, count: int = 1, spawned: Sequence[subprocess.Popen[bytes]] = ()
    ):
        """`spawned` are the others, where this is rank 0."""
        self.rank = rank
        self.count = count
        self._spawned = spawned
        self._ending = False
        self._host = dist.new_group(backend="gloo", timeout=PATIENCE) if count > 1 else None
        for process in spawned:
            threading.Thread(target=self._watch, args=(process,), daemon=True).start()

    @property
    def leads(self) -> bool:
        """Whether this process is the run."""
        return self.rank == 0

    def hear(self, said: T) -> T:
        """What rank 0 says; what the others would say does not count."""
        if self._host is None:
            return said
        box = [said]
        dist.broadcast_object_list(box, src=0, group=self._host)
        return box[0]

    def any(self, flag: bool) -> bool:
        """Whether it is so for one of them."""
        if self._host is None:
            return flag
        told = torch.tensor([int(flag)])
        dist.all_reduce(told, op=dist.ReduceOp.MAX, group=self._host)
        return bool(told.item())

    def sum(self, gradients: list[torch.Tensor], loss: torch.Tensor) -> torch.Tensor:
        """Add everybody's gradients together in place; everybody's loss, added up."""
        if self._host is None:
            return loss
        flat = torch.cat([*(gradient.flatten().float() for gradient in gradients), loss.view(1)])
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
            dist.barrier(group=self._host)

    def end(self) -> None:
        """Have the others gone."""
        self._ending = True
        for process in self._spawned:
            process.kill()
            process.wait()
        if self.count > 1 and dist.is_initialized():
            dist.destroy_process_group()

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        if not self._ending:
            # The others wait in a collective that can no longer end; the daemon queues a run that
            # died again, and its last checkpoint is whole.
            log.error("A process of this run died (%s), so it ends here.", code)
            logging.shutdown()
            os._exit(1)


def gather(task: Assignment) -> Peers:
    """Start the other processes that the recipe asks for, and meet them.

    Called by rank 0; the others come through `python -m lorad.daemon.training.peer`.
    """
    count = task.recipe.train.num_processes
    if count == 1:
        return Peers()
    meeting = Path(tempfile.mkdtemp(prefix="lorad-")) / "meeting"
    spawned = []
    for rank in range(1, count):
        process = subprocess.Popen(
            [sys.executable, "-m", "lorad.daemon.training.peer"],
            stdin=subprocess.PIPE,
            env={**os.environ, **_place(rank, count), MEETING: str(meeting)},
        )
        assert process.stdin is not None
        with process.stdin as pipe:
            pipe.write(msgspec.msgpack.encode(task))
        spawned.append(process)
    os.environ.update(_place(0, count))
    return meet(meeting, 0, count, spawned)


def meet(
    meeting: Path, rank: int, count: int, spawned: Sequence[subprocess.Popen[bytes]] = ()
) -> Peers:
    """Join the others through a file that only this user reads, not an open port."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(rank)
    dist.init_process_group(
        backend="nccl" if cuda else "gloo",
        init_method=f"file://{meeting}",
        rank=rank,
        world_size=count,
        timeout=PATIENCE,
    )
    return Peers(rank, count, spawned)


def _place(rank: int, count: int) -> dict[str, str]:
    """What accelerate reads to learn where it is."""
    return {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count)}
