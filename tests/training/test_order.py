"""The order of pictures: pure, fair, and never of two buckets in one batch."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorad.daemon.training import keyed
from lorad.daemon.training.data.order import Order, Shown

pictures = st.builds(Shown, st.integers(0, 4), st.integers(1, 3))
some = st.lists(pictures, min_size=1, max_size=30)
regular = st.lists(
    st.builds(Shown, st.integers(0, 4), st.integers(1, 2), st.just(True)), max_size=40
)
batch_sizes = st.integers(1, 7)


@given(st.integers(1, 40), batch_sizes, st.integers(0, 99))
def test_one_bucket_is_the_sequence_of_shuffled_epochs(count: int, size: int, seed: int) -> None:
    order = Order([Shown(0)] * count, size, seed)
    epochs = -(-30 * size // count)
    places = [row for epoch in range(epochs) for row in keyed.order(count, seed, epoch)]
    for number in range(30):
        assert order.batch(number) == (0, places[number * size : (number + 1) * size])


def test_each_epoch_sees_every_picture_once_in_another_order() -> None:
    epochs = [keyed.order(10, 3, epoch) for epoch in range(3)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


@given(some, regular, batch_sizes)
def test_batches_never_mix_buckets(shown: list[Shown], reg: list[Shown], size: int) -> None:
    everyone = shown + reg
    order = Order(everyone, size, 1)
    for number in range(order.batches(3)):
        bucket, rows = order.batch(number)
        assert len(rows) == size
        assert {everyone[row].bucket for row in rows} == {bucket}


@given(some, regular, batch_sizes, st.lists(st.integers(0, 10_000), min_size=1, max_size=8))
def test_a_batch_is_a_function_of_its_number(
    shown: list[Shown], reg: list[Shown], size: int, numbers: list[int]
) -> None:
    used = Order(shown + reg, size, 3)
    for number in [*numbers, *numbers[::-1], 0]:
        assert used.batch(number) == Order(shown + reg, size, 3).batch(number)


@given(some, st.integers(1, 5))
def test_one_by_one_an_epoch_shows_each_as_often_as_it_repeats(
    shown: list[Shown], epochs: int
) -> None:
    order = Order(shown, 1, 5)
    seen = Counter(row for n in range(order.batches(epochs)) for row in order.batch(n)[1])
    assert seen == {row: epochs * one.repeats for row, one in enumerate(shown)}


@given(some, batch_sizes, st.integers(1, 6))
def test_in_batches_nobody_is_left_out_or_shown_more_than_its_share(
    shown: list[Shown], size: int, epochs: int
) -> None:
    order = Order(shown, size, 5)
    seen = Counter(row for n in range(order.batches(epochs)) for row in order.batch(n)[1])
    in_bucket = Counter()
    for one in shown:
        in_bucket[one.bucket] += one.repeats
    for row, one in enumerate(shown):
        ahead = -(-(size - 1) // in_bucket[one.bucket])  # epochs that the last batch reaches into
        assert epochs * one.repeats <= seen[row] <= (epochs + ahead) * one.repeats


@given(some, regular.filter(bool), st.integers(1, 5))
def test_regularisation_pictures_take_turns_and_are_as_many_as_the_others(
    shown: list[Shown], reg: list[Shown], epochs: int
) -> None:
    order = Order(shown + reg, 1, 5)
    seen = Counter(row for n in range(order.batches(epochs)) for row in order.batch(n)[1])
    others = epochs * sum(one.repeats for one in shown)
    assert sum(seen[len(shown) + row] for row in range(len(reg))) == others
    turns = others // sum(one.repeats for one in reg)
    for row, one in enumerate(reg, len(shown)):
        assert turns * one.repeats <= seen[row] <= (turns + 1) * one.repeats
    for row, one in enumerate(shown):
        assert seen[row] == epochs * one.repeats


def test_the_buckets_of_an_epoch_are_mixed_and_each_epoch_otherwise() -> None:
    order = Order([Shown(row % 2) for row in range(40)], 2, 7)
    epochs = [[order.batch(n)[0] for n in range(20 * e, 20 * e + 20)] for e in range(3)]
    assert all(sorted(epoch) == [0] * 10 + [1] * 10 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    changes = sum(a != b for a, b in zip(epochs[0], epochs[0][1:], strict=False))
    assert changes > 3


def test_epochs_of_batches() -> None:
    order = Order([Shown(0)] * 5 + [Shown(1)], 2, 7)
    assert [order.batches(epochs) for epochs in range(4)] == [0, 4, 6, 10]
    assert [order.epoch_of(number) for number in range(10)] == [0] * 4 + [1] * 2 + [2] * 4
    assert order.shown_an_epoch() == [5, 1]


@pytest.mark.parametrize("seed", [1, 2])
def test_another_seed_is_another_order(seed: int) -> None:
    shown = [Shown(row % 3) for row in range(60)]
    first = [Order(shown, 4, seed).batch(number) for number in range(15)]
    other = [Order(shown, 4, seed + 1).batch(number) for number in range(15)]
    assert first != other
