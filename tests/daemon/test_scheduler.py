from __future__ import annotations

import pytest

from lorad.daemon.scheduler import GIB, Start, decide, memory_needed, why
from lorad.shared.jobs import (
    Done,
    Failed,
    Finishing,
    Gpu,
    Job,
    Paused,
    Process,
    Queued,
    Running,
    Starting,
    Stashed,
    Status,
)
from lorad.shared.recipe import parse_recipe


def job(id: int, status: Status | None = None, *, priority: int = 0, position: float = 0) -> Job:
    return Job(
        id=id, name=f"j{id}", status=status or Queued(), folder="/f", max_train_steps=10,
        created=1.0, priority=priority, position=position or float(id),
    )  # fmt: skip


def running(id: int, gpu: str | None = None) -> Job:
    return job(id, Running(process=Process(pid=id, birth="b/1", gpu=gpu)))


def card(index: int, *, used: float = 1, total: float = 24) -> Gpu:
    return Gpu(
        uuid=f"G{index}",
        index=index,
        name="card",
        memory_total_bytes=int(total * GIB),
        memory_used_bytes=int(used * GIB),
    )


@pytest.mark.parametrize(
    ("jobs", "gpus", "needs", "starts"),
    [
        # A box without a GPU trains one at a time.
        ([], [], {}, []),
        ([job(1), job(2)], [], {}, [Start(1, None)]),
        ([running(1), job(2)], [], {}, []),
        ([job(1, Starting(process=Process(pid=1, birth="b/1"))), job(2)], [], {}, []),
        ([job(1, Finishing(process=Process(pid=1, birth="b/1"))), job(2)], [], {}, []),
        # Only queued jobs start.
        ([job(1, Stashed()), job(2, Paused()), job(3, Done(finished=1.0)), job(4)], [], {},
         [Start(4, None)]),
        # Priority first, then place, then number.
        ([job(1), job(2, priority=1)], [], {}, [Start(2, None)]),
        ([job(1, position=9), job(2, position=3)], [], {}, [Start(2, None)]),
        ([job(2, position=5), job(1, position=5)], [], {}, [Start(1, None)]),
        # One job a card, the emptiest card first.
        ([job(1), job(2), job(3)], [card(0), card(1, used=0)], {},
         [Start(1, "G1"), Start(2, "G0")]),
        ([running(1, "G0"), job(2)], [card(0), card(1)], {}, [Start(2, "G1")]),
        ([running(1, "G0"), job(2)], [card(0)], {}, []),
        # Strangers hold the memory: the job waits, and another that fits goes.
        ([job(1)], [card(0, used=20)], {1: 8 * GIB}, []),
        ([job(1)], [card(0, used=16)], {1: 8 * GIB}, [Start(1, "G0")]),
        ([job(1), job(2)], [card(0, used=20)], {1: 8 * GIB, 2: 2 * GIB}, [Start(2, "G0")]),
        ([job(1)], [card(0, used=20), card(1, used=2)], {1: 8 * GIB}, [Start(1, "G1")]),
    ],
)  # fmt: skip
def test_decide(
    jobs: list[Job], gpus: list[Gpu], needs: dict[int, int], starts: list[Start]
) -> None:
    assert decide(jobs, gpus, needs) == starts


@pytest.mark.parametrize(
    ("jobs", "gpus", "needs", "sentence"),
    [
        ([job(1)], [], {}, "Job 1 starts now."),
        ([job(1), running(2)], [], {},
         "Job 1 waits for job 2 (j2): one trains at a time on a box without a GPU. It is next."),
        ([job(1, position=9), running(2), job(3)], [], {}, "Ahead of it: 3 (j3)."),
        ([job(1), running(2, "G0")], [card(0)], {},
         "Job 1 waits for a card, held by job 2 (j2). It is next."),
        ([job(1)], [card(0, used=20)], {1: 8 * GIB},
         "Job 1 waits for 8.0 GiB of free memory on a card: GPU 0 has 4.0 GiB free, other programs"
         " hold the rest of its 24.0 GiB."),
        ([job(1), job(2, priority=1)], [card(0)], {}, "waits for the jobs ahead of it. Ahead"),
        ([job(1, Stashed())], [], {}, "lorad enqueue 1"),
        ([job(1, Paused(cause="the disk is full."))], [], {}, "is paused: the disk is full. `lor"),
        ([job(1, Failed(finished=1.0, reason="It broke."))], [], {}, "Job 1 failed: It broke."),
        ([running(1)], [], {}, "Job 1 trains: step 0 of 10."),
    ],
)  # fmt: skip
def test_why(jobs: list[Job], gpus: list[Gpu], needs: dict[int, int], sentence: str) -> None:
    assert sentence in why(jobs[0], jobs, gpus, needs)


def test_memory_is_the_recipes_word_or_grows_with_the_batch() -> None:
    def need(train: str) -> int:
        text = f'name="a"\n[data]\npath="p"\n[train]\n{train}'
        return memory_needed(parse_recipe(text), 24 * GIB)

    assert need("gpu_memory_gib = 7") == 7 * GIB
    assert need("train_batch_size = 8") > need("train_batch_size = 4")
    assert need("train_batch_size = 1000") < 24 * GIB  # an estimate never forbids
    assert need("gradient_checkpointing = true") < need("gradient_checkpointing = false")
