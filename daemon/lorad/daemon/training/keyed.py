"""Randomness that is never stored: every draw is made from (seed, stream, numbers) alone.

A resumed run needs its step number and nothing else, a preview cannot disturb a run, and one step
can be drawn again alone.
"""

from __future__ import annotations

import functools
import hashlib

import torch


def key(seed: int, stream: str, *numbers: int) -> int:
    """63 bits from the seed, the stream's name and what is drawn for: step, sample, epoch."""
    text = f"{seed}/{stream}/" + "/".join(map(str, numbers))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1


def generator(seed: int, stream: str, *numbers: int) -> torch.Generator:
    """A CPU generator for one draw; on the CPU so that every device trains the same run."""
    return torch.Generator().manual_seed(key(seed, stream, *numbers))


def normal(shape: tuple[int, ...], seed: int, stream: str, *numbers: int) -> torch.Tensor:
    """Standard normal numbers."""
    return torch.randn(shape, generator=generator(seed, stream, *numbers))


def integer(high: int, seed: int, stream: str, *numbers: int) -> int:
    """A whole number in 0..high-1."""
    return key(seed, stream, *numbers) % high


def chance(share: float, seed: int, stream: str, *numbers: int) -> bool:
    """True this often."""
    return key(seed, stream, *numbers) < share * (1 << 63)


@functools.lru_cache(maxsize=4)
def order(count: int, seed: int, epoch: int) -> list[int]:
    """A permutation of 0..count-1, another for each epoch."""
    shuffled: list[int] = torch.randperm(count, generator=generator(seed, "order", epoch)).tolist()
    return shuffled


def rows(count: int, seed: int, first: int, length: int) -> list[int]:
    """The samples at places first..first+length-1 of the endless sequence of shuffled epochs."""
    places = range(first, first + length)
    orders = {epoch: order(count, seed, epoch) for epoch in {place // count for place in places}}
    return [orders[place // count][place % count] for place in places]
