"""Which job starts where, and why the others wait. Values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from lorad.shared.jobs import Done, Gpu, Job, Paused, Queued
from lorad.shared.recipe import Recipe

GIB = 1 << 30


class Need(NamedTuple):
    """What a queued job must find."""

    memory: int = 0
    """Free bytes on each card."""
    cards: int = 1
    """At once."""


class Start(NamedTuple):
    """Begin this job on those cards; none on a box without any."""

    job_id: int
    gpus: tuple[str, ...]


def decide(jobs: Sequence[Job], gpus: Sequence[Gpu], needs: Mapping[int, Need]) -> list[Start]:
    """What to start now: one job a card, one on a box without; priority, then place.

    A job that the free cards cannot hold waits and does not keep the others from the cards that it
    cannot use. The first one in line that waits for several cards does keep those that it can use
    and that are free already, or small jobs would pass it for ever; but only where jobs of ours
    hold the rest of what it needs, since nobody knows when strangers go.
    """
    if not gpus:
        waiting = in_order(jobs)
        return [Start(waiting[0].id, ())] if waiting and not _active(jobs) else []
    free = {gpu.uuid: gpu for gpu in gpus if gpu.uuid not in _taken(jobs)}
    starts, reserved = [], False
    for job in in_order(jobs):
        need = needs.get(job.id, Need())
        fitting = sorted(_fitting(free.values(), need), key=_least)[: need.cards]
        if len(fitting) == need.cards:
            starts.append(Start(job.id, tuple(gpu.uuid for gpu in fitting)))
        elif reserved or need.cards == 1 or not _may_come(len(fitting), free, gpus, need):
            continue
        else:
            reserved = True
        for gpu in fitting:
            del free[gpu.uuid]
    return starts


def _may_come(fitting: int, free: Mapping[str, Gpu], gpus: Sequence[Gpu], need: Need) -> bool:
    """Whether there will be cards enough when the jobs that train now are gone."""
    held = [gpu for gpu in gpus if gpu.uuid not in free and gpu.memory_total_bytes >= need.memory]
    return fitting + len(held) >= need.cards


def in_order(jobs: Sequence[Job]) -> list[Job]:
    """The queued ones, first to start first."""
    waiting = [job for job in jobs if isinstance(job.status, Queued)]
    return sorted(waiting, key=_key)


def why(job: Job, jobs: Sequence[Job], gpus: Sequence[Gpu], needs: Mapping[int, Need]) -> str:
    """In one sentence: what the job waits for, or what it does."""
    if not isinstance(job.status, Queued):
        return _what_it_does(job)
    ahead = [other for other in in_order(jobs) if other.id != job.id]
    ahead = [other for other in ahead if _key(other) < _key(job)]
    if not gpus:
        return _why_without_gpu(job, ahead, _active(jobs))
    free = [gpu for gpu in gpus if gpu.uuid not in _taken(jobs)]
    need = needs.get(job.id, Need())
    if sentence := _why_never(job, gpus, need):
        return sentence
    if any(start.job_id == job.id for start in decide(jobs, gpus, needs)):
        return f"Job {job.id} starts now."
    if not free and all(gpu.memory_total_bytes >= need.memory for gpu in gpus):
        what = "a card" if need.cards == 1 else f"{need.cards} cards at once"
        return f"Job {job.id} waits for {what}, held by {_named(_active(jobs))}.{_queue(ahead)}"
    fitting = _fitting(free, need)
    if need.cards > 1 and len(free) < need.cards:
        verb = "is" if len(free) == 1 else "are"
        memory = ""
        if len(fitting) < len(free):
            has = "has" if len(fitting) == 1 else "have"
            memory = (
                f", and {len(fitting) or 'none'} of them {has} the {_gib(need.memory)} it wants"
            )
        return (
            f"Job {job.id} needs {need.cards} free cards, {len(free)} of {len(gpus)} {verb} free"
            f"{memory}.{_queue(ahead)}"
        )
    if len(fitting) < need.cards:
        return _why_no_memory(job, jobs, gpus, need)
    return f"Job {job.id} waits for the jobs ahead of it.{_queue(ahead)}"


def _why_no_memory(job: Job, jobs: Sequence[Job], gpus: Sequence[Gpu], need: Need) -> str:
    """Who holds the memory of the cards that are large enough: jobs of ours, or strangers."""
    taken = _taken(jobs)
    large = [gpu for gpu in gpus if gpu.memory_total_bytes >= need.memory]
    free = [gpu for gpu in large if gpu.uuid not in taken]
    if len(free) < need.cards:
        held = {gpu.uuid for gpu in large} & taken
        holders = [other for other in _active(jobs) if held & _taken([other])]
        what = "a card" if need.cards == 1 else f"{need.cards} cards"
        return (
            f"Job {job.id} waits for {what} of {_gib(need.memory)} or more, held by"
            f" {_named(holders)}."
        )
    best = max((gpu for gpu in free if _free_memory(gpu) < need.memory), key=_free_memory)
    where = "a card" if need.cards == 1 else f"each of {need.cards} cards"
    return (
        f"Job {job.id} waits for {_gib(need.memory)} of free memory on {where}: GPU {best.index}"
        f" has {_gib(_free_memory(best))} free, other programs hold the rest of its"
        f" {_gib(best.memory_total_bytes)}."
    )


def _named(jobs: Iterable[Job]) -> str:
    return ", ".join(f"job {job.id} ({job.name})" for job in jobs)


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"


def _why_never(job: Job, gpus: Sequence[Gpu], need: Need) -> str:
    """Why this box cannot hold the job at all; empty if it can."""
    if need.cards > len(gpus):
        # A divisor, since the processes share the batch evenly.
        most = max(n for n in range(1, len(gpus) + 1) if need.cards % n == 0)
        have = "one" if len(gpus) == 1 else f"{len(gpus)}"
        return (
            f"Job {job.id} waits for {need.cards} cards at once, and this box has {have}."
            f" `lorad set {job.id} num_processes={most}` lets it start."
        )
    if sum(gpu.memory_total_bytes >= need.memory for gpu in gpus) >= need.cards:
        return ""
    nobody = "no card here has" if need.cards == 1 else "not so many cards here have"
    return (
        f"Job {job.id} waits for {_gib(need.memory)} of free memory, and {nobody} that"
        f" much. `lorad set {job.id} gpu_memory_gib=0` leaves it to an estimate."
    )


def _why_without_gpu(job: Job, ahead: list[Job], active: list[Job]) -> str:
    if active:
        first = active[0]
        return (
            f"Job {job.id} waits for job {first.id} ({first.name}): one trains at a time on a box"
            f" without a GPU.{_queue(ahead)}"
        )
    if ahead:
        return f"Job {job.id} waits for the jobs ahead of it.{_queue(ahead)}"
    return f"Job {job.id} starts now."


def _queue(ahead: list[Job]) -> str:
    if not ahead:
        return " It is next."
    names = ", ".join(f"{job.id} ({job.name})" for job in ahead[:3])
    more = f" and {len(ahead) - 3} more" if len(ahead) > 3 else ""
    return f" Ahead of it: {names}{more}."


_DOING = {
    "stashed": "Job {id} is stashed; `lorad enqueue {id}` puts it in the queue.",
    "starting": "Job {id} is starting: {phase}.",
    "running": "Job {id} trains: {step}.",
    "pausing": "Job {id} writes its checkpoint and leaves the device.",
    "finishing": "Job {id} writes its last pictures and files.",
    "done": "Job {id} is done; its files are in {folder}.",
    "cancelled": "Job {id} was cancelled at {step}; `lorad resume {id}` goes on.",
}


def _what_it_does(job: Job) -> str:
    if job.status.__class__ is Paused:
        cause = getattr(job.status, "cause", "")
        because = f": {cause.rstrip('.')}" if cause else ""
        return f"Job {job.id} is paused{because}. `lorad resume {job.id}` lets it go on."
    if job.state == "failed":
        return f"Job {job.id} failed: {getattr(job.status, 'reason', '')}"
    of = "" if job.max_train_steps is None else f" of {job.max_train_steps}"
    doing = _DOING[job.state].format(
        id=job.id,
        step=f"step {job.progress.step}{of}",
        folder=job.folder,
        phase=job.progress.phase or "its process begins",
    )
    if isinstance(job.status, Done) and job.status.cause:
        return f"{doing} It {job.status.cause.rstrip('.')}."
    return f"{doing} Its newest note: {job.progress.note}" if job.progress.note else doing


def need_of(recipe: Recipe, gpus: Sequence[Gpu]) -> Need:
    """What a job of this recipe must find on a box with these cards."""
    cards = recipe.train.num_processes
    sizes = sorted((gpu.memory_total_bytes for gpu in gpus), reverse=True)
    smallest = sizes[min(cards, len(sizes)) - 1] if sizes else 0
    return Need(memory_needed(recipe, smallest), cards)


def memory_needed(recipe: Recipe, largest: int) -> int:
    """Bytes that each of a run's cards should have free: the recipe's word, else an estimate.

    An estimate puts jobs in their place and forbids none: it never asks for more than nine tenths
    of the `largest` card's bytes.

    The recipe does not say which model its base is, but whoever trains at 1024 and more trains one
    of the large ones: 8 GiB for SDXL's or SD 3's network in half precision and what it needs
    beside its activations, 3 GiB for a U-Net of Stable Diffusion 1.x. The activations grow with
    the pixels of a card's share of the batch: 1.5 GiB a picture of 512x512, a third of it with
    gradient checkpointing, which "auto" turns on where it must.
    """
    train = recipe.train
    if train.gpu_memory_gib:
        return int(train.gpu_memory_gib * GIB)
    pixels = train.train_batch_size / train.num_processes * (train.resolution / 512) ** 2
    network = 8.0 if train.resolution >= 1024 else 3.0
    a_picture = 1.5 if train.gradient_checkpointing is False else 0.5
    return min(int((network + a_picture * pixels) * GIB), largest * 9 // 10)


def _active(jobs: Sequence[Job]) -> list[Job]:
    return [job for job in jobs if job.process is not None]


def _taken(jobs: Sequence[Job]) -> set[str]:
    return {gpu for job in jobs if job.process is not None for gpu in job.process.gpus}


def _fitting(gpus: Iterable[Gpu], need: Need) -> list[Gpu]:
    return [gpu for gpu in gpus if _free_memory(gpu) >= need.memory]


def _least(gpu: Gpu) -> tuple[int, int, int]:
    """The smallest card first, so that the large ones stay for who needs them; the emptiest."""
    return (gpu.memory_total_bytes, -_free_memory(gpu), gpu.index)


def _free_memory(gpu: Gpu) -> int:
    return gpu.memory_total_bytes - gpu.memory_used_bytes


def _key(job: Job) -> tuple[int, float, int]:
    return (-job.priority, job.position, job.id)
