"""What keeps a job from starting, whatever the cards are doing: each rule says something or not.

`decide` starts nobody of whom a rule has something to say, `why` says it in a sentence, and `turns`
in the few words that a line of the queue has room for: they cannot differ.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from lorad.daemon.scheduler.board import GIB, Board, Now
from lorad.shared.jobs import Active, Done, Ended, Job, Queued, Turn


class Said(NamedTuple):
    """What a rule has to say of a job."""

    sentence: str
    turn: Turn


Rule = Callable[[Job, Board], Said | None]
IN_LINE = Turn(kind="line")


def drained(job: Job, board: Board) -> Said | None:
    """Nothing starts while the queue is drained."""
    if not board.now.draining:
        return None
    return Said(
        f"Job {job.id} waits: the queue is drained, so nothing starts."
        " `lorad drain --end` lets jobs start again.",
        Turn(kind="drain", words="the queue is drained", lasting=True),
    )


def paused_group(job: Job, board: Board) -> Said | None:
    """Nothing of a paused group starts."""
    group = board.group(job)
    if not group.paused:
        return None
    because = f", since {group.cause.rstrip('.')}" if group.cause else ""
    return Said(
        f"Job {job.id} waits: its group {group.name} is paused{because}."
        f" `lorad group resume {group.name}` lets it start.",
        Turn(kind="group", words=f"group {group.name} is paused", lasting=True),
    )


def unfinished(job: Job, board: Board) -> Said | None:
    """It starts when those that it comes after are done."""
    awaited = [(id, board.jobs.get(id)) for id in job.after]
    missing = [(id, other) for id, other in awaited if not (other and _is_done(other))]
    if not missing:
        return None
    told = ", ".join(_told(id, other) for id, other in missing)
    lost = {id: _lost(other) for id, other in missing if _lost(other)}
    hint = f" `lorad update {job.id} --after none` lets it start without." if lost else ""
    others = [id for id, _ in missing if id not in lost]
    words = [f"after {id}, which {what}" for id, what in lost.items()]
    words += [f"after {_few(others)}"] if others else []
    stands = any(not isinstance(other.status, Active | Queued) for _, other in missing if other)
    turn = Turn(kind="after", words="; ".join(words), lasting=bool(lost) or stands)
    return Said(f"Job {job.id} starts after {told}.{hint}", turn)


def _is_done(job: Job) -> bool:
    return isinstance(job.status, Done)


def _lost(job: Job | None) -> str:
    """What happened to a job that will not be done; empty for one that may be yet."""
    if job is None:
        return "is gone"
    if not isinstance(job.status, Ended):
        return ""
    return "failed" if job.state == "failed" else f"was {job.state}"


def _told(id: int, job: Job | None) -> str:
    name = f" ({job.name})" if job else ""
    lost = _lost(job)
    return f"job {id}{name}, which {lost}" if lost else f"job {id}{name}"


def _few(ids: Sequence[int], most: int = 4) -> str:
    names = ", ".join(map(str, ids[:most]))
    return f"{names} and {len(ids) - most} more" if len(ids) > most else names


def too_early(job: Job, board: Board) -> Said | None:
    """It starts at its time, or later."""
    if job.start_after is None or board.now.time >= job.start_after:
        return None
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(job.start_after))
    cause = f" {job.reason[:1].upper()}{job.reason[1:].rstrip('.')}." if job.reason else ""
    return Said(
        f"Job {job.id} starts at {at}, in {_duration(job.start_after - board.now.time)}, or later."
        f"{cause} `lorad update {job.id} --delay none` lets it start now.",
        Turn(kind="time", words=f"not before {at}"),
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(1, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    named = ((days, "d"), (hours, "h"), (minutes, "m"), (rest, "s"))
    return " ".join([f"{count}{unit}" for count, unit in named if count][:2])


def absent_cards(job: Job, board: Board) -> Said | None:
    """It has the cards that it or its group names, or none; not the CPU in their place."""
    group = board.group(job)
    if not (job.gpus or group.gpus) or board.named(job):
        return None
    here = {gpu.uuid for gpu in board.now.gpus}
    if job.gpus and not here.intersection(job.gpus):
        which = f"{', '.join(job.gpus)}, which this box does not have now"
        hint = f"`lorad update {job.id} --gpu any` lets it have another."
    elif group.gpus and not here.intersection(group.gpus):
        which = f"a card of its group {group.name}, and this box has none of them now"
        hint = f"`lorad group set {group.name} --gpu any` gives the group all there are."
    else:
        which = f"{', '.join(job.gpus)}, which its group {group.name} may not use"
        hint = f"`lorad update {job.id} --gpu any` lets it have one of the group's."
    turn = Turn(kind="cards", words="its cards are not there", lasting=True)
    return Said(f"Job {job.id} waits for {which}. {hint}", turn)


def broken_cards(job: Job, board: Board) -> Said | None:
    """It has no card that its driver says must be reset, nor the CPU in its place."""
    if not board.now.gpus or board.usable(job):
        return None
    told = "; ".join(f"GPU {gpu.index}: {gpu.unusable}" for gpu in board.named(job))
    turn = Turn(kind="cards", words="no card of its works", lasting=True)
    return Said(f"Job {job.id} waits for a card that works. {told}.", turn)


def too_large(job: Job, board: Board) -> Said | None:
    """The cards that it may have can hold it, or it waits for ever."""
    need, usable = board.need(job), board.usable(job)
    if not board.now.gpus:
        return None
    whose = "this box has" if len(usable) == len(board.now.gpus) else "it may use"
    if need.cards > len(usable):
        # A divisor, since the processes share the batch evenly.
        most = max(n for n in range(1, len(usable) + 1) if need.cards % n == 0)
        have = "one" if len(usable) == 1 else f"{len(usable)}"
        return Said(
            f"Job {job.id} waits for {need.cards} cards at once, and {whose} {have}."
            f" `lorad set {job.id} num_processes={most}` lets it start.",
            Turn(kind="size", words=f"{need.cards} cards at once, {whose} {have}", lasting=True),
        )
    if sum(gpu.memory_total_bytes >= need.memory for gpu in usable) >= need.cards:
        return None
    where = "here" if len(usable) == len(board.now.gpus) else "that it may use"
    nobody = f"no card {where} has" if need.cards == 1 else f"not so many cards {where} have"
    return Said(
        f"Job {job.id} waits for {need.memory / GIB:.1f} GiB of free memory, and {nobody} that"
        f" much. `lorad set {job.id} gpu_memory_gib=0` leaves it to an estimate.",
        Turn(kind="size", words=f"{nobody} {need.memory / GIB:.1f} GiB", lasting=True),
    )


def full_group(job: Job, board: Board) -> Said | None:
    """No more jobs of a group run than it has slots."""
    group = board.group(job)
    if not group.slots or board.running(group.name) < group.slots:
        return None
    holders = [other for other in board.active if other.group == group.name]
    slots = "the one slot" if group.slots == 1 else f"one of the {group.slots} slots"
    return Said(
        f"Job {job.id} waits for {slots} of its group {group.name}, held by {named(holders)}.",
        Turn(kind="slots", words=f"a slot of {group.name}"),
    )


def full_box(job: Job, board: Board) -> Said | None:
    """On a box without cards one job trains at a time, or as many as its group has slots."""
    if board.now.gpus or len(board.active) < max(1, board.group(job).slots):
        return None
    if len(board.active) > 1:
        told = f"Job {job.id} waits for the jobs that train on the CPU: {named(board.active)}."
        return Said(told, IN_LINE)
    first = board.active[0]
    return Said(
        f"Job {job.id} waits for job {first.id} ({first.name}): one trains at a time on a box"
        " without a GPU.",
        IN_LINE,
    )


def named(jobs: Sequence[Job], most: int = 8) -> str:
    """Jobs as sentences call them; no more than eight by name."""
    names = ", ".join(f"job {job.id} ({job.name})" for job in jobs[:most])
    return f"{names} and {len(jobs) - most} more" if len(jobs) > most else names


TERMS: tuple[Rule, ...] = (
    drained,
    paused_group,
    unfinished,
    too_early,
    absent_cards,
    broken_cards,
    too_large,
)
"""Whoever is held back by one of these is not in line."""
PLACES: tuple[Rule, ...] = (full_group, full_box)
"""Those who are in line wait for one of these to be free."""
RULES = (*TERMS, *PLACES)


def held_back(job: Job, board: Board, rules: Iterable[Rule] = RULES) -> Said | None:
    """What the first of the rules says that has something to say."""
    return next((said for rule in rules if (said := rule(job, board)) is not None), None)


def standing(jobs: Iterable[Job], board: Board) -> dict[int, Turn]:
    """How these waiting jobs stand; those that are alike are looked at once."""
    found: dict[int, Turn] = {}
    known: dict[object, Turn] = {}
    for job in jobs:
        alone = bool(job.after) or job.start_after is not None
        wish = job.id if alone else (job.group, job.gpus, board.need(job))
        if wish not in known:
            said = held_back(job, board)
            known[wish] = IN_LINE if said is None else said.turn
        found[job.id] = known[wish]
    return found


def turns(now: Now) -> dict[int, Turn]:
    """How all waiting jobs stand, by their numbers."""
    board = Board(now)
    waiting = [job for job in now.jobs if isinstance(job.status, Queued)]
    found = standing(waiting, board)
    behind = defaultdict(list)
    for job in waiting:
        for id in job.after:
            behind[id].append(job.id)
    # Who waits for one that waits for ever does so too.
    stuck = [id for id, turn in found.items() if turn.lasting]
    while stuck:
        for id in behind[stuck.pop()]:
            if not found[id].lasting:
                found[id] = replace(found[id], lasting=True)
                stuck.append(id)
    return found
