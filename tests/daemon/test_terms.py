"""What may be asked of a job's terms, and whose memory is whose."""

from __future__ import annotations

import msgspec
import pytest

from lorad.daemon.scheduler.board import memory_held
from lorad.daemon.scheduler.terms import find_cards, refuse_circle, refuse_too_few, refuse_unfit
from lorad.shared.errors import GroupUnfit, TooFewNamed, UnknownCard, WaitsForItself
from lorad.shared.jobs import Done, Gpu, GpuProcess, Group, Job, Process, Queued, Running


def card(index: int, uuid: str) -> Gpu:
    return Gpu(uuid=uuid, index=index, name="RTX", memory_total_bytes=1, memory_used_bytes=0)


BOX = [card(0, "GPU-aa1"), card(1, "GPU-ab2"), card(3, "GPU-3c")]


def job(id: int, *after: int, process: Process | None = None) -> Job:
    status = Queued() if process is None else Running(process=process)
    return Job(
        id=id, name=f"j{id}", status=status, folder="/f", max_train_steps=1, created=1.0,
        after=after,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([], ()),
        (["0"], ("GPU-aa1",)),
        (["3"], ("GPU-3c",)),  # an index before the beginning of a UUID
        (["3c"], ("GPU-3c",)),
        (["GPU-ab2", "aa"], ("GPU-ab2", "GPU-aa1")),
        (["1", "GPU-ab", "ab2"], ("GPU-ab2",)),
    ],
)
def test_cards_by_name(names: list[str], found: tuple[str, ...]) -> None:
    assert find_cards(names, BOX) == found


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("2", "There is no GPU `2` here. There are 0 (RTX, GPU-aa1), 1 (RTX, GPU-ab2), 3 "),
        ("GPU-b", "There is no GPU `GPU-b` here. There are 0 "),
        ("a", "That could be 0 (RTX, GPU-aa1), 1 (RTX, GPU-ab2)."),
        ("", "There is no GPU `` here."),
    ],
)
def test_no_such_card(name: str, sentence: str) -> None:
    with pytest.raises(UnknownCard) as caught:
        find_cards(["0", name], BOX)
    assert sentence in str(caught.value)


def test_no_card_at_all() -> None:
    with pytest.raises(UnknownCard, match=r"This box has no GPU that can be used\."):
        find_cards(["0"], [])


@pytest.mark.parametrize("after", [(1,), (2,), (9, 4)])
def test_nobody_waits_for_itself(after: tuple[int, ...]) -> None:
    jobs = [job(1), job(2, 1), job(3, 2), job(4, 3, 9), job(5, 5)]
    with pytest.raises(WaitsForItself, match="Job 1 cannot wait for job"):
        refuse_circle(1, after, jobs)


def test_an_order_without_circles() -> None:
    refuse_circle(1, (2, 3, 5, 9), [job(1), job(2, 3), job(3), job(5, 6), job(6, 5)])


@pytest.mark.parametrize(
    ("wanted", "group", "gpus"),
    [(2, (), ("a",)), (2, ("a",), ()), (2, ("a", "b"), ("b", "c")), (1, ("a",), ("b",))],
)
def test_fewer_cards_than_wanted(
    wanted: int, group: tuple[str, ...], gpus: tuple[str, ...]
) -> None:
    with pytest.raises(TooFewNamed, match=rf"wants {wanted} GPUs at once"):
        refuse_too_few(wanted, Group(name="g", gpus=group), gpus)


@pytest.mark.parametrize(
    ("wanted", "group", "gpus"),
    [(9, (), ()), (2, (), ("a", "b")), (2, ("a", "b"), ()), (1, ("a", "b"), ("b", "c"))],
)
def test_cards_enough(wanted: int, group: tuple[str, ...], gpus: tuple[str, ...]) -> None:
    refuse_too_few(wanted, Group(name="g", gpus=group), gpus)


@pytest.mark.parametrize("name", ["", "-a", "a b", "ä", "a" * 33, "a\n", "../x"])
def test_names_that_no_command_could_say(name: str) -> None:
    with pytest.raises(GroupUnfit, match="its name is up to 32 letters"):
        refuse_unfit(Group(name=name))


@pytest.mark.parametrize("slots", [-1, 10_001])
def test_slots_that_make_no_sense(slots: int) -> None:
    with pytest.raises(GroupUnfit, match="from 0 to 10000 slots"):
        refuse_unfit(Group(name="a", slots=slots))


def test_a_jobs_memory_is_that_of_its_processes_on_each_card() -> None:
    def on(uuid: str, *held: tuple[int | None, int | None]) -> Gpu:
        found = tuple(GpuProcess(pid=9, job=job, memory_bytes=size) for job, size in held)
        return Gpu(
            uuid=uuid,
            index=0,
            name="card",
            memory_total_bytes=100,
            memory_used_bytes=0,
            processes=found,
        )

    cards = [on("G0", (1, 3), (None, 50), (3, None)), on("G1", (1, 1), (1, 4), (2, 9)), on("G2")]
    assert memory_held(cards) == {(1, "G0"): 3, (1, "G1"): 5, (2, "G1"): 9}


def test_a_job_that_is_done_waits_for_nobody() -> None:
    before = msgspec.structs.replace(job(1, 2), status=Done(finished=1.0))
    refuse_circle(2, (1,), [before, job(2)])
