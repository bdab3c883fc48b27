"""Who starts, who waits, and what is said of it: one table each, and what holds of any queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lorad.daemon.scheduler import GIB, Start, decide, memory_needed, need_of
from lorad.daemon.scheduler.board import Need, Now
from lorad.daemon.scheduler.why import why
from lorad.shared.jobs import (
    Cancelled,
    Done,
    Failed,
    Finishing,
    Gpu,
    Group,
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


def job(id: int, status: Status | None = None, **fields: Any) -> Job:
    return Job(
        id=id, name=f"j{id}", status=status or Queued(), folder="/f", max_train_steps=10,
        created=1.0, **{"position": float(id), **fields},
    )  # fmt: skip


def running(id: int, *gpus: str, group: str = "default") -> Job:
    return job(id, Running(process=Process(pid=id, birth="b/1", gpus=gpus)), group=group)


def card(index: int, *, used: float = 1, total: float = 24) -> Gpu:
    return Gpu(
        uuid=f"G{index}",
        index=index,
        name="card",
        memory_total_bytes=int(total * GIB),
        memory_used_bytes=int(used * GIB),
    )


def at(
    jobs: list[Job],
    gpus: Sequence[Gpu] = (),
    needs: Mapping[int, Need] | None = None,
    *groups: Group,
    **more: Any,
) -> Now:
    """The groups are those named, `default` as it is in a new queue if it is not among them."""
    named = {group.name: group for group in (Group(name="default"), *groups)}
    return Now(jobs=jobs, gpus=gpus, needs=needs or {}, groups=named, **more)


def group(name: str = "default", slots: int = 0, **fields: Any) -> Group:
    return Group(name=name, slots=slots, **fields)


WIDE = Need(0, 2)
EIGHT = Need(8 * GIB)
SHARED = group(slots=3)
DONE, BROKEN, CANCELLED = (
    Done(finished=1.0),
    Failed(finished=1.0, reason="x"),
    Cancelled(finished=1),
)
NOON = 1_800_000_000.0


@pytest.mark.parametrize(
    ("now", "starts"),
    [
        # A box without a GPU trains one at a time.
        (at([]), []),
        (at([job(1), job(2)]), [Start(1, ())]),
        (at([running(1), job(2)]), []),
        (at([job(1, Starting(process=Process(pid=1, birth="b/1"))), job(2)]), []),
        (at([job(1, Finishing(process=Process(pid=1, birth="b/1"))), job(2)]), []),
        # Only queued jobs start.
        (at([job(1, Stashed()), job(2, Paused()), job(3, Done(finished=1.0)), job(4)]),
         [Start(4, ())]),
        # Priority first, then place, then number.
        (at([job(1), job(2, priority=1)]), [Start(2, ())]),
        (at([job(1, position=9), job(2, position=3)]), [Start(2, ())]),
        (at([job(2, position=5), job(1, position=5)]), [Start(1, ())]),
        # One job a card, the emptiest card first.
        (at([job(1), job(2), job(3)], [card(0), card(1, used=0)]),
         [Start(1, ("G1",)), Start(2, ("G0",))]),
        (at([running(1, "G0"), job(2)], [card(0), card(1)]), [Start(2, ("G1",))]),
        (at([running(1, "G0"), job(2)], [card(0)]), []),
        # Strangers hold the memory: the job waits, and another that fits goes.
        (at([job(1)], [card(0, used=20)], {1: Need(8 * GIB)}), []),
        (at([job(1)], [card(0, used=16)], {1: Need(8 * GIB)}), [Start(1, ("G0",))]),
        (at([job(1), job(2)], [card(0, used=20)], {1: Need(8 * GIB), 2: Need(2 * GIB)}),
         [Start(2, ("G0",))]),
        (at([job(1)], [card(0, used=20), card(1, used=2)], {1: Need(8 * GIB)}),
         [Start(1, ("G1",))]),
        # A small job leaves the large card to who needs it.
        (at([job(1), job(2)], [card(0, total=80), card(1)], {1: Need(8 * GIB), 2: Need(40 * GIB)}),
         [Start(1, ("G1",)), Start(2, ("G0",))]),
        # A wide job takes its cards at once, the emptiest first.
        (at([job(1)], [card(0), card(1, used=0)], {1: WIDE}), [Start(1, ("G1", "G0"))]),
        (at([job(1), job(2)], [card(0), card(1), card(2)], {1: WIDE}),
         [Start(1, ("G0", "G1")), Start(2, ("G2",))]),
        (at([job(1)], [], {1: WIDE}), [Start(1, ())]),
        # The cards that it waits for are kept from those behind it, not from those before it.
        (at([running(1, "G0"), job(2), job(3)], [card(0), card(1)], {2: WIDE}), []),
        (at([running(1, "G0"), job(2, position=9), job(3)], [card(0), card(1)], {2: WIDE}),
         [Start(3, ("G1",))]),
        (at([running(1, "G0", "G1"), job(2), job(3)], [card(0), card(1), card(2)], {2: WIDE}), []),
        # What it cannot use is free for all, and so is what it does not need.
        (at([running(1, "G0"), job(2), job(3)], [card(0), card(1), card(2, used=20)],
         {2: Need(8 * GIB, 2)}), [Start(3, ("G2",))]),
        # Only the first of the wide ones keeps cards; the second may pass it where it fits.
        (at([running(1, "G0"), job(2), job(3), job(4)],
         [card(0), card(1), card(2, used=20), card(3, used=20)],
         {2: Need(8 * GIB, 2), 3: Need(GIB, 3), 4: Need(GIB, 2)}), [Start(4, ("G2", "G3"))]),
        # Nobody is kept waiting for what strangers hold, or for what is not there.
        (at([job(1), job(2)], [card(0), card(1, used=20)], {1: Need(8 * GIB, 2)}),
         [Start(2, ("G0",))]),
        (at([running(1, "G0"), job(2), job(3)], [card(0), card(1)], {2: Need(0, 3)}),
         [Start(3, ("G1",))]),
        # Drained: nothing starts.
        (at([job(1)], draining=True), []),
        (at([job(1)], [card(0)], draining=True), []),
        # Nothing of a paused group starts; the others pass.
        (at([job(1), job(2, group="b")], [card(0)], {}, group(paused=True), group("b")),
         [Start(2, ("G0",))]),
        # No more of a group at once than its slots; the others pass.
        (at([job(1), job(2), job(3, group="b")], [card(0), card(1), card(2)], {},
            group(slots=1), group("b")), [Start(1, ("G0",)), Start(3, ("G1",))]),
        (at([running(1, "G0"), job(2)], [card(0), card(1)], {}, group(slots=1)), []),
        (at([running(1, "G0", group="b"), job(2)], [card(0), card(1)], {}, group(slots=1)),
         [Start(2, ("G1",))]),
        # Without a card one job trains at a time, whatever its group, or as many as it has slots.
        (at([running(1), job(2, group="b")], [], {}, group("b", slots=1)), []),
        (at([running(1), job(2), job(3)], [], {}, group(slots=2)), [Start(2, ())]),
        (at([running(1), job(2), job(3, group="b")], [], {}, group("b", slots=2)),
         [Start(3, ())]),
        # After those that are done.
        (at([job(1, DONE), job(2, after=(1,))]), [Start(2, ())]),
        (at([job(1, DONE), running(2, "G0"), job(3, after=(1, 2))], [card(0), card(1)]), []),
        (at([job(1, BROKEN), job(2, after=(1,))]), []),
        (at([job(1, CANCELLED), job(2, after=(1,))]), []),
        (at([job(2, after=(1,))]), []),
        (at([job(1, after=(2,)), job(2)]), [Start(2, ())]),
        # Not before its time.
        (at([job(1, start_after=NOON), job(2)], time=NOON - 0.1), [Start(2, ())]),
        (at([job(1, start_after=NOON), job(2)], time=NOON), [Start(1, ())]),
        # On the cards that it names, those of its group, or those that both name.
        (at([job(1, gpus=("G1",)), job(2)], [card(0), card(1)]),
         [Start(1, ("G1",)), Start(2, ("G0",))]),
        (at([running(1, "G1"), job(2, gpus=("G1",)), job(3)], [card(0), card(1)]),
         [Start(3, ("G0",))]),
        (at([job(1), job(2, group="b")], [card(0), card(1)], {}, group(gpus=("G1",)), group("b")),
         [Start(1, ("G1",)), Start(2, ("G0",))]),
        (at([job(1, gpus=("G0", "G1"))], [card(0), card(1), card(2)], {}, group(gpus=("G1", "G2"))),
         [Start(1, ("G1",))]),
        (at([job(1, gpus=("G0",))], [card(0), card(1)], {}, group(gpus=("G1",))), []),
        (at([job(1, gpus=("G0", "G2"))], [card(0), card(1), card(2)], {1: WIDE}),
         [Start(1, ("G0", "G2"))]),
        # Never on another card, nor on the CPU, because its own is gone.
        (at([job(1, gpus=("G7",)), job(2)], [card(0)]), [Start(2, ("G0",))]),
        (at([job(1, gpus=("G0",))]), []),
        (at([job(1)], [], {}, group(gpus=("G0",))), []),
        # More slots than cards: its jobs share them, one a card while there are empty ones.
        (at([job(1), job(2), job(3), job(4)], [card(0), card(1)], {}, SHARED),
         [Start(1, ("G0",)), Start(2, ("G1",)), Start(3, ("G0",))]),
        (at([running(1, "G0"), job(2)], [card(0, used=12)], {1: EIGHT, 2: EIGHT}, SHARED,
            held={(1, "G0"): 8 * GIB}), [Start(2, ("G0",))]),
        # What a job that loads is still to take is not free, nor what one that starts now will.
        (at([running(1, "G0"), job(2)], [card(0, used=12)], {1: Need(16 * GIB), 2: EIGHT}, SHARED,
            held={(1, "G0"): 11 * GIB}), []),
        (at([job(1), job(2), job(3)], [card(0)], {1: EIGHT, 2: EIGHT, 3: EIGHT}, SHARED),
         [Start(1, ("G0",)), Start(2, ("G0",))]),
        # Where it is not known what a job holds, the whole need is counted.
        (at([running(1, "G0"), job(2)], [card(0, used=12)], {1: EIGHT, 2: EIGHT}, SHARED), []),
        (at([running(1, "G0"), job(2)], [card(0, used=8)], {1: EIGHT, 2: EIGHT}, SHARED),
         [Start(2, ("G0",))]),
        # One that holds more than it needs owes nothing.
        (at([running(1, "G0"), job(2)], [card(0, used=16)], {1: EIGHT, 2: EIGHT}, SHARED,
            held={(1, "G0"): 15 * GIB}), [Start(2, ("G0",))]),
        # Strangers on a shared card count as they are.
        (at([running(1, "G0"), job(2)], [card(0, used=17)], {1: EIGHT, 2: EIGHT}, SHARED,
            held={(1, "G0"): 8 * GIB}), []),
        # Nobody joins the card of a job whose group does not share, and it joins nobody's.
        (at([running(1, "G0", group="b"), job(2)], [card(0)], {}, SHARED), []),
        (at([running(1, "G0"), job(2, group="b")], [card(0)], {}, SHARED), []),
        # Who waits for a shared card to be empty, or emptier, is not passed by who could join it.
        (at([running(1, "G0"), job(2, group="b"), job(3)], [card(0)], {}, SHARED), []),
        (at([running(1, "G0"), job(2), job(3)], [card(0, used=9)],
            {1: EIGHT, 2: Need(20 * GIB), 3: EIGHT}, SHARED, held={(1, "G0"): 8 * GIB}), []),
        # But where strangers hold what it needs, it is.
        (at([running(1, "G0"), job(2), job(3)], [card(0, used=14)],
            {1: EIGHT, 2: Need(20 * GIB), 3: EIGHT}, SHARED, held={(1, "G0"): 8 * GIB}),
         [Start(3, ("G0",))]),
        # Who is held back by a rule keeps no card.
        (at([running(1, "G0"), job(2, after=(1,)), job(3)], [card(0), card(1)], {2: WIDE}),
         [Start(3, ("G1",))]),
    ],
)  # fmt: skip
def test_decide(now: Now, starts: list[Start]) -> None:
    assert decide(now) == starts


@pytest.mark.parametrize(
    ("now", "sentence"),
    [
        (at([job(1)]), "Job 1 starts now."),
        (at([job(1), running(2)]),
         "Job 1 waits for job 2 (j2): one trains at a time on a box without a GPU. It is next."),
        (at([job(1, position=9), running(2), job(3)]), "Ahead of it: 3 (j3)."),
        (at([job(1), running(2, "G0")], [card(0)]),
         "Job 1 waits for a card, held by job 2 (j2). It is next."),
        (at([job(1)], [card(0, used=20)], {1: Need(8 * GIB)}),
         "Job 1 waits for 8.0 GiB of free memory on a card: GPU 0 has 4.0 GiB free, other programs"
         " hold the rest of its 24.0 GiB."),
        (at([job(1), job(2, priority=1)], [card(0)]), "waits for the jobs ahead of it. Ahead"),
        (at([job(1, Stashed())]), "lorad enqueue 1"),
        (at([job(1, Paused(cause="the disk is full."))]), "is paused: the disk is full. `lor"),
        (at([job(1, Failed(finished=1.0, reason="It broke."))]), "Job 1 failed: It broke."),
        (at([running(1)]), "Job 1 trains: step 0 of 10."),
        (at([replace(running(1), max_train_steps=None)]), "Job 1 trains: step 0."),
        (at([replace(running(1), progress=Progress(step=3, note="It went back."))]),
         "Job 1 trains: step 3 of 10. Its newest note: It went back."),
        (at([job(1, Done(finished=1.0, cause="stopped early at step 4: it was enough"))]),
         "its files are in /f. It stopped early at step 4: it was enough."),
        # Several cards.
        (at([job(2), running(1, "G0")], [card(0), card(1)], {2: WIDE}),
         "Job 2 needs 2 free cards, 1 of 2 is free. It is next."),
        (at([job(3, position=9), running(1, "G0"), job(2)], [card(0), card(1)], {3: WIDE, 2: WIDE}),
         "Job 3 needs 2 free cards, 1 of 2 is free. Ahead of it: 2 (j2)."),
        (at([job(2), running(1, "G0", "G1")], [card(0), card(1)], {2: WIDE}),
         "Job 2 waits for 2 cards at once, held by job 1 (j1). It is next."),
        (at([job(1)], [card(0)], {1: WIDE}),
         "Job 1 waits for 2 cards at once, and this box has one. `lorad set 1 num_processes=1`"),
        (at([job(1)], [card(n) for n in range(4)], {1: Need(0, 6)}),
         "`lorad set 1 num_processes=3` lets it start."),
        # The large card is held by a job of ours: nobody else is to blame.
        (at([job(3), running(1, "G0")], [card(0, total=80), card(1)], {3: Need(40 * GIB)}),
         "Job 3 waits for a card of 40.0 GiB or more, held by job 1 (j1)."),
        (at([job(3), running(1, "G0"), running(2, "G1")], [card(0, total=80), card(1)],
         {3: Need(40 * GIB)}), "of 40.0 GiB or more, held by job 1 (j1)."),
        (at([job(3), running(1, "G0")], [card(0, total=80), card(1), card(2, total=48, used=20)],
         {3: Need(40 * GIB)}), "GPU 2 has 28.0 GiB free, other programs hold the rest of its 48.0"),
        (at([job(2), running(1, "G0")], [card(0), card(1), card(2, used=20)],
            {2: Need(8 * GIB, 3)}),
         "2 of 3 are free, and 1 of them has the 8.0 GiB it wants. It is next."),
        (at([job(1)], [card(0), card(1, used=20)], {1: Need(8 * GIB, 2)}),
         "Job 1 waits for 8.0 GiB of free memory on each of 2 cards: GPU 1 has 4.0 GiB free"),
        (at([job(1)], [card(0), card(1, total=4)], {1: Need(8 * GIB, 2)}),
         "waits for 8.0 GiB of free memory, and not so many cards here have that much"),
        (at([job(3), running(1, "G0"), job(2, position=1)], [card(0), card(1)], {2: WIDE}),
         "Job 3 waits for the jobs ahead of it. Ahead of it: 2 (j2)."),
        # The rules, in the order in which they are told.
        (at([job(1, after=(9,))], draining=True),
         "Job 1 waits: the queue is drained, so nothing starts. `lorad drain --end` lets jobs"),
        (at([job(1, group="b")], [], {}, group("b", paused=True)),
         "Job 1 waits: its group b is paused. `lorad group resume b` lets it start."),
        (at([job(1)], [], {}, group(paused=True, cause="job 3 (j3) failed: It broke.")),
         "its group default is paused, since job 3 (j3) failed: It broke. `lorad group resume"),
        (at([job(1, after=(2, 3)), running(2), job(3, DONE)]), "Job 1 starts after job 2 (j2)."),
        (at([job(1, after=(2, 3, 4)), job(2), job(3, BROKEN), job(4, CANCELLED)]),
         "Job 1 starts after job 2 (j2), job 3 (j3), which failed, job 4 (j4), which was cancelled."
         " `lorad update 1 --after none` lets it start without."),
        (at([job(1, after=(7,))]), "Job 1 starts after job 7, which is gone. `lorad update 1"),
        (at([job(1, start_after=NOON)], time=NOON - 7265), ", in 2h 1m, or later. `lorad update 1"),
        (at([job(1, Queued(cause="try 1 of 2 after it failed: It broke."), start_after=NOON)],
            time=NOON - 5), ", in 5s, or later. Try 1 of 2 after it failed: It broke. `lorad upd"),
        (at([job(1, gpus=("G7",))], [card(0)]), "Job 1 waits for G7, which this box does not have"),
        (at([job(1)], [card(0)], {}, group(gpus=("G7",))),
         "Job 1 waits for a card of its group default, and this box has none of them now."),
        (at([job(1, gpus=("G0",))], [card(0), card(1)], {}, group(gpus=("G1",))),
         "Job 1 waits for G0, which its group default may not use. `lorad update 1 --gpu any`"),
        (at([job(1, group="b"), running(2, "G0", group="b")], [card(0), card(1)], {},
            group("b", 1)),
         "Job 1 waits for the one slot of its group b, held by job 2 (j2). It is next."),
        (at([job(3), running(1, "G0"), running(2, "G1")], [card(0), card(1), card(2)], {},
            group(slots=2)),
         "waits for one of the 2 slots of its group default, held by job 1 (j1), job 2 (j2). It"),
        (at([job(3), running(1), running(2)], [], {}, group(slots=5), group("b")),
         "Job 3 starts now."),
        (at([job(3, group="b"), running(1), running(2)], [], {}, group("b")),
         "Job 3 waits for the jobs that train on the CPU: job 1 (j1), job 2 (j2). It is next."),
        (at([job(20), *(running(id) for id in range(1, 11))], [], {}),
         "job 7 (j7), job 8 (j8) and 2 more. It is next."),
        # Who is held back is not in line.
        (at([job(3), running(1), job(2, start_after=NOON)]), "GPU. It is next."),
        # Of the cards that it may have.
        (at([job(2, gpus=("G0",)), running(1, "G0")], [card(0), card(1)]),
         "Job 2 waits for a card, held by job 1 (j1). It is next."),
        (at([job(1, gpus=("G0",))], [card(0, total=4), card(1)], {1: EIGHT}),
         "waits for 8.0 GiB of free memory, and no card that it may use has that much."),
        (at([job(1)], [card(0), card(1)], {1: WIDE}, group(gpus=("G1",))),
         "Job 1 waits for 2 cards at once, and it may use one."),
        # Shared cards.
        (at([job(2), running(1, "G0")], [card(0, used=5)], {1: Need(16 * GIB), 2: EIGHT}, SHARED,
            held={(1, "G0"): 4 * GIB}),
         "Job 2 waits for 8.0 GiB of free memory on a card: GPU 0 has 7.0 GiB free, job 1 (j1) and"
         " other programs hold the rest of its 24.0 GiB."),
        (at([job(3), running(1, "G0"), job(2, group="b", position=1)], [card(0)], {}, SHARED),
         "Job 3 waits for the jobs ahead of it. Ahead of it: 2 (j2)."),
    ],
)  # fmt: skip
def test_why(now: Now, sentence: str) -> None:
    """Of the first job."""
    assert sentence in why(now.jobs[0], now)


# -- whatever the queue ---------------------------------------------------------------------------

CARDS = ("G0", "G1", "G2")
NAMES = ("default", "b", "c")


@st.composite
def queues(draw: st.DrawFn) -> Now:
    """Any box, any groups, any jobs; those that run were started by nobody's rules."""
    some_cards = st.lists(st.sampled_from(CARDS), unique=True, max_size=2).map(tuple)
    sizes = st.integers(0, 24)
    gpus = [card(index, used=draw(sizes), total=24) for index in range(draw(st.integers(0, 3)))]
    groups = [
        group(name, draw(st.integers(0, 4)), gpus=draw(some_cards), paused=draw(st.booleans()))
        for name in NAMES
    ]
    jobs: list[Job] = []
    for id in range(1, draw(st.integers(1, 8)) + 1):
        here = [gpu.uuid for gpu in gpus]
        process = Process(pid=id, birth="b", gpus=tuple(here[: draw(st.integers(1, 2))]))
        status = draw(st.sampled_from([Queued(), Queued(), Running(process=process), DONE, BROKEN]))
        after = draw(st.lists(st.integers(1, 9).filter(lambda n: n != id), max_size=1).map(tuple))  # noqa: B023
        jobs.append(
            job(id, status, group=draw(st.sampled_from(NAMES)), after=after,
                start_after=draw(st.sampled_from([None, None, 50.0, 150.0])),
                gpus=draw(some_cards), priority=draw(st.integers(0, 1))),
        )  # fmt: skip
    needs = {one.id: Need(draw(sizes) * GIB, draw(st.integers(1, 2))) for one in jobs}
    held = {
        (one.id, uuid): draw(sizes) * GIB
        for one in jobs if one.process is not None
        for uuid in one.process.gpus if draw(st.booleans())
    }  # fmt: skip
    return at(
        jobs, gpus, needs, *groups, held=held, time=100.0, draining=draw(st.integers(0, 9)) == 0
    )


