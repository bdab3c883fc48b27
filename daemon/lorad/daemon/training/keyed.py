"""Randomness that is never stored: every draw is made from (seed, stream, numbers) alone.

A resumed run needs its step number and nothing else, a preview cannot disturb a run, and one step
can be drawn again alone.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable

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


def normals(shape: tuple[int, ...], seed: int, stream: str, places: Iterable[int]) -> torch.Tensor:
    """What `normal` draws for each of the places, [places, *shape]; at less cost than one by one.

    A draw must have some elements: torch leaves an empty tensor alone.
    """
    keys = [key(seed, stream, place) for place in places]
    drawn, shared = torch.empty((len(keys), *shape)), torch.Generator()
    for row, number in zip(drawn.unbind(), keys, strict=True):
        row.normal_(generator=shared.manual_seed(number))
    return drawn


def normals_on(
    device: torch.device, shape: tuple[int, ...], seed: int, stream: str, number: int
) -> torch.Tensor:
    """Standard normal numbers drawn by the device itself in one call.

    A function of the key as well, but each kind of device has its own: for runs that need not
    repeat bit for bit elsewhere.
    """
    own = torch.Generator(device).manual_seed(key(seed, stream, number))
    return torch.randn(shape, generator=own, device=device)


def integer(high: int, seed: int, stream: str, *numbers: int) -> int:
    """A whole number in 0..high-1."""
    return key(seed, stream, *numbers) % high


def chance(share: float, seed: int, stream: str, *numbers: int) -> bool:
    """True this often."""
    return key(seed, stream, *numbers) < share * (1 << 63)


def shuffled(count: int, seed: int, stream: str, *numbers: int) -> list[int]:
    """A permutation of 0..count-1."""
    drawn: list[int] = torch.randperm(count, generator=generator(seed, stream, *numbers)).tolist()
    return drawn


@functools.lru_cache(maxsize=4)
def order(count: int, seed: int, epoch: int) -> list[int]:
    """A permutation of 0..count-1, another for each epoch."""
    return shuffled(count, seed, "order", epoch)
