"""The queue as a whole: how many jobs do what, and how long all of it will take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from lorad.shared.jobs import Active, Done, Group, Held, Job, Queued, State
from lorad.tui.format import duration
from lorad.tui.mirror.order import Listing

GroupCounts = Mapping[tuple[str, bool], int]
"""By group, and whether they have a process."""
RECENT = 20
"""Ended runs whose pace counts where nothing trains."""


@dataclass(frozen=True)
class Waiting:
    """The work of the jobs that wait, as far as it can be told without what trains now."""

    seconds: float = 0.0
    """Of those that trained before, at their own pace."""
    steps: int = 0
    """Of those that never did."""
    unknown: int = 0
    """Jobs whose length only their data tell, or which start at a later time."""
    lasting: int = 0
    """Jobs that start when somebody does something; of these no work is counted."""


@dataclass(frozen=True)
class Totals:
    """What the header and `lorad status` say of the whole queue."""

    states: Mapping[State, int] = field(default_factory=dict)
    eta_seconds: float | None = None
    """Until nothing runs or waits; none where no pace was ever measured."""
    eta_complete: bool = True
    """False: it will take longer, since some job's length or pace is not known."""
    lasting: int = 0
    """Of those that wait, how many start only when somebody does something."""

    @property
    def training(self) -> int:
        """Jobs that have a card and use it; one that is held only keeps it."""
        return sum(self.states.get(s, 0) for s in ("starting", "running", "pausing", "finishing"))

    @property
    def waiting(self) -> int:
        """Jobs in the queue."""
        return self.states.get("queued", 0)


def waiting_work(jobs: Iterable[Job]) -> Waiting:
    """Of the queued ones among these."""
    seconds, steps, unknown, lasting = 0.0, 0, 0, 0
    for job in jobs:
        if not isinstance(job.status, Queued):
            continue
        if job.turn and job.turn.lasting:
            lasting += 1
            continue
        unknown += bool(job.turn and job.turn.kind == "time")
        pace, length = job.progress.seconds_per_step, job.max_train_steps
        if length is None:
            unknown += 1
        elif pace is None:
            steps += max(0, length - job.progress.step)
        else:
            seconds += max(0, length - job.progress.step) * pace
    return Waiting(seconds, steps, unknown, lasting)


def count(jobs: Iterable[Job]) -> Mapping[State, int]:
    """How many are in each state."""
    return Counter(job.state for job in jobs)


def known_pace(jobs: Iterable[Job]) -> float | None:
    """Seconds of one card for a step, the mean of what was measured on these jobs."""
    found = [(job.progress.seconds_per_step, card_count(job)) for job in jobs]
    measured = [pace * many for pace, many in found if pace is not None]
    return sum(measured) / len(measured) if measured else None


def eta(
    active: Sequence[Job], waiting: Waiting, slots: int, pace: float | None
) -> tuple[float | None, bool]:
    """Seconds until nothing runs or waits, and whether that is all of it.

    The work of all jobs spread evenly over the cards, `slots` of them, and never less than the
    longest of those that train now: what a queue comes to whose jobs are many and alike. Jobs that
    never trained are taken to be as fast as those that do, and on as many cards. One that is held
    is no work: it goes on when somebody says so.
    """
    going = [job for job in active if not isinstance(job.status, Held)]
    cards = max(1, slots)
    running = [
        (left, min(cards, card_count(job)))
        for job in going
        if (left := job.progress.eta_seconds) is not None
    ]
    known = [left for left, _ in running]
    complete = len(running) == len(going) and not waiting.unknown
    work = sum(left * many for left, many in running) + waiting.seconds
    if waiting.steps:
        complete = complete and pace is not None
        work += waiting.steps * (pace or 0.0)
    if not complete and not work:
        return None, False
    return max([work / cards, *known]), complete


def card_count(job: Job) -> int:
    """How many it has; one where it has none, or nobody knows yet."""
    return max(1, len(job.process.gpus)) if job.process else 1