@given(queues())
@settings(max_examples=400, deadline=None)
def test_whoever_starts_may(now: Now) -> None:
    starts = decide(now)
    jobs = {one.id: one for one in now.jobs}
    active = [one for one in now.jobs if one.process is not None]
    running = Counter(one.group for one in active)
    assert len({start.job_id for start in starts}) == len(starts)
    for count, start in enumerate(starts):
        one = jobs[start.job_id]
        its = now.groups[one.group]
        assert isinstance(one.status, Queued)
        assert not now.draining
        assert not its.paused
        assert all(id in jobs and jobs[id].status == DONE for id in one.after)
        assert (one.start_after or 0) <= now.time
        assert not its.slots or running[one.group] < its.slots
        running[one.group] += 1
        if now.gpus:
            assert len(set(start.gpus)) == len(start.gpus) == now.needs[one.id].cards
            assert set(start.gpus) <= set(one.gpus or start.gpus)
            assert set(start.gpus) <= set(its.gpus or start.gpus)
        else:
            assert (one.gpus, its.gpus) == ((), ())
            assert start.gpus == ()
            assert len(active) + count < max(1, its.slots)


def shares(now: Now, name: str) -> bool:
    its = now.groups[name]
    return its.slots > sum(not its.gpus or gpu.uuid in its.gpus for gpu in now.gpus)


