"""What keys do: verbs, selection, frames, leaving."""

from __future__ import annotations

import itertools
import time

import pytest
from textual.geometry import Region
from textual.pilot import Pilot
from textual.widgets._toast import Toast
from tui.driving import drive, keys, seen, settle, text_of, told
from tui.fakes import PROCESS, FakeLink, at_step, job, status

from lorad.shared.jobs import Cancelled, Done, Failed, Finishing, Paused, Queued, Stashed
from lorad.shared.messages import (
    Accepted,
    AnyRequest,
    CancelJob,
    EnqueueJob,
    JobChanged,
    JobRemoved,
    MoveJob,
    PauseJob,
    RestartJob,
    ResumeJob,
    SampleJob,
    SetPriority,
    StashJob,
    Why,
    WhyJob,
)
from lorad.tui.app import LoradApp
from lorad.tui.messages import News
from lorad.tui.widgets.queue import QueueList

# -- verbs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "key", "request_type"),
    [
        (None, "p", PauseJob),
        (Paused(), "p", ResumeJob),
        (Failed(finished=1.0, reason="x"), "p", ResumeJob),
        (Cancelled(finished=1.0), "p", ResumeJob),
        (Failed(finished=1.0, reason="x"), "R", RestartJob),
        (Queued(), "S", StashJob),
        (Stashed(), "S", EnqueueJob),
        (None, "w", WhyJob),
        (None, "n", SampleJob),
    ],
)
def test_a_key_asks_for_its_verb(status: object, key: str, request_type: type[AnyRequest]) -> None:
    link = FakeLink(job(4, status))  # type: ignore[arg-type]
    keys(link, key)
    assert link.asked == [request_type(id=4)]  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("status", "key", "sentence"),
    [
        (Queued(), "p", "Job 4 is queued, so it cannot be paused. `lorad stash 4` keeps it"),
        (Done(finished=1.0), "p", "Job 4 is done, so it cannot be resumed."),
        (None, "S", "Job 4 is running, so it cannot be stashed."),
        (None, "R", "Job 4 is running, so it cannot be restarted."),
        (Done(finished=1.0), "x", "Job 4 is done, so it cannot be cancelled."),
        (Paused(), "n", "Job 4 is paused, so it cannot be asked for pictures. It draws while"),
        (None, "J", "Job 4 is running: only queued jobs have a place"),
    ],
)
def test_the_impossible_is_explained_and_not_asked(status: object, key: str, sentence: str) -> None:
    link = FakeLink(job(4, status))  # type: ignore[arg-type]
    assert sentence in told(link, key)
    assert link.asked == []


@pytest.mark.parametrize("yes", ["y", "enter"])
def test_cancel_asks_first(yes: str) -> None:
    link = FakeLink(job(4))
    assert "Cancel job 4" in seen(link, "x")
    assert link.asked == []
    link = FakeLink(job(4))
    keys(link, "x", yes)
    assert link.asked == [CancelJob(id=4)]


@pytest.mark.parametrize("no", ["n", "escape"])
def test_no_means_no(no: str) -> None:
    link = FakeLink(job(4))
    assert "Cancel job 4" not in seen(link, "x", no)
    assert link.asked == []


def test_cancelling_what_is_saving_kills_it() -> None:
    link = FakeLink(job(4, Finishing(process=PROCESS, outcome="cancelled")))
    keys(link, "x", "y")
    assert link.asked == [CancelJob(id=4, force=True)]


def test_restart_of_work_that_was_done_asks_first() -> None:
    link = FakeLink(at_step(4, 70, status=Paused()))
    keys(link, "R")
    assert link.asked == []
    keys(link, "R", "y")
    assert link.asked == [RestartJob(id=4)]


def test_moving_goes_among_those_that_wait() -> None:
    link = FakeLink(job(1), job(2, Queued()), job(3, Queued()))
    keys(link, "j", "J")
    keys(link, "j", "K")  # it is at the front already
    keys(link, "j", "j", "K")
    assert link.asked == [MoveJob(id=2, to=2), MoveJob(id=3, to=1)]


def test_plus_and_minus_change_the_priority() -> None:
    link = FakeLink(job(2, Queued(), priority=3))
    keys(link, "plus", "minus")
    assert link.asked == [SetPriority(id=2, priority=4), SetPriority(id=2, priority=3)]


def test_why_is_told() -> None:
    link = FakeLink(job(2, Queued()))
    link.answers[WhyJob] = Why(sentence="It waits for [/b] a card.")
    assert "It waits for [/b] a card." in seen(link, "w")


def test_why_is_told_once_where_there_is_room_for_it() -> None:
    link = FakeLink(job(2, Queued()))
    link.answers[WhyJob] = Why(sentence="It waits for a card.")
    assert told(link, "w") == ""
    assert seen(link, "w").count("It waits for a card.") == 1
    long = f"It waits for {', '.join(f'card {n}' for n in range(40))} and no more."
    link.answers[WhyJob] = Why(sentence=long)
    assert told(link, "w") == long  # there is no room for all of it beside the job


@pytest.mark.parametrize(("size", "most"), [((80, 24), 8), ((120, 40), 12)])
def test_a_long_sentence_leaves_the_screen_in_view(size: tuple[int, int], most: int) -> None:
    link = FakeLink(job(2))
    link.answers[WhyJob] = Why(sentence="word " * 200)
    heights: list[int] = []

    async def act(pilot: Pilot[int]) -> None:
        await pilot.press("w")
        await settle(pilot)
        heights.extend(toast.size.height for toast in pilot.app.screen.query(Toast))

    drive(link, act, size)
    (height,) = heights
    assert 3 < height <= most


