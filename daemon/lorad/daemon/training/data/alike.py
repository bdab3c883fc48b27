"""Pictures that are there more than once, to the byte or to the eye. Values in, values out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from lorad.daemon.training.data.look import Look

HAMMING = 3
"""Bits of 64 by which two pictures may differ and still be alike."""
COLOUR = 12
"""Of 255, by which their mean colours may differ: flat pictures have no other trait."""


def same(keys: Iterable[Hashable]) -> list[list[int]]:
    """The places of what is there more than once, in groups, in order."""
    places: dict[Hashable, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        places[key].append(place)
    return [group for group in places.values() if len(group) > 1]


def alike(looks: Sequence[Look]) -> list[list[int]]:
    """The places of pictures that look alike and are not the same file, in groups, in order.

    Each is compared with all behind it, in one sweep of numpy: 10,000 in about a second.
    """
    traits = sorted({(look.dhash, look.colour) for look in looks})
    hashes = np.array([dhash for dhash, _ in traits], dtype=np.uint64)
    colours = np.array([colour for _, colour in traits], dtype=np.int16).reshape(-1, 3)
    leader = list(range(len(traits)))
    for first in range(len(traits) - 1):
        near = np.bitwise_count(hashes[first + 1 :] ^ hashes[first]) <= HAMMING
        others = np.flatnonzero(near) + first + 1
        tinted = np.abs(colours[others] - colours[first]).max(axis=1) <= COLOUR
        for other in others[tinted]:
            leader[_find(leader, int(other))] = _find(leader, first)
    group_of = {trait: _find(leader, number) for number, trait in enumerate(traits)}
    groups = same(group_of[look.dhash, look.colour] for look in looks)
    return [group for group in groups if len({looks[place].sha256 for place in group}) > 1]


def _find(leader: list[int], number: int) -> int:
    """The one that stands for the group; the way there is halved for the next who asks."""
    while leader[number] != number:
        leader[number] = leader[leader[number]]
        number = leader[number]
    return number