@given(queues())
@settings(max_examples=400, deadline=None)
def test_cards_are_shared_by_those_who_share_and_hold_them_all(now: Now) -> None:
    starts = decide(now)
    jobs = {one.id: one for one in now.jobs}
    for gpu in now.gpus:
        old = [one for one in now.jobs if one.process and gpu.uuid in one.process.gpus]
        new = [jobs[start.job_id] for start in starts if gpu.uuid in start.gpus]
        if not new:
            continue
        if len(old) + len(new) > 1:
            assert all(shares(now, one.group) for one in [*old, *new])
        for name, count in Counter(one.group for one in new).items():
            assert not now.groups[name].slots or count <= now.groups[name].slots
        # When all of them have loaded, what strangers leave is enough.
        to_come = sum(
            max(0, now.needs[one.id].memory - now.held.get((one.id, gpu.uuid), 0)) for one in old
        )
        to_come += sum(now.needs[one.id].memory for one in new)
        assert gpu.memory_used_bytes + to_come <= gpu.memory_total_bytes


@given(queues())
@settings(max_examples=400, deadline=None)
def test_equals_start_in_their_order(now: Now) -> None:
    """Of two that are alike in all but their place, the later one never passes."""
    started = {start.job_id for start in decide(now)}
    waiting = [one for one in now.jobs if isinstance(one.status, Queued)]
    for first in waiting:
        for second in waiting:
            if (first.priority, -first.position) > (second.priority, -second.position) and (
                replace(second, id=first.id, name="", position=0.0, priority=0)
                == replace(first, name="", position=0.0, priority=0)
                and now.needs[first.id] == now.needs[second.id]
            ):
                assert first.id in started or second.id not in started


@given(queues())
@settings(max_examples=300, deadline=None)
def test_why_says_that_it_starts_only_of_those_that_do(now: Now) -> None:
    started = {start.job_id for start in decide(now)}
    for one in now.jobs:
        if isinstance(one.status, Queued):
            sentence = why(one, now)
            assert (sentence == f"Job {one.id} starts now.") == (one.id in started)
            assert sentence.startswith(f"Job {one.id} ")


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