def test_pictures_that_will_come_are_told() -> None:
    link = FakeLink(job(2))
    link.answers[SampleJob] = Accepted(job=job(2))
    assert told(link, "n") == "Job 2 draws its prompts after this step."


def test_a_refusal_is_told() -> None:
    link = FakeLink(job(2))
    link.answers[PauseJob] = "The daemon was restarted meanwhile [/b]."
    assert told(link, "p") == "The daemon was restarted meanwhile [/b]."


def test_keys_without_a_job_do_no_harm() -> None:
    link = FakeLink(status_reply=status())
    keys(link, *"pxRSJKslwn", "plus", "minus", "j", "k")
    assert link.asked == []


# -- selection, filter, panes ------------------------------------------------------------------


def test_the_first_job_is_followed_and_the_cursor_selects() -> None:
    link = FakeLink(job(1), job(2, Queued()))
    keys(link, "j", "k", "down", "up", "j")
    assert link.selected == [1, 2, 1, 2, 1, 2]


def test_the_cursor_stays_on_its_job_when_others_move() -> None:
    link = FakeLink(job(1, Queued()), job(2, Queued()))

    async def act(pilot: Pilot[int]) -> None:
        await pilot.press("j")
        link.hear("queue/", JobChanged(job=job(2)))
        await settle(pilot)
        await pilot.press("p")

    drive(link, act)
    assert link.asked == [PauseJob(id=2)]


def test_the_cursor_goes_to_the_neighbour_of_a_job_that_is_removed() -> None:
    link = FakeLink(job(1), job(2, Queued()), job(3, Queued()))

    async def act(pilot: Pilot[int]) -> None:
        await pilot.press("j")
        link.hear("queue/", JobRemoved(id=2))
        await settle(pilot)

    drive(link, act)
    assert link.selected[-1] == 3


def test_the_filter_keeps_names_and_states_and_escape_clears_it() -> None:
    jobs = [job(1, name="cats"), job(2, Queued(), name="dogs"), job(3, Queued(), name="birds")]
    shown = seen(FakeLink(*jobs), "slash", *"dog", "enter")
    assert "dogs" in shown
    assert "cats" not in shown
    shown = seen(FakeLink(*jobs), "slash", *"queued", "enter")
    assert "cats" not in shown
    assert "birds" in shown
    assert "cats" in seen(FakeLink(*jobs), "slash", *"dog", "escape")
    assert "No job fits" in seen(FakeLink(*jobs), "slash", *"zebra")


def test_letters_in_the_filter_are_no_commands() -> None:
    link = FakeLink(job(1))
    assert "xqp" in seen(link, "slash", *"xqp")
    assert link.asked == []


def test_tab_goes_from_pane_to_pane() -> None:
    focused: list[str | None] = []

    async def act(pilot: Pilot[int]) -> None:
        for _ in range(5):
            focused.append(pilot.app.focused.id if pilot.app.focused else None)
            await pilot.press("tab")

    drive(FakeLink(job(1)), act)
    assert focused == ["queue", "chart-loss", "samples", "log", "queue"]


# -- frames ------------------------------------------------------------------------------------


def test_a_flood_of_news_is_drawn_at_most_four_times_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lorad.tui.app.LoradApp.frame_seconds", 0.25)
    link = FakeLink(at_step(1, 1))
    taken: list[float] = []
    take = link.take
    monkeypatch.setattr(link, "take", lambda: taken.append(time.monotonic()) or take())

    async def act(pilot: Pilot[int]) -> None:
        await pilot.pause(0.3)
        taken.clear()
        for step in range(2, 42):
            link.hear("queue/", JobChanged(job=at_step(1, step)))
            await pilot.pause(0.02)
        while "41/100" not in text_of(pilot.app):  # type: ignore[arg-type]
            await pilot.pause(0.02)

    drive(link, act)
    assert len(taken) >= 2
    assert min(later - one for one, later in itertools.pairwise(taken)) > 0.2


def test_only_the_cells_that_changed_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    link = FakeLink(at_step(1, 40), job(2, Queued()))
    regions: list[Region] = []

    async def act(pilot: Pilot[int]) -> None:
        queue = pilot.app.screen.query_one(QueueList)
        refresh = queue.refresh
        monkeypatch.setattr(
            queue, "refresh", lambda *a, **k: (regions.extend(a), refresh(*a, **k))[1]
        )
        link.hear("queue/", JobChanged(job=at_step(1, 41)))
        await settle(pilot)
        link.hear("queue/", JobChanged(job=at_step(1, 41)))
        await settle(pilot)

    drive(link, act)
    ((_, y, width, height),) = regions
    assert (y, height) == (3, 1)
    assert width < 60


# -- leaving -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pressed", [["q"], ["ctrl+c"], ["slash", "ctrl+c"], ["x", "ctrl+c"], ["l", "q"]]
)
def test_quitting_leaves_the_jobs_alone(pressed: list[str]) -> None:
    link = FakeLink(job(1))
    app = keys(link, *pressed)
    assert app.return_code == 0
    assert app._exit
    assert link.stopped
    assert link.asked == []


def test_gauges_alone_hold_up_no_other_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that comes right after the machine's figures is drawn at once."""
    monkeypatch.setattr("lorad.tui.app.LoradApp.frame_seconds", 3600.0)
    link = FakeLink(at_step(1, 5))
    texts: list[str] = []

    async def act(pilot: Pilot[int]) -> None:
        app = pilot.app
        assert isinstance(app, LoradApp)
        app._drawn = 0.0
        app.post_message(News(gauges=True))
        await settle(pilot)
        link.hear("queue/", JobChanged(job=at_step(1, 77)))
        await settle(pilot)
        texts.append(text_of(app))

    drive(link, act)
    assert "77/100" in texts[0]
