"""What somebody may ask of a job's and a group's terms: cards by name, an order without circles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from lorad.shared.errors import GroupUnfit, TooFewCards, TooFewNamed, UnknownCard, WaitsForItself
from lorad.shared.jobs import Done, Gpu, Group, Job

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
MAX_SLOTS = 10_000


def find_cards(names: Iterable[str], gpus: Sequence[Gpu]) -> tuple[str, ...]:
    """The UUIDs of the cards of these names: indices, UUIDs, or how a UUID begins.

    Raises:
        UnknownCard: a name is of none, or of several.
    """
    found = [_find_card(name.strip(), gpus) for name in names]
    return tuple(dict.fromkeys(found))


def _find_card(name: str, gpus: Sequence[Gpu]) -> str:
    if name.isascii() and name.isdigit():
        matching = [gpu for gpu in gpus if gpu.index == int(name)]
    else:
        begins = (name, f"GPU-{name}")
        matching = [gpu for gpu in gpus if name and gpu.uuid.startswith(begins)]
    if len(matching) == 1:
        return matching[0].uuid
    if matching:
        there = f"That could be {_listed(matching)}."
    else:
        there = f"There are {_listed(gpus)}." if gpus else "This box has no GPU that can be used."
    raise UnknownCard(name=name, there=there)


def _listed(gpus: Sequence[Gpu]) -> str:
    return ", ".join(f"{gpu.index} ({gpu.name}, {gpu.uuid})" for gpu in gpus)


def refuse_circle(job_id: int, after: Iterable[int], jobs: Iterable[Job]) -> None:
    """A job that waits for one that waits for it would never start.

    Raises:
        WaitsForItself: it is so.
    """
    waits = {job.id: job.after for job in jobs if not isinstance(job.status, Done)}
    for other in after:
        seen, reached = set[int](), [other]
        while reached:
            at = reached.pop()
            if at == job_id:
                raise WaitsForItself(id=job_id, other=other)
            if at not in seen:
                seen.add(at)
                reached.extend(waits.get(at, ()))


def refuse_too_wide(wanted: int, gpus: Sequence[Gpu]) -> None:
    """A job that wants more cards than there are would wait for ever.

    Raises:
        TooFewCards: it does.
    """
    if 0 < len(gpus) < wanted:
        raise TooFewCards(wanted=wanted, count=len(gpus))


def refuse_too_few(wanted: int, group: Group, gpus: Sequence[str]) -> None:
    """A job that may have fewer cards than it wants at once would wait for ever.

    Raises:
        TooFewNamed: it is so.
    """
    if not (gpus or group.gpus):
        return
    allowed = [gpu for gpu in gpus or group.gpus if not group.gpus or gpu in group.gpus]
    if len(allowed) >= wanted:
        return
    told = ", ".join(allowed) or f"the ones it names are not of its group {group.name}"
    raise TooFewNamed(wanted=wanted, count=len(allowed) or "none", whose=told)


def refuse_unfit(group: Group) -> None:
    """A group has a name that commands can say, and a sensible number of slots.

    Raises:
        GroupUnfit: it does not.
    """
    if not NAME.fullmatch(group.name):
        raise GroupUnfit(
            why="its name is up to 32 letters, digits, dots, dashes and underscores, and begins"
            " with a letter or a digit"
        )
    if not 0 <= group.slots <= MAX_SLOTS:
        raise GroupUnfit(why=f"it has from 0 to {MAX_SLOTS} slots, 0 meaning no limit")
