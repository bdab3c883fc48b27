"""In which order pictures are trained: a pure function of the seed and the batch's number.

Batches never mix buckets. Each bucket has an endless sequence of its own, one shuffled epoch after
the other, and is cut into batches regardless of where its epochs end; so nobody is left out, and
nobody is shown more often than its share. An epoch's batches of all buckets come in a shuffled
order. With one bucket that is the sequence of shuffled epochs itself.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lorad.daemon.training import keyed


@dataclass(frozen=True)
class Shown:
    """A picture as the order sees it."""

    bucket: int
    repeats: int = 1
    """How often an epoch shows it; of regularisation pictures, one against the other."""
    is_reg: bool = False


@dataclass
class _Bucket:
    """The pictures of one shape."""

    pictures: list[int] = field(default_factory=list)
    """As often as an epoch shows them."""
    regular: list[int] = field(default_factory=list)
    """The regularisation pictures."""
    places: list[int] = field(default_factory=list)
    """Theirs, in the cycle of all regularisation pictures."""


class Order:
    """All pictures, and the batches that they come in.

    Regularisation pictures take turns so that an epoch shows as many of them as of the others:
    kohya's rule (sd-scripts, `DreamBoothDataset`), but going on in the next epoch where this one
    stopped, so that those at the end of a larger set have their turn too.
    """

    def __init__(self, shown: Sequence[Shown], batch_size: int, seed: int) -> None:
        """`shown` has at least one picture that is not for regularisation."""
        self._size, self._seed = batch_size, seed
        self._buckets = [_Bucket() for _ in range(1 + max(one.bucket for one in shown))]
        self._cycle = 0
        for row, one in enumerate(shown):
            bucket = self._buckets[one.bucket]
            if one.is_reg:
                bucket.regular += [row] * one.repeats
                bucket.places += range(self._cycle, self._cycle + one.repeats)
                self._cycle += one.repeats
            else:
                bucket.pictures += [row] * one.repeats
        self._shown = sum(len(bucket.pictures) for bucket in self._buckets)
        self._epoch = 0  # where the last batch was: the first guess for the next one
        self._plan: tuple[int, list[tuple[int, int]]] = (-1, [])
        self._orders: dict[tuple[int, int], list[int]] = {}

    def batch(self, number: int) -> tuple[int, list[int]]:
        """The bucket and the pictures of a batch."""
        epoch = self.epoch_of(number)
        if self._plan[0] != epoch:
            self._plan = (epoch, self._planned(epoch))
        bucket, turn = self._plan[1][number - self.batches(epoch)]
        return bucket, self._rows(bucket, turn * self._size)

    def epoch_of(self, number: int) -> int:
        """The epoch of a batch, from 0."""
        self._epoch = _last(self.batches, number, self._epoch)
        return self._epoch

    def batches(self, epochs: int) -> int:
        """How many there are in so many epochs."""
        return sum(self._turns(bucket, epochs) for bucket in range(len(self._buckets)))

    def shown_an_epoch(self) -> list[int]:
        """How many pictures the first epoch shows of each bucket."""
        return [self._count(bucket, 1) for bucket in range(len(self._buckets))]

    def _count(self, bucket: int, epochs: int) -> int:
        """How many pictures of a bucket so many epochs show."""
        own = self._buckets[bucket]
        return epochs * len(own.pictures) + self._regular(own, epochs)

    def _regular(self, own: _Bucket, epochs: int) -> int:
        if not own.regular:
            return 0
        cycles, rest = divmod(epochs * self._shown, self._cycle)
        return cycles * len(own.regular) + bisect.bisect_left(own.places, rest)

    def _turns(self, bucket: int, epochs: int) -> int:
        """How many batches of a bucket come in so many epochs; the last reaches into the next."""
        return -(-self._count(bucket, epochs) // self._size)

    def _planned(self, epoch: int) -> list[tuple[int, int]]:
        """An epoch's batches: bucket, and number within the bucket.

        What is shuffled is whose turn it is; a bucket's own batches keep their order.
        """
        turns = [
            range(self._turns(bucket, epoch), self._turns(bucket, epoch + 1))
            for bucket in range(len(self._buckets))
        ]
        buckets = [bucket for bucket, own in enumerate(turns) for _ in own]
        mixed = keyed.shuffled(len(buckets), self._seed, "batches", epoch)
        nexts = [iter(own) for own in turns]
        return [(buckets[place], next(nexts[buckets[place]])) for place in mixed]

    def _rows(self, bucket: int, first: int) -> list[int]:
        """A batch from this place of a bucket's endless sequence on."""
        rows: list[int] = []
        epoch = _last(lambda epochs: self._count(bucket, epochs), first, self._epoch)
        skip = first - self._count(bucket, epoch)
        while len(rows) < self._size:
            rows += self._order(bucket, epoch)[skip : skip + self._size - len(rows)]
            epoch, skip = epoch + 1, 0
        return rows

    def _order(self, bucket: int, epoch: int) -> list[int]:
        """The pictures of a bucket as an epoch shows them."""
        known = self._orders.get((bucket, epoch))
        if known is None:
            if len(self._orders) > 4 * len(self._buckets):
                self._orders.clear()
            own = self._buckets[bucket]
            turns = range(self._regular(own, epoch), self._regular(own, epoch + 1))
            members = own.pictures + [own.regular[turn % len(own.regular)] for turn in turns]
            numbers = (epoch, bucket) if bucket else (epoch,)
            mixed = keyed.shuffled(len(members), self._seed, "order", *numbers)
            known = self._orders[bucket, epoch] = [members[place] for place in mixed]
        return known


def _last(count: Callable[[int], int], number: int, guess: int) -> int:
    """The greatest n with count(n) <= number, of a count that grows from 0; `guess` is often it."""
    if count(guess) <= number < count(guess + 1):
        return guess
    high = 1
    while count(high) <= number:
        high *= 2
    return bisect.bisect_right(range(high + 1), number, key=count) - 1
