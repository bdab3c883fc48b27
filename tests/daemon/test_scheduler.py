from __future__ import annotations

import pytest
from msgspec.structs import replace

from lorad.daemon.scheduler import GIB, Need, Start, decide, memory_needed, need_of, why
from lorad.shared.jobs import (
    Done,
    Failed,
    Finishing,
    Gpu,
    Job,
    Paused,
    Process,
    Progress,
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


def running(id: int, *gpus: str) -> Job:
    return job(id, Running(process=Process(pid=id, birth="b/1", gpus=gpus)))


def card(index: int, *, used: float = 1, total: float = 24) -> Gpu:
    return Gpu(
        uuid=f"G{index}",
        index=index,
        name="card",
        memory_total_bytes=int(total * GIB),
        memory_used_bytes=int(used * GIB),
    )


WIDE = Need(0, 2)


@pytest.mark.parametrize(
    ("jobs", "gpus", "needs", "starts"),
    [
        # A box without a GPU trains one at a time.
        ([], [], {}, []),
        ([job(1), job(2)], [], {}, [Start(1, ())]),
        ([running(1), job(2)], [], {}, []),
        ([job(1, Starting(process=Process(pid=1, birth="b/1"))), job(2)], [], {}, []),
        ([job(1, Finishing(process=Process(pid=1, birth="b/1"))), job(2)], [], {}, []),
        # Only queued jobs start.
        ([job(1, Stashed()), job(2, Paused()), job(3, Done(finished=1.0)), job(4)], [], {},
         [Start(4, ())]),
        # Priority first, then place, then number.
        ([job(1), job(2, priority=1)], [], {}, [Start(2, ())]),
        ([job(1, position=9), job(2, position=3)], [], {}, [Start(2, ())]),
        ([job(2, position=5), job(1, position=5)], [], {}, [Start(1, ())]),
        # One job a card, the emptiest card first.
        ([job(1), job(2), job(3)], [card(0), card(1, used=0)], {},
         [Start(1, ("G1",)), Start(2, ("G0",))]),
        ([running(1, "G0"), job(2)], [card(0), card(1)], {}, [Start(2, ("G1",))]),
        ([running(1, "G0"), job(2)], [card(0)], {}, []),
        # Strangers hold the memory: the job waits, and another that fits goes.
        ([job(1)], [card(0, used=20)], {1: Need(8 * GIB)}, []),
        ([job(1)], [card(0, used=16)], {1: Need(8 * GIB)}, [Start(1, ("G0",))]),
        ([job(1), job(2)], [card(0, used=20)], {1: Need(8 * GIB), 2: Need(2 * GIB)},
         [Start(2, ("G0",))]),
        ([job(1)], [card(0, used=20), card(1, used=2)], {1: Need(8 * GIB)}, [Start(1, ("G1",))]),
        # A small job leaves the large card to who needs it.
        ([job(1), job(2)], [card(0, total=80), card(1)], {1: Need(8 * GIB), 2: Need(40 * GIB)},
         [Start(1, ("G1",)), Start(2, ("G0",))]),
        # A wide job takes its cards at once, the emptiest first.
        ([job(1)], [card(0), card(1, used=0)], {1: WIDE}, [Start(1, ("G1", "G0"))]),
        ([job(1), job(2)], [card(0), card(1), card(2)], {1: WIDE},
         [Start(1, ("G0", "G1")), Start(2, ("G2",))]),
        ([job(1)], [], {1: WIDE}, [Start(1, ())]),
        # The cards that it waits for are kept from those behind it, not from those before it.
        ([running(1, "G0"), job(2), job(3)], [card(0), card(1)], {2: WIDE}, []),
        ([running(1, "G0"), job(2, position=9), job(3)], [card(0), card(1)], {2: WIDE},
         [Start(3, ("G1",))]),
        ([running(1, "G0", "G1"), job(2), job(3)], [card(0), card(1), card(2)], {2: WIDE}, []),
        # What it cannot use is free for all, and so is what it does not need.
        ([running(1, "G0"), job(2), job(3)], [card(0), card(1), card(2, used=20)],
         {2: Need(8 * GIB, 2)}, [Start(3, ("G2",))]),
        # Only the first of the wide ones keeps cards; the second may pass it where it fits.
        ([running(1, "G0"), job(2), job(3), job(4)],
         [card(0), card(1), card(2, used=20), card(3, used=20)],
         {2: Need(8 * GIB, 2), 3: Need(GIB, 3), 4: Need(GIB, 2)}, [Start(4, ("G2", "G3"))]),
        # Nobody is kept waiting for what strangers hold, or for what is not there.
        ([job(1), job(2)], [card(0), card(1, used=20)], {1: Need(8 * GIB, 2)},
         [Start(2, ("G0",))]),
        ([running(1, "G0"), job(2), job(3)], [card(0), card(1)], {2: Need(0, 3)},
         [Start(3, ("G1",))]),
    ],
)  # fmt: skip
def test_decide(
    jobs: list[Job], gpus: list[Gpu], needs: dict[int, Need], starts: list[Start]
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
        ([job(1)], [card(0, used=20)], {1: Need(8 * GIB)},
         "Job 1 waits for 8.0 GiB of free memory on a card: GPU 0 has 4.0 GiB free, other programs"
         " hold the rest of its 24.0 GiB."),
        ([job(1), job(2, priority=1)], [card(0)], {}, "waits for the jobs ahead of it. Ahead"),
        ([job(1, Stashed())], [], {}, "lorad enqueue 1"),
        ([job(1, Paused(cause="the disk is full."))], [], {}, "is paused: the disk is full. `lor"),
        ([job(1, Failed(finished=1.0, reason="It broke."))], [], {}, "Job 1 failed: It broke."),
        ([running(1)], [], {}, "Job 1 trains: step 0 of 10."),
        ([replace(running(1), max_train_steps=None)], [], {}, "Job 1 trains: step 0."),
        ([replace(running(1), progress=Progress(step=3, note="It went back."))], [], {},
         "Job 1 trains: step 3 of 10. Its newest note: It went back."),
        ([job(1, Done(finished=1.0, cause="stopped early at step 4: it was enough"))], [], {},
         "its files are in /f. It stopped early at step 4: it was enough."),
        # Several cards.
        ([job(2), running(1, "G0")], [card(0), card(1)], {2: WIDE},
         "Job 2 needs 2 free cards, 1 of 2 is free. It is next."),
        ([job(3, position=9), running(1, "G0"), job(2)], [card(0), card(1)], {3: WIDE, 2: WIDE},
         "Job 3 needs 2 free cards, 1 of 2 is free. Ahead of it: 2 (j2)."),
        ([job(2), running(1, "G0", "G1")], [card(0), card(1)], {2: WIDE},
         "Job 2 waits for 2 cards at once, held by job 1 (j1). It is next."),
        ([job(1)], [card(0)], {1: WIDE},
         "Job 1 waits for 2 cards at once, and this box has one. `lorad set 1 num_processes=1`"),
        ([job(1)], [card(n) for n in range(4)], {1: Need(0, 6)},
         "`lorad set 1 num_processes=3` lets it start."),
        # The large card is held by a job of ours: nobody else is to blame.
        ([job(3), running(1, "G0")], [card(0, total=80), card(1)], {3: Need(40 * GIB)},
         "Job 3 waits for a card of 40.0 GiB or more, held by job 1 (j1)."),
        ([job(3), running(1, "G0"), running(2, "G1")], [card(0, total=80), card(1)],
         {3: Need(40 * GIB)}, "of 40.0 GiB or more, held by job 1 (j1)."),
        ([job(3), running(1, "G0")], [card(0, total=80), card(1), card(2, total=48, used=20)],
         {3: Need(40 * GIB)}, "GPU 2 has 28.0 GiB free, other programs hold the rest of its 48.0"),
        ([job(2), running(1, "G0")], [card(0), card(1), card(2, used=20)], {2: Need(8 * GIB, 3)},
         "2 of 3 are free, and 1 of them has the 8.0 GiB it wants. It is next."),
        ([job(1)], [card(0), card(1, used=20)], {1: Need(8 * GIB, 2)},
         "Job 1 waits for 8.0 GiB of free memory on each of 2 cards: GPU 1 has 4.0 GiB free"),
        ([job(1)], [card(0), card(1, total=4)], {1: Need(8 * GIB, 2)},
         "waits for 8.0 GiB of free memory, and not so many cards here have that much"),
        ([job(3), running(1, "G0"), job(2, position=1)], [card(0), card(1)], {2: WIDE},
         "Job 3 waits for the jobs ahead of it. Ahead of it: 2 (j2)."),
    ],
)  # fmt: skip
def test_why(jobs: list[Job], gpus: list[Gpu], needs: dict[int, Need], sentence: str) -> None:
    assert sentence in why(jobs[0], jobs, gpus, needs)


