"""Which job starts where. Values in, values out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lorad.daemon.scheduler.board import GIB, Board, Need, Now, in_order
from lorad.daemon.scheduler.rules import held_back
from lorad.shared.jobs import Gpu
from lorad.shared.recipe import Recipe


class Start(NamedTuple):
    """Begin this job on those cards; none on a box without any."""

    job_id: int
    gpus: tuple[str, ...]


def decide(now: Now) -> list[Start]:
    """What to start now: priority, then place; whom no rule holds back, where it fits.

    One job a card, unless its group has more slots than cards. A job that the open cards cannot
    hold waits and does not keep the others from the cards that it cannot use. It does keep what it
    will have when jobs of ours end, or small jobs would pass it for ever: see `Board.keep`.
    """
    board = Board(now)
    starts = []
    hopeless = set()  # the board only fills, so whoever is like one that waits need not be tried
    for job in in_order(now.jobs):
        wish = (job.group, job.gpus, board.need(job))
        if wish in hopeless or held_back(job, board):
            continue
        cards: list[Gpu] = []
        if now.gpus:
            cards = board.fitting(job)[: board.need(job).cards]
            if len(cards) < board.need(job).cards:
                board.keep(job, cards)
                hopeless.add(wish)
                continue
        start = Start(job.id, tuple(gpu.uuid for gpu in cards))
        board.take(job, start.gpus)
        starts.append(start)
    return starts


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
