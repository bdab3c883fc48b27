"""The order in which people look for jobs, kept from one look to the next.

Ten thousand jobs are sorted once. A job that only moves on changes nothing in the order, one that
changes its state is taken out and put where it belongs now.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lorad.shared.clean import clean_line
from lorad.shared.jobs import Active, Gpu, Job, Paused, Queued, Stashed, Status, Turn

Rank = tuple[float, float, float, float, int]
Cards = Mapping[str, tuple[int, str]]
"""Number and name of a card by its UUID."""
UNSEEN = (-1, "")
IN_LINE = Turn(kind="line")
FEW = 64
"""Up to so many jobs are put in their new places one by one; more are sorted anew."""


class Section(NamedTuple):
    """Jobs that belong together, by what they do and where."""

    title: str
    begin: int
    """The place of its first job in the order."""
    size: int


@dataclass(frozen=True)
class Listing:
    """The jobs in their order. The same order is the same object for as long as it holds."""

    jobs: Mapping[int, Job] = field(default_factory=dict)
    order: Sequence[int] = ()
    """Numbers of jobs."""
    sections: tuple[Section, ...] = ()
    cards: Cards = field(default_factory=dict)


def listed(before: Listing, jobs: Mapping[int, Job], gpus: Sequence[Gpu] = ()) -> Listing:
    """The listing of these jobs, made of the one before with as little work as may be."""
    cards = {gpu.uuid: (gpu.index, gpu.name) for gpu in gpus}
    same_cards = cards == before.cards
    if jobs is before.jobs and same_cards:
        return before
    old = before.jobs
    changed = [job for id, job in jobs.items() if old.get(id) is not job]
    gone = [job for id, job in old.items() if id not in jobs]
    moved = [job for job in changed if _moved(old.get(job.id), job, cards)]
    if same_cards and not gone and not moved:
        return Listing(jobs, before.order, before.sections, before.cards)

    def rank(id: int) -> Rank:
        return rank_of(jobs[id], cards)

    if same_cards and len(gone) + len(moved) <= FEW and before.order:
        taken = {job.id for job in (*gone, *moved)}
        order = [id for id in before.order if id not in taken]
        for job in moved:
            insort(order, job.id, key=rank)
    else:
        order = sorted(jobs, key=rank)
    return Listing(jobs, order, _sections(jobs, order, cards), cards)


def _moved(before: Job | None, job: Job, cards: Cards) -> bool:
    """Whether it may stand elsewhere, be found by other words, or count for another time."""
    if before is None or before.status.__class__ is not job.status.__class__:
        return True
    if before.turn != job.turn or before.group != job.group:
        return True
    if before.name != job.name or before.max_train_steps != job.max_train_steps:
        return True
    return rank_of(before, cards) != rank_of(job, cards)


def in_order(jobs: Iterable[Job], gpus: Iterable[Gpu] = ()) -> list[Job]:
    """As people look for them: what trains, what waits in its order, what is kept, what ended."""
    cards = {gpu.uuid: (gpu.index, gpu.name) for gpu in gpus}
    return sorted(jobs, key=lambda job: rank_of(job, cards))


def rank_of(job: Job, cards: Cards) -> Rank:
    """Its section first, then its place in it. What trains stands by its first card's number."""
    status: Status = job.status
    if isinstance(status, Active):
        number, _ = cards.get(status.process.gpus[0], UNSEEN) if status.process.gpus else UNSEEN
        return 0, number, 0, 0, job.id
    if isinstance(status, Queued):
        return 1, 0, -job.priority, job.position, job.id
    if isinstance(status, Paused):
        return 2, 0, -job.priority, job.position, job.id
    if isinstance(status, Stashed):
        return 3, 0, -job.priority, job.position, job.id
    return 4, 0, -status.finished, 0, job.id


TITLES = {1: "waiting", 2: "paused", 3: "stashed", 4: "ended"}


def _sections(jobs: Mapping[int, Job], order: Sequence[int], cards: Cards) -> tuple[Section, ...]:
    """Where each begins, found by halving: nobody walks over all jobs for it."""

    def group(id: int) -> tuple[float, float]:
        return rank_of(jobs[id], cards)[:2]

    found: list[Section] = []
    begin = 0
    while begin < len(order):
        kind = group(order[begin])
        end = bisect_left(order, (kind[0], kind[1] + 0.5), begin, key=group)
        found.append(Section(_title(jobs[order[begin]], kind, cards), begin, end - begin))
        begin = end
    return tuple(found)


def _title(job: Job, kind: tuple[float, float], cards: Cards) -> str:
    if kind[0]:
        return TITLES[int(kind[0])]
    if kind[1] < 0:
        # A card that is not seen now, or the box's processor.
        return "on a card that is not seen" if job.process and job.process.gpus else "on the CPU"
    name = next(name for number, name in cards.values() if number == kind[1])
    return f"on GPU {kind[1]:.0f}  {clean_line(name, 40)}"


def sifted(listing: Listing, text: str) -> Listing:
    """Only the jobs that have all these words in their number, name or state."""
    words = text.lower().split()
    if not words:
        return listing
    fits = _sieve(words)
    order = [id for id in listing.order if fits(listing.jobs[id])]
    return Listing(
        listing.jobs, order, _sections(listing.jobs, order, listing.cards), listing.cards
    )


def _sieve(words: Sequence[str]) -> Callable[[Job], bool]:
    def fits(job: Job) -> bool:
        name, state, number = job.name.lower(), job.state, str(job.id)
        return all(
            word in name
            or state.startswith(word)
            or word.lstrip("#") == number
            or word == job.group.lower()
            for word in words
        )

    return fits


def places(listing: Listing) -> Mapping[int, int]:
    """The place of each job that is in a line, 1 at the front, in a listing of all jobs.

    Those who wait for a slot of a group are a line of their own.
    """
    lines: Counter[Turn] = Counter()
    found: dict[int, int] = {}
    for section in listing.sections:
        for id in listing.order[section.begin : section.begin + section.size]:
            job = listing.jobs[id]
            if not isinstance(job.status, Queued):
                break  # nobody of this section waits
            if job.turn is None or job.turn.in_line:
                line = job.turn or IN_LINE
                lines[line] += 1
                found[id] = lines[line]
    return found


def waiting(jobs: Mapping[int, Job]) -> list[int]:
    """The jobs that wait, from the front on."""
    return [job.id for job in in_order(jobs.values()) if isinstance(job.status, Queued)]
