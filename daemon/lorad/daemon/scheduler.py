"""Which job starts where, and why the others wait. Values in, values out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lorad.shared.jobs import Gpu, Job, Paused, Queued
from lorad.shared.recipe import Recipe

GIB = 1 << 30


class Start(NamedTuple):
    """Begin this job on that card; none on a box without one."""

    job_id: int
    gpu: str | None


def decide(jobs: Sequence[Job], gpus: Sequence[Gpu], needs: Mapping[int, int]) -> list[Start]:
    """What to start now: one job a card, one on a box without; priority, then place.

    `needs` is the free memory in bytes that a queued job must find. One that no free card can
    hold waits and does not keep the others from the cards that it cannot use.
    """
    if not gpus:
        waiting = in_order(jobs)
        return [Start(waiting[0].id, None)] if waiting and not _active(jobs) else []
    free = {gpu.uuid: gpu for gpu in gpus if gpu.uuid not in _taken(jobs)}
    starts = []
    for job in in_order(jobs):
        fitting = [gpu for gpu in free.values() if _free_memory(gpu) >= needs.get(job.id, 0)]
        if fitting:
            best = max(fitting, key=lambda gpu: (_free_memory(gpu), -gpu.index))
            del free[best.uuid]
            starts.append(Start(job.id, best.uuid))
    return starts


def in_order(jobs: Sequence[Job]) -> list[Job]:
    """The queued ones, first to start first."""
    waiting = [job for job in jobs if isinstance(job.status, Queued)]
    return sorted(waiting, key=_key)


def why(job: Job, jobs: Sequence[Job], gpus: Sequence[Gpu], needs: Mapping[int, int]) -> str:
    """In one sentence: what the job waits for, or what it does."""
    if not isinstance(job.status, Queued):
        return _what_it_does(job)
    ahead = [other for other in in_order(jobs) if other.id != job.id]
    ahead = [other for other in ahead if _key(other) < _key(job)]
    if not gpus:
        return _why_without_gpu(job, ahead, _active(jobs))
    free = [gpu for gpu in gpus if gpu.uuid not in _taken(jobs)]
    need = needs.get(job.id, 0)
    if need > max(gpu.memory_total_bytes for gpu in gpus):
        return (
            f"Job {job.id} waits for {need / GIB:.1f} GiB of free memory, and no card here has that"
            " much. Lower `train.gpu_memory_gib` and add it again."
        )
    if not free:
        holders = ", ".join(f"job {other.id} ({other.name})" for other in _active(jobs))
        return f"Job {job.id} waits for a card, held by {holders}.{_queue(ahead)}"
    if all(_free_memory(gpu) < need for gpu in free):
        best = max(free, key=_free_memory)
        return (
            f"Job {job.id} waits for {need / GIB:.1f} GiB of free memory on a card: GPU"
            f" {best.index} has {_free_memory(best) / GIB:.1f} GiB free, other programs hold the"
            f" rest of its {best.memory_total_bytes / GIB:.1f} GiB."
        )
    if any(start.job_id == job.id for start in decide(jobs, gpus, needs)):
        return f"Job {job.id} starts now."
    return f"Job {job.id} waits for the jobs ahead of it.{_queue(ahead)}"


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
    "running": "Job {id} trains: step {step} of {steps}.",
    "pausing": "Job {id} writes its checkpoint and leaves the device.",
    "finishing": "Job {id} writes its last pictures and files.",
    "done": "Job {id} is done; its files are in {folder}.",
    "cancelled": "Job {id} was cancelled at step {step} of {steps}; `lorad resume {id}` goes on.",
}


def _what_it_does(job: Job) -> str:
    if job.status.__class__ is Paused:
        cause = getattr(job.status, "cause", "")
        because = f": {cause.rstrip('.')}" if cause else ""
        return f"Job {job.id} is paused{because}. `lorad resume {job.id}` lets it go on."
    if job.state == "failed":
        return f"Job {job.id} failed: {getattr(job.status, 'reason', '')}"
    return _DOING[job.state].format(
        id=job.id,
        step=job.progress.step,
        steps=job.max_train_steps,
        folder=job.folder,
        phase=job.progress.phase or "its process begins",
    )


def memory_needed(recipe: Recipe, largest: int) -> int:
    """Bytes that a card should have free: the recipe's word, else a cautious estimate.

    An estimate puts jobs in their place and forbids none: it never asks for more than nine tenths
    of the `largest` card's bytes.

    The estimate is that of a Stable Diffusion 1.x U-Net in half precision with its text encoder
    and VAE (3 GiB), plus activations that grow with the pixels of a batch: 1.5 GiB a picture of
    512x512, a third of it with gradient checkpointing.
    """
    if recipe.train.gpu_memory_gib:
        return int(recipe.train.gpu_memory_gib * GIB)
    pixels = recipe.train.train_batch_size * (recipe.train.resolution / 512) ** 2
    a_picture = 0.5 if recipe.train.gradient_checkpointing is True else 1.5
    return min(int((3.0 + a_picture * pixels) * GIB), largest * 9 // 10)


def _active(jobs: Sequence[Job]) -> list[Job]:
    return [job for job in jobs if job.process is not None]


def _taken(jobs: Sequence[Job]) -> set[str | None]:
    return {job.process.gpu for job in jobs if job.process is not None}


def _free_memory(gpu: Gpu) -> int:
    return gpu.memory_total_bytes - gpu.memory_used_bytes


def _key(job: Job) -> tuple[int, float, int]:
    return (-job.priority, job.position, job.id)
