"""Who has what: the values that a start is decided from, and a board to look them up on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lorad.shared.jobs import Gpu, Group, Job, Queued

GIB = 1 << 30


class Need(NamedTuple):
    """What a job must find."""

    memory: int = 0
    """Free bytes on each card."""
    cards: int = 1
    """At once."""


@dataclass(frozen=True, kw_only=True)
class Now:
    """All that is looked at when it is decided who starts."""

    jobs: Sequence[Job]
    gpus: Sequence[Gpu] = ()
    needs: Mapping[int, Need] = field(default_factory=dict)
    """Of the jobs that wait or run, by their numbers."""
    groups: Mapping[str, Group] = field(default_factory=dict)
    held: Mapping[tuple[int, str], int] = field(default_factory=dict)
    """Bytes that a job's processes have on a card, by its number and the card's UUID; missing where
    the driver does not tell."""
    time: float = 0.0
    """Seconds since the epoch."""
    draining: bool = False


class Board:
    """The cards and slots as they are, and as they are once somebody more has started."""

    def __init__(self, now: Now) -> None:
        """What runs now has what it has."""
        self.now = now
        self.jobs = {job.id: job for job in now.jobs}
        self.active: list[Job] = []
        self._running: Counter[str] = Counter()
        self._on: dict[str, list[Job]] = {gpu.uuid: [] for gpu in now.gpus}
        self._kept: set[str] = set()
        self._has_kept_free = self._has_kept_held = False
        self._shared: dict[str, bool] = {}
        for job in now.jobs:
            if job.process is not None:
                self.take(job, job.process.gpus)

    def take(self, job: Job, gpus: Sequence[str]) -> None:
        """The job runs, on these cards."""
        self.active.append(job)
        self._running[job.group] += 1
        for uuid in gpus:
            self._on.setdefault(uuid, []).append(job)

    # -- groups -------------------------------------------------------------------------------

    def group(self, job: Job) -> Group:
        """The job's group."""
        return self.now.groups.get(job.group) or Group(name=job.group)

    def running(self, group: str) -> int:
        """How many jobs of a group have a process."""
        return self._running[group]

    def shares(self, job: Job) -> bool:
        """Whether the job may have a card together with others: more slots than cards say so."""
        if job.group not in self._shared:
            group = self.group(job)
            cards = [gpu for gpu in self.now.gpus if not group.gpus or gpu.uuid in group.gpus]
            self._shared[job.group] = group.slots > len(cards)
        return self._shared[job.group]

    # -- cards --------------------------------------------------------------------------------

    def need(self, job: Job) -> Need:
        """What the job must find."""
        return self.now.needs.get(job.id) or Need()

    def usable(self, job: Job) -> list[Gpu]:
        """The cards that the job and its group name, whoever is on them, but for broken ones."""
        return [gpu for gpu in self.named(job) if not gpu.unusable]

    def named(self, job: Job) -> list[Gpu]:
        """The cards that the job and its group name."""
        ours, own = self.group(job).gpus, job.gpus
        return [
            gpu
            for gpu in self.now.gpus
            if (not ours or gpu.uuid in ours) and (not own or gpu.uuid in own)
        ]

    def on(self, gpu: Gpu) -> list[Job]:
        """The jobs of ours on a card."""
        return self._on[gpu.uuid]

    def open(self, job: Job) -> list[Gpu]:
        """The usable cards that the job could join: empty, or with none but who shares, like it."""
        shares = self.shares(job)
        return [
            gpu
            for gpu in self.usable(job)
            if gpu.uuid not in self._kept
            if not self.on(gpu) or (shares and all(map(self.shares, self.on(gpu))))
        ]

    def free_memory(self, gpu: Gpu) -> int:
        """Bytes that nobody has, and that none of our jobs there is still to take.

        A job that loads shows little on its card yet. Of one whose memory the driver does not
        tell, the whole need is counted once more: too much, so that nobody runs out of it.
        """
        free = gpu.memory_total_bytes - gpu.memory_used_bytes
        for job in self.on(gpu):
            held = self.now.held.get((job.id, gpu.uuid), 0)
            free -= max(0, self.need(job).memory - held)
        return free

    def fitting(self, job: Job) -> list[Gpu]:
        """The open cards with the memory, best first.

        An empty one before a shared one; then the smallest, so that the large ones stay for who
        needs them; then the emptiest.
        """
        needed = self.need(job).memory
        found = [gpu for gpu in self.open(job) if self.free_memory(gpu) >= needed]
        return sorted(found, key=self._rank)

    def _rank(self, gpu: Gpu) -> tuple[int, int, int, int]:
        free = self.free_memory(gpu)
        return (len(self.on(gpu)), gpu.memory_total_bytes, -free, gpu.index)

    def keep(self, job: Job, fitting: Sequence[Gpu]) -> None:
        """Keep what a job that must wait waits for from those behind it.

        Only where it comes when jobs of ours end: nobody knows when strangers go. The first in
        line alone keeps, or those behind would wait for more than is ever used: the first one that
        wants several cards keeps those that fit and are free already, and the first one at all
        keeps others from joining the cards that it could have.
        """
        need = self.need(job)
        held = [gpu for gpu in self.usable(job) if gpu not in fitting and self._may_come(gpu, need)]
        missing = need.cards - len(fitting)
        if len(held) < missing:
            return
        if need.cards > 1 and not self._has_kept_free:
            self._has_kept_free = True
            self._kept |= {gpu.uuid for gpu in fitting}
        if not self._has_kept_held:
            self._has_kept_held = True
            nearest = sorted(held, key=lambda gpu: (len(self.on(gpu)), gpu.index))
            self._kept |= {gpu.uuid for gpu in nearest[:missing]}

    def _may_come(self, gpu: Gpu, need: Need) -> bool:
        """Whether jobs of ours hold what is missing there."""
        held = [self.now.held.get((job.id, gpu.uuid)) for job in self.on(gpu)]
        known = [size for size in held if size is not None]
        strangers = gpu.memory_used_bytes - sum(known) if len(known) == len(held) else 0
        return bool(held) and gpu.memory_total_bytes - max(0, strangers) >= need.memory


def in_order(jobs: Sequence[Job]) -> list[Job]:
    """The queued ones, first to start first."""
    return sorted((job for job in jobs if isinstance(job.status, Queued)), key=rank)


def rank(job: Job) -> tuple[float, float, int]:
    """Priority, then place, then number: lower starts first."""
    return (-job.priority, job.position, job.id)


def memory_held(gpus: Iterable[Gpu]) -> dict[tuple[int, str], int]:
    """Bytes that each job has on each card, by its number and the card's UUID, where it is known.

    A driver tells none of what runs in another container.
    """
    found: dict[tuple[int, str], int] = {}
    for gpu in gpus:
        for process in gpu.processes:
            if process.job is not None and process.memory_bytes is not None:
                key = process.job, gpu.uuid
                found[key] = found.get(key, 0) + process.memory_bytes
    return found
