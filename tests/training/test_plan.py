"""How a step is cut when memory is short: nobody is lost, nobody counts twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lorad.daemon.training.plan import Plan, lighter, shares


@given(st.integers(1, 8), st.integers(1, 16), st.integers(0, 6))
def test_every_row_is_taken_once_by_one_process(processes: int, each: int, halvings: int) -> None:
    batch = processes * each
    split = min(2**halvings, each)
    rows = [
        row
        for rank in range(processes)
        for part in shares(batch, processes, rank, split)
        for row in range(batch)[part]
    ]
    assert rows == list(range(batch))


def test_a_plan_of_one_process_fits_two() -> None:
    parts = [list(range(4))[part] for part in shares(4, 2, 1, split=4)]
    assert parts == [[2], [3]]


def test_checkpointing_first_then_halves_down_to_one_picture() -> None:
    plan: Plan | None = Plan()
    seen = []
    while plan := lighter(plan, 4, may_checkpoint=True):
        seen.append((plan.split, plan.gradient_checkpointing))
    assert seen == [(1, True), (2, True), (4, True)]


def test_checkpointing_that_was_forbidden_stays_off() -> None:
    assert lighter(Plan(), 2, may_checkpoint=False) == Plan(split=2)
    assert lighter(Plan(split=2), 3, may_checkpoint=False) == Plan(split=3)
    assert lighter(Plan(split=3), 3, may_checkpoint=False) is None


def test_a_plan_reads_as_words() -> None:
    assert str(Plan(split=4)) == "each batch in 4 parts"
    assert str(Plan(gradient_checkpointing=True)) == "each batch whole, with gradient checkpointing"
