"""The queue's list: order, sections, marks, what many jobs cost, the whole queue's totals."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from textual.pilot import Pilot
from tui.driving import drive, keys, seen, settle, text_of, told
from tui.fakes import FakeLink, at_step, job, status

from lorad.shared.jobs import (
    Done,
    Failed,
    Gpu,
    Group,
    Held,
    Job,
    Paused,
    Process,
    Progress,
    Queued,
    Running,
    Starting,
    Stashed,
    Turn,
)
from lorad.shared.messages import (
    Batch,
    CancelJob,
    EnqueueJob,
    JobChanged,
    JobRemoved,
    PauseJob,
    RemoveJob,
    ResumeJob,
    SetPriority,
    StashJob,
    Why,
    WhyJob,
)
from lorad.tui import format, totals
from lorad.tui.mirror import Listing, listed, places, sifted
from lorad.tui.widgets.queue import QueueList
from lorad.tui.widgets.rows import columns, sentence


def card(index: int) -> Gpu:
    return Gpu(
        uuid=f"GPU-{index}", index=index, name="H200", memory_total_bytes=1, memory_used_bytes=0
    )


def on(*gpus: int) -> Running:
    return Running(process=Process(pid=1, birth="b", gpus=tuple(f"GPU-{n}" for n in gpus)))


def mapping(*jobs: Job) -> dict[int, Job]:
    return {one.id: one for one in jobs}


MANY = [
    job(1, Done(finished=5.0)),
    job(2, on(1)),
    job(3, Queued()),
    job(4, on(0)),
    job(5, Stashed()),
    job(6, Paused()),
    job(7, Queued(), priority=2),
    job(8, on(7)),
    job(9, Failed(finished=9.0, reason="x")),
]


# -- the order -----------------------------------------------------------------------------------


def test_jobs_stand_by_what_they_do_and_where() -> None:
    listing = listed(Listing(), mapping(*MANY), [card(0), card(1)])
    assert listing.order == [8, 4, 2, 7, 3, 6, 5, 9, 1]
    assert [(s.title.split("  ")[0], s.begin, s.size) for s in listing.sections] == [
        ("on a card that is not seen", 0, 1),
        ("on GPU 0", 1, 1),
        ("on GPU 1", 2, 1),
        ("waiting", 3, 2),
        ("paused", 5, 1),
        ("stashed", 6, 1),
        ("ended", 7, 2),
    ]
    assert [s.title for s in listed(Listing(), mapping(at_step(1, 2))).sections] == ["on the CPU"]


def test_mere_progress_leaves_the_order_as_it_is() -> None:
    before = listed(Listing(), mapping(*MANY))
    after = listed(before, {**before.jobs, 2: at_step(2, 50, status=on(1))})
    assert after.order is before.order
    assert after.sections is before.sections
    assert after.jobs[2].progress.step == 50
    assert listed(after, after.jobs) is after


@pytest.mark.parametrize(
    "change",
    [
        job(3, on(0)),
        job(3, Queued(), priority=9),
        job(3, Queued(), position=99.0),
        job(3, Queued(), name="another"),
        job(3, Queued(), max_train_steps=7),
        job(3, Queued(), group="night"),
        job(10, Queued()),
        job(2, Starting(process=Process(pid=1, birth="b", gpus=("GPU-1",)))),
        None,
    ],
)
def test_any_other_change_gives_the_order_that_sorting_gives(change: Job | None) -> None:
    before = listed(Listing(), mapping(*MANY), [card(0), card(1)])
    jobs = dict(before.jobs)
    if change is None:
        del jobs[3]
    else:
        jobs[change.id] = change
    after = listed(before, jobs, [card(0), card(1)])
    anew = listed(Listing(), jobs, [card(0), card(1)])
    assert after.order == anew.order
    assert after.order is not before.order
    assert after.sections == anew.sections


def test_a_card_that_comes_sorts_anew() -> None:
    before = listed(Listing(), mapping(*MANY), [card(0)])
    after = listed(before, before.jobs, [card(0), card(1)])
    assert after.order == listed(Listing(), before.jobs, [card(0), card(1)]).order
    assert after.order != before.order


def test_a_filter_has_words_that_must_all_fit() -> None:
    listing = listed(
        Listing(),
        mapping(job(1, name="cats-small"), job(2, Queued(), name="Cats"), job(13, Queued())),
    )
    for text, found in (
        ("cats", [1, 2]),
        ("cats queued", [2]),
        ("small cats", [1]),
        ("#13", [13]),
        ("2", [2]),
        ("run", [1]),
        ("dogs", []),
        ("", [1, 2, 13]),
    ):
        assert list(sifted(listing, text).order) == found, text


def test_a_place_in_line_counts_those_that_wait() -> None:
    listing = listed(Listing(), mapping(*MANY))
    assert places(listing) == {7: 1, 3: 2}


def test_who_is_kept_out_of_line_has_no_place_and_counts_for_nobody() -> None:
    paused = Turn(kind="group", words="group night is paused", lasting=True)
    slot = Turn(kind="slots", words="a slot of day")
    line = Turn(kind="line")
    jobs = mapping(
        job(1, Queued(), turn=paused, group="night"),
        job(2, Queued(), turn=line),
        job(3, Queued(), turn=slot, group="day"),
        job(4, Queued()),
        job(5, Queued(), turn=slot, group="day"),
    )
    listing = listed(Listing(), jobs)
    assert places(listing) == {2: 1, 3: 1, 4: 2, 5: 2}
    found = [sentence(one, places(listing).get(one.id, 0)) for one in jobs.values()]
    assert found == [
        "group night is paused",
        "next in line",
        "next for a slot of day",
        "2nd in line",
        "2nd for a slot of day",
    ]
    assert totals.waiting_work(jobs.values()) == totals.Waiting(steps=400, lasting=1)
    alone = totals.totals([jobs[1]], 1)
    assert (alone.waiting, totals.eta_words(alone)) == (1, "")
    freed = listed(listing, {**jobs, 1: job(1, Queued(), turn=line, group="night")})
    assert freed.order is not listing.order, "who comes into line moves the others back"
    assert places(freed)[4] == 3


# -- the rows ------------------------------------------------------------------------------------

TREND = (0.9, 0.5, 0.4, 0.1)


def busy() -> FakeLink:
    progress = Progress(
        step=50, loss=0.25, images_per_second=8.0, eta_seconds=75.0, trend=TREND,
        seconds_per_step=1.5,
    )  # fmt: skip
    jobs = [
        job(1, on(0), name="cats", progress=progress),
        job(2, Queued(), name="dogs", priority=3),
        job(3, Queued(cause="its run died at step 9"), name="birds"),
        job(4, Paused(), name="mice"),
        job(5, Done(finished=1.0), name="fish"),
    ]
    return FakeLink(status_reply=status(*jobs, gpus=[card(0)]))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_a_row_says_how_far_how_fast_and_how_long(size: tuple[int, int]) -> None:
    shown = seen(busy(), size=size)
    row = next(line for line in shown.splitlines() if "cats" in line and "running" in line)
    for text in ("50%", "50/100", "1m15s", "8.00", "█▅▄▁"):
        assert text in row
    assert "next in line · priority +3" in shown


@pytest.mark.parametrize(
    ("size", "part"), [((80, 24), (8, 80)), ((120, 40), (12, 120)), ((200, 60), (13, 99))]
)
def test_the_list_looks_as_it_did(size: tuple[int, int], part: tuple[int, int]) -> None:
    """The text of the pane; `LORAD_GOLDEN=1` writes it anew, to be looked at."""
    lines, columns = part
    shown = seen(busy(), "j", "space", size=size).splitlines()[1 : 1 + lines]
    found = "".join(f"{line[:columns].rstrip()}\n" for line in shown)
    path = Path(__file__).parent / "golden" / f"queue-{size[0]}x{size[1]}.txt"
    if os.environ.get("LORAD_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found)
    assert found == path.read_text()


def test_sections_stand_where_there_is_room() -> None:
    shown = seen(busy(), size=(120, 40))
    for text in ("on GPU 0  H200", "waiting", "paused", "ended"):
        assert any(line.strip().startswith(text) for line in shown.splitlines())
    assert "on GPU 0" not in seen(busy(), size=(80, 24))


def test_the_header_counts_and_tells_the_time_of_all() -> None:
    head = seen(busy(), size=(200, 60)).splitlines()[0]
    # 75 s left, and two jobs of 100 steps at 1.5 s, on one card.
    assert "1 training, 2 waiting  6m15s left  1 paused, 1 done" in head


def test_columns_do_not_jump_back_while_one_scrolls() -> None:
    wide = columns([job(12345, name="a" * 20)], 150)
    after = columns([job(1)], 150, wide)
    assert (after.id, after.name) == (wide.id, wide.name)
    assert columns([job(1)], 150).name < wide.name


def test_the_cursor_that_rests_on_a_waiting_job_brings_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lorad.tui.screens.main.WHY_SECONDS", 0.01)
    link = busy()
    link.answers[WhyJob] = Why(sentence="Job 2 waits for a card, held by job 1 [/b].")
    shown: list[str] = []

    async def act(pilot: Pilot[int]) -> None:
        await pilot.press("j")
        while not link.asked:
            await pilot.pause(0.01)
        await settle(pilot)
        shown.append(text_of(pilot.app))  # type: ignore[arg-type]
        assert not pilot.app._notifications
        await pilot.press("j")
        while len(link.asked) < 2:
            await pilot.pause(0.01)

    drive(link, act)
    assert "└ Job 2 waits for a card, held by job 1 [/b]." in shown[0]
    assert link.asked[:2] == [WhyJob(id=2), WhyJob(id=3)]


def grouped() -> FakeLink:
    paused = Turn(kind="group", words="group night is paused", lasting=True)
    lost = Turn(kind="after", words="after 9, which failed", lasting=True)
    jobs = [
        job(1, on(0), name="cats", group="day", progress=Progress(step=50, eta_seconds=10.0)),
        job(2, Queued(), name="dogs", group="night", turn=paused),
        job(3, Queued(), name="birds", turn=lost, after=(9,)),
        job(4, Queued(), name="mice", turn=Turn(kind="line")),
    ]
    groups = [
        Group(name="default"),
        Group(name="day", slots=1),
        Group(name="night", paused=True),
    ]
    reply = msgspec.structs.replace(status(*jobs, gpus=[card(0)]), groups=groups)
    return FakeLink(status_reply=reply)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_a_row_says_why_its_job_cannot_start_and_whose_it_is(size: tuple[int, int]) -> None:
    shown = seen(grouped(), "j", size=size)
    rows = {
        name: next(line for line in shown.splitlines() if f" {name} " in line)
        for name in ("cats", "dogs", "birds", "mice")
    }
    assert "group night is paused" in rows["dogs"]
    assert "after 9, which failed" in rows["birds"]
    assert "next in line" in rows["mice"]
    for name in ("dogs", "birds"):
        assert "in line" not in rows[name]
    if size[0] > 80:
        assert " day " in rows["cats"]
        assert " night " in rows["dogs"]


def test_the_groups_have_a_line_where_there_are_several() -> None:
    line = "default: 0 running, 2 waiting · day: 1 of 1 slots taken · night: 0 running, 1 waiting"
    assert line in seen(grouped(), size=(200, 60))
    assert "0 running" not in seen(busy(), size=(200, 60))


def test_a_click_hits_the_job_that_is_there_also_below_the_groups() -> None:
    async def act(pilot: Pilot[int]) -> None:
        queue = pilot.app.screen.query_one(QueueList)
        lines = text_of(pilot.app).splitlines()  # type: ignore[arg-type]
        row = next(n for n, line in enumerate(lines) if " mice " in line)
        await pilot.click(QueueList, offset=(10, row - queue.region.y))
        await settle(pilot)
        assert queue.selected is not None
        assert queue.selected.id == 4

    drive(grouped(), act, (200, 60))


# -- marks ---------------------------------------------------------------------------------------


def four(*statuses: object) -> FakeLink:
    return FakeLink(*(job(n, one) for n, one in enumerate(statuses, 1)))  # type: ignore[arg-type]


def asked_of(link: FakeLink) -> list[object]:
    """What was asked for, one by one or together."""
    return [
        one
        for request in link.asked
        for one in (request.requests if isinstance(request, Batch) else [request])
    ]


def test_keys_act_on_what_is_marked_and_the_marks_go_with_it() -> None:
    link = four(Queued(), Queued(), Queued(), Queued())
    assert "2 marked" in seen(link, "space", "space")
    keys(link, "space", "j", "space", "S", "S")
    assert link.asked == [Batch(requests=[StashJob(id=1), StashJob(id=3)]), StashJob(id=4)]


def test_a_mark_is_taken_away_by_the_same_key_and_all_by_escape() -> None:
    link = four(Queued(), Queued())
    keys(link, "space", "k", "space", "S")
    assert asked_of(link) == [StashJob(id=2)]
    link = four(Queued(), Queued())
    keys(link, "A", "escape", "g", "S")
    assert asked_of(link) == [StashJob(id=1)]


def test_all_means_all_that_the_filter_shows() -> None:
    jobs = [job(1, Queued(), name="cats"), job(2, Queued(), name="dogs"), job(3, Stashed())]
    link = FakeLink(*jobs)
    keys(link, "slash", *"queued cats", "enter", "A", "escape", "S")
    assert asked_of(link) == [StashJob(id=1)]
    link = FakeLink(*jobs)
    keys(link, "asterisk", "asterisk", "S")
    assert asked_of(link) == [StashJob(id=1)], "the second time marks none"


@pytest.mark.parametrize(
    ("statuses", "key", "asked"),
    [
        ((None, Paused(), Queued()), "p", [PauseJob(id=1)]),
        ((Paused(), Paused()), "p", [ResumeJob(id=1), ResumeJob(id=2)]),
        ((Stashed(), Stashed()), "S", [EnqueueJob(id=1), EnqueueJob(id=2)]),
        ((Stashed(), Queued()), "S", [StashJob(id=2)]),
    ],
)
def test_a_key_with_two_meanings_means_one_for_all(
    statuses: Sequence[object], key: str, asked: list[object]
) -> None:
    link = four(*statuses)
    keys(link, "A", key)
    assert asked_of(link) == asked


def test_those_that_a_verb_does_not_fit_are_counted() -> None:
    link = four(None, Queued(), Queued())
    assert told(link, "A", "S").startswith("1 of 3 jobs cannot be stashed. Job 1 is running")
    assert asked_of(link) == [StashJob(id=2), StashJob(id=3)]


def test_cancelling_many_asks_first_and_names_how_many() -> None:
    link = four(None, Queued(), Queued(), Paused(), None)
    shown = seen(link, "A", "x")
    assert "Cancel 5 jobs (job-1, job-5, job-2, job-3 and 1 more)?" in shown
    assert asked_of(link) == []
    keys(link, "A", "x", "y")
    assert asked_of(link) == [CancelJob(id=n) for n in (1, 5, 2, 3, 4)]


@pytest.mark.parametrize("key", ["d", "delete"])
def test_removing_asks_first(key: str) -> None:
    link = four(Paused(), Queued())
    shown = seen(link, "A", key)
    assert "Forget 2 jobs (job-2, job-1)?" in shown
    assert "their files stay" in shown
    keys(link, "A", key, "n")
    assert asked_of(link) == []
    keys(link, "A", key, "y")
    assert asked_of(link) == [RemoveJob(id=2), RemoveJob(id=1)]
    assert "so it cannot be removed" in told(four(None), key)


def test_priorities_change_together_and_the_marks_stay() -> None:
    link = four(Queued(), Queued())
    keys(link, "A", "plus", "plus")
    assert asked_of(link) == [SetPriority(id=id, priority=p) for p in (1, 2) for id in (1, 2)]


def test_a_job_that_is_gone_is_marked_no_longer() -> None:
    link = four(Queued(), Queued())

    async def act(pilot: Pilot[int]) -> None:
        await pilot.press("A")
        link.hear("queue/", JobRemoved(id=1))
        await settle(pilot)
        await pilot.press("S")

    drive(link, act)
    assert asked_of(link) == [StashJob(id=2)]


# -- ten thousand --------------------------------------------------------------------------------


def test_only_what_is_in_view_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    from lorad.tui.widgets import queue

    paint_row = queue.job_row

    def counting(one: Job, *rest: object) -> object:
        drawn.append(one.id)
        return paint_row(one, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(queue, "job_row", counting)
    link = FakeLink(at_step(1, 5), *(job(n, Queued()) for n in range(2, 10_001)))

    async def act(pilot: Pilot[int]) -> None:
        drawn.clear()
        await pilot.press("G")
        await settle(pilot)
        assert 10_000 in drawn
        assert "10000 of 10000" in text_of(pilot.app)  # type: ignore[arg-type]
        assert len(set(drawn)) < 60
        order = pilot.app.screen.query_one(QueueList)._shown.order
        link.hear("queue/", JobChanged(job=at_step(1, 6)))
        await settle(pilot)
        assert pilot.app.screen.query_one(QueueList)._shown.order is order

    drive(link, act, (200, 60))


# -- totals --------------------------------------------------------------------------------------


def running(id: int, eta: float | None, pace: float | None = 2.0) -> Job:
    return job(id, on(id), progress=Progress(step=50, eta_seconds=eta, seconds_per_step=pace))


def test_the_queue_takes_what_its_jobs_take_spread_over_the_cards() -> None:
    waits = [job(n, Queued()) for n in (11, 12)]  # 100 steps each
    found = totals.totals([running(1, 100.0), running(2, 60.0), *waits], 2)
    assert (found.eta_seconds, found.eta_complete) == ((160 + 400) / 2, True)
    assert totals.totals([running(1, 100.0)], 8).eta_seconds == 100.0
    assert totals.totals([running(1, 100.0)], 0).eta_seconds == 100.0, "a box without a card"


def test_what_has_several_cards_is_the_work_of_all_of_them() -> None:
    four = job(1, on(0, 1, 2, 3), progress=Progress(eta_seconds=100.0, seconds_per_step=1.0))
    alike = job(2, Queued(), max_train_steps=100)
    assert totals.totals([four], 4).eta_seconds == 100.0
    assert totals.totals([four, alike], 4).eta_seconds == 200.0


def test_a_held_job_goes_on_only_when_somebody_says_so() -> None:
    process = Process(pid=1, birth="b", gpus=("GPU-0",))
    held = job(1, Held(process=process), progress=Progress(eta_seconds=3600.0, seconds_per_step=1))
    alone = totals.totals([held], 1)
    assert (alone.eta_seconds, alone.eta_complete, totals.eta_words(alone)) == (0.0, True, "")
    others = totals.totals([held, running(2, 60.0), job(3, Queued())], 2)
    assert (others.eta_seconds, others.eta_complete) == ((60.0 + 100 * 1.5) / 2, True)


def test_a_job_that_ran_before_goes_on_at_its_own_pace() -> None:
    before = job(3, Queued(), progress=Progress(step=90, seconds_per_step=7.0))
    assert totals.totals([running(1, 10.0), before], 1).eta_seconds == 10.0 + 10 * 7.0


def test_what_ended_tells_the_pace_where_nothing_trains() -> None:
    done = job(1, Done(finished=1.0), progress=Progress(step=100, seconds_per_step=3.0))
    assert totals.totals([done, job(2, Queued())], 1).eta_seconds == 300.0


def test_what_nobody_can_tell_is_called_unknown() -> None:
    nothing = totals.totals([job(2, Queued())], 1)
    assert (nothing.eta_seconds, totals.eta_words(nothing)) == (None, "unknown")
    some = totals.totals([running(1, 60.0), job(2, Queued(), max_train_steps=None)], 1)
    assert totals.eta_words(some) == "over 1m00s"
    assert totals.eta_words(totals.totals([job(1, Paused())], 1)) == ""
    fresh = totals.totals([running(1, None, None)], 1)
    assert totals.eta_words(fresh) == "unknown"


def test_the_tally_counts_anew_only_when_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    tally = totals.Tally()
    listing = listed(Listing(), mapping(running(1, 100.0), job(2, Queued())))
    whole = totals.totals(list(listing.jobs.values()), 1)
    assert tally.of(listing, 1) == whole
    monkeypatch.setattr(totals, "waiting_work", None)
    after = listed(listing, {**listing.jobs, 1: running(1, 90.0)})
    assert tally.of(after, 1).eta_seconds == 90.0 + 200.0


@pytest.mark.parametrize(
    ("values", "width", "drawn"),
    [
        ((), 8, ""),
        ((1.0,), 8, "▁"),
        ((0.0, 7.0), 8, "▁█"),
        ((1.0, 1.0, 3.0, 3.0), 2, "▁█"),
        (tuple(map(float, range(8))), 8, "▁▂▃▄▅▆▇█"),
    ],
)
def test_sparklines(values: tuple[float, ...], width: int, drawn: str) -> None:
    assert format.sparkline(values, width) == drawn


@pytest.mark.parametrize(
    ("number", "word"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (112, "112th"), (21, "21st")],
)
def test_ordinals(number: int, word: str) -> None:
    assert format.ordinal(number) == word


def test_the_header_says_why_nothing_starts() -> None:
    reply = msgspec.structs.replace(
        status(job(1, Queued())),
        groups=[Group(name="default"), Group(name="night", paused=True)],
        draining=True,
    )
    first = seen(FakeLink(status_reply=reply)).splitlines()[0]
    assert "drained  night paused" in first
    assert "paused" not in seen(four(Queued())).splitlines()[0]


def test_a_line_says_what_a_job_waits_for_besides_its_turn() -> None:
    after = Turn(kind="after", words="after 1, 2")
    assert sentence(job(3, Queued(), after=(1, 2), turn=after), place=0) == "after 1, 2"
    assert sentence(job(3, Queued(), after=(1, 2)), place=2) == "2nd in line", "they are done"
    assert sentence(job(3, Queued(), group="night"), place=1) == "next in line · group night"
    later = Turn(kind="time", words="not before some day")
    told = sentence(job(3, Queued(), start_after=4e9, turn=later, group="night"), place=0)
    assert told.startswith("not before 2096-"), "by the clock of whoever looks"
    assert told.endswith(" · group night")
    early = sentence(job(3, Queued(), start_after=1.0, turn=later), place=0)
    assert early.startswith("not before 19"), "a box whose clock is behind says when it is due"
    assert sentence(job(3, Queued(), start_after=1.0, priority=2), place=1) == (
        "next in line · priority +2"
    )