def totals(jobs: Sequence[Job], slots: int) -> Totals:
    """Of these jobs, on so many cards."""
    active = [job for job in jobs if is_active(job)]
    pace = known_pace(active)
    if pace is None:
        pace = known_pace(newest(jobs))
    waiting = waiting_work(jobs)
    seconds, complete = eta(active, waiting, slots, pace)
    return Totals(count(jobs), seconds, complete, waiting.lasting)


def newest(jobs: Iterable[Job]) -> list[Job]:
    """The runs that were done last."""
    ended = [(job.status.finished, job) for job in jobs if isinstance(job.status, Done)]
    return [job for _, job in sorted(ended, key=lambda pair: -pair[0])[:RECENT]]


def eta_words(found: Totals) -> str:
    """How long it takes in words; empty where nothing runs or waits."""
    if not found.training and found.waiting <= found.lasting:
        return ""
    if found.eta_seconds is None:
        return "unknown"
    words = duration(found.eta_seconds)
    return words if found.eta_complete else f"over {words}"


def count_words(found: Totals) -> list[str]:
    """`2 training`, `5 waiting`, `1 paused` …: what there is, in this order."""
    states = found.states
    amounts = (
        (found.training, "training"),
        (found.waiting, "waiting"),
        (states.get("held", 0), "held"),
        (states.get("paused", 0), "paused"),
        (states.get("stashed", 0), "stashed"),
        (states.get("done", 0), "done"),
        (states.get("failed", 0), "failed"),
        (states.get("cancelled", 0), "cancelled"),
    )
    return [f"{amount} {word}" for amount, word in amounts if amount]


class Tally:
    """The totals of a listing; what only a change of state can change is counted only then."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self._order: Sequence[int] | None = None
        self._waiting = Waiting()
        self._states: Mapping[State, int] = {}
        self._pace: float | None = None

    def of(self, listing: Listing, slots: int) -> Totals:
        """Of all its jobs, on so many cards."""
        jobs = listing.jobs
        if listing.order is not self._order:
            self._order = listing.order
            self._waiting = waiting_work(jobs.values())
            self._states = count(jobs.values())
            self._pace = known_pace(newest(jobs.values()))
        active = list(takewhile(is_active, (jobs[id] for id in listing.order)))
        seconds, complete = eta(active, self._waiting, slots, known_pace(active) or self._pace)
        return Totals(self._states, seconds, complete, self._waiting.lasting)


class ByGroup:
    """How many jobs of each group run and wait; counted when a state changes."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self._order: Sequence[int] | None = None
        self._counts: GroupCounts = {}

    def of(self, listing: Listing) -> GroupCounts:
        """Of all its jobs."""
        if listing.order is not self._order:
            self._order = listing.order
            self._counts = count_groups(listing.jobs.values())
        return self._counts


def count_groups(jobs: Iterable[Job]) -> GroupCounts:
    """How many of each group have a process (true) and wait (false)."""
    return Counter(
        (job.group, is_active(job)) for job in jobs if isinstance(job.status, Active | Queued)
    )


def group_words(group: Group, counts: GroupCounts, cards: Mapping[str, str]) -> str:
    """How a group is: its slots, who waits, and what holds of it; `cards`: numbers by UUID."""
    running, waiting = counts.get((group.name, True), 0), counts.get((group.name, False), 0)
    parts = [f"{running} of {group.slots} slots taken" if group.slots else f"{running} running"]
    if waiting:
        parts.append(f"{waiting} waiting")
    if group.gpus:
        parts.append(f"on GPU {','.join(cards.get(uuid, uuid) for uuid in group.gpus)}")
    if group.on_failure == "stop":
        parts.append("stops on a failure")
    if group.paused:
        because = f" since {group.cause.rstrip('.')}" if group.cause else ""
        parts.append(f"paused{because}")
    return ", ".join(parts)


def is_active(job: Job) -> bool:
    """Whether it has a process."""
    return isinstance(job.status, Active)
