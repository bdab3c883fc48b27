"""What keeps a job from starting, whatever the cards say: each rule is a sentence or nothing.

`decide` starts nobody of whom a rule has something to say, and `why` says it: they cannot differ.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from lorad.daemon.board import Board
from lorad.shared.jobs import Done, Ended, Job

Rule = Callable[[Job, Board], str]


def drained(job: Job, board: Board) -> str:
    """Nothing starts while the queue is drained."""
    if not board.now.draining:
        return ""
    return (
        f"Job {job.id} waits: the queue is drained, so nothing starts."
        " `lorad drain --end` lets jobs start again."
    )


def paused_group(job: Job, board: Board) -> str:
    """Nothing of a paused group starts."""
    group = board.group(job)
    if not group.paused:
        return ""
    because = f", since {group.cause.rstrip('.')}" if group.cause else ""
    return (
        f"Job {job.id} waits: its group {group.name} is paused{because}."
        f" `lorad group resume {group.name}` lets it start."
    )


def unfinished(job: Job, board: Board) -> str:
    """It starts when those that it comes after are done."""
    awaited = [(id, board.jobs.get(id)) for id in job.after]
    missing = [(id, other) for id, other in awaited if not (other and _is_done(other))]
    if not missing:
        return ""
    told = ", ".join(_told(id, other) for id, other in missing)
    lost = any(other is None or isinstance(other.status, Ended) for _, other in missing)
    hint = f" `lorad update {job.id} --after none` lets it start without." if lost else ""
    return f"Job {job.id} starts after {told}.{hint}"


def _is_done(job: Job) -> bool:
    return isinstance(job.status, Done)


def _told(id: int, job: Job | None) -> str:
    if job is None:
        return f"job {id}, which is gone"
    if not isinstance(job.status, Ended):
        return f"job {id} ({job.name})"
    happened = "failed" if job.state == "failed" else f"was {job.state}"
    return f"job {id} ({job.name}), which {happened}"


def too_early(job: Job, board: Board) -> str:
    """It starts at its time, or later."""
    if job.start_after is None or board.now.time >= job.start_after:
        return ""
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(job.start_after))
    cause = f" {job.reason[:1].upper()}{job.reason[1:].rstrip('.')}." if job.reason else ""
    return (
        f"Job {job.id} starts at {at}, in {_duration(job.start_after - board.now.time)}, or later."
        f"{cause} `lorad update {job.id} --delay none` lets it start now."
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(1, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    named = ((days, "d"), (hours, "h"), (minutes, "m"), (rest, "s"))
    return " ".join([f"{count}{unit}" for count, unit in named if count][:2])


def absent_cards(job: Job, board: Board) -> str:
    """It has the cards that it or its group names, or none; not the CPU in their place."""
    group = board.group(job)
    if not (job.gpus or group.gpus) or board.usable(job):
        return ""
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
    return f"Job {job.id} waits for {which}. {hint}"


def full_group(job: Job, board: Board) -> str:
    """No more jobs of a group run than it has slots."""
    group = board.group(job)
    if not group.slots or board.running(group.name) < group.slots:
        return ""
    holders = [other for other in board.active if other.group == group.name]
    slots = "the one slot" if group.slots == 1 else f"one of the {group.slots} slots"
    return f"Job {job.id} waits for {slots} of its group {group.name}, held by {named(holders)}."


def full_box(job: Job, board: Board) -> str:
    """On a box without cards one job trains at a time, or as many as its group has slots."""
    if board.now.gpus or len(board.active) < max(1, board.group(job).slots):
        return ""
    if len(board.active) > 1:
        return f"Job {job.id} waits for the jobs that train on the CPU: {named(board.active)}."
    first = board.active[0]
    return (
        f"Job {job.id} waits for job {first.id} ({first.name}): one trains at a time on a box"
        " without a GPU."
    )


def named(jobs: Sequence[Job], most: int = 8) -> str:
    """Jobs as sentences call them; no more than eight by name."""
    names = ", ".join(f"job {job.id} ({job.name})" for job in jobs[:most])
    return f"{names} and {len(jobs) - most} more" if len(jobs) > most else names


TERMS: tuple[Rule, ...] = (drained, paused_group, unfinished, too_early, absent_cards)
"""Whoever is held back by one of these is not in line."""
PLACES: tuple[Rule, ...] = (full_group, full_box)
"""Those who are in line wait for one of these to be free."""


def held_back(job: Job, board: Board, rules: Iterable[Rule] = (*TERMS, *PLACES)) -> str:
    """What the first of the rules says that has something to say; else nothing."""
    return next((sentence for rule in rules if (sentence := rule(job, board))), "")