def test_memory_is_the_recipes_word_or_grows_with_the_batch() -> None:
    def need(train: str) -> int:
        text = f'name="a"\n[data]\npath="p"\n[train]\n{train}'
        return memory_needed(parse_recipe(text), 24 * GIB)

    assert need("gpu_memory_gib = 7") == 7 * GIB
    assert need("train_batch_size = 8") > need("train_batch_size = 4")
    assert need("train_batch_size = 1000") < 24 * GIB  # an estimate never forbids
    assert need("gradient_checkpointing = true") < need("gradient_checkpointing = false")
    assert need("gradient_checkpointing = 'auto'") == need("gradient_checkpointing = true")
    sd1, sdxl = need("train_batch_size = 1"), need("train_batch_size = 1\nresolution = 1024")
    assert sd1 < 4 * GIB < 8 * GIB < sdxl < 12 * GIB


def test_what_a_wide_job_needs_is_for_each_of_its_cards() -> None:
    def need(train: str, *cards: Gpu) -> Need:
        return need_of(parse_recipe(f'name="a"\n[data]\npath="p"\n[train]\n{train}'), cards)

    one = need("train_batch_size = 8", card(0), card(1))
    two = need("train_batch_size = 8\nnum_processes = 2", card(0), card(1))
    assert (one.cards, two.cards) == (1, 2)
    assert two.memory < one.memory
    # The estimate must leave it a second card, however small that one is.
    small = need("train_batch_size = 64\nnum_processes = 2", card(0), card(1, total=6))
    assert small.memory < 6 * GIB
