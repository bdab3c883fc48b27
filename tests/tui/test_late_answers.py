"""Answers that come late, or from another box: they touch nothing that they are not for."""

from __future__ import annotations

import asyncio

import pytest
from textual.pilot import Pilot
from textual.widgets import Input
from tui.driving import Drive, settle, text_of
from tui.fakes import FakeLink, job

from lorad.shared.jobs import Queued
from lorad.shared.messages import GetUndo, PauseJob, Undoable, WhyJob
from lorad.tui.app import LoradApp
from lorad.tui.messages import Answered, Declined
from lorad.tui.screens.add import AddScreen
from lorad.tui.screens.confirm import Confirm
from lorad.tui.screens.main import MainScreen

EDIT = Undoable(number=7, said="job 3 was removed", actor="anna", time=1.0)


def two_boxes() -> tuple[LoradApp, FakeLink, FakeLink]:
    near, far = FakeLink(job(1, Queued()), job(2)), FakeLink(job(1, Queued()), job(2))
    return LoradApp(near, hosts={"": near, "box": far}), near, far


def act_on(app: LoradApp, act: Drive) -> None:
    async def go() -> None:
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await settle(pilot)
            await act(pilot)

    asyncio.run(go())


async def press(pilot: Pilot[int], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


async def go_to_the_other(pilot: Pilot[int]) -> None:
    await press(pilot, "o", "down", "enter")


def told(app: LoradApp) -> str:
    return "\n".join(note.message for note in app._notifications)


# -- another box ----------------------------------------------------------------------------------


def test_marks_and_a_sentence_stay_with_their_box() -> None:
    app, _, far = two_boxes()

    async def act(pilot: Pilot[int]) -> None:
        assert isinstance(app.screen, MainScreen)
        queue = app.screen.queue
        queue.select(1)
        queue.explain(1, "It waits for the near card.")
        await settle(pilot)
        assert "the near card" in text_of(app)
        queue.mark(list(app.mirror.jobs.values()))
        await go_to_the_other(pilot)
        assert app.link is far
        assert queue.marked == []
        assert "the near card" not in text_of(app)

    act_on(app, act)


def test_an_answer_from_the_other_box_asks_nothing_here() -> None:
    app, near, far = two_boxes()

    async def act(pilot: Pilot[int]) -> None:
        await press(pilot, "z")
        await go_to_the_other(pilot)
        near.post(Answered(near.asked[-1], EDIT))
        await settle(pilot)
        assert isinstance(app.screen, MainScreen)
        near.post(Declined(PauseJob(id=1), "Job 1 of the near box cannot be paused."))
        near.post(Declined(WhyJob(id=1), "Nobody knows."))
        await settle(pilot)
        assert told(app) == "Job 1 of the near box cannot be paused."
        far.post(Answered(GetUndo(), EDIT))
        await settle(pilot)
        assert isinstance(app.screen, Confirm)

    act_on(app, act)


# -- what one types by now ------------------------------------------------------------------------


@pytest.mark.parametrize(("pressed", "where"), [(("a",), AddScreen), (("slash",), MainScreen)])
def test_a_late_question_is_not_put_over_what_is_typed(
    pressed: tuple[str, ...], where: type
) -> None:
    link = FakeLink(job(1))
    app = LoradApp(link)

    async def act(pilot: Pilot[int]) -> None:
        await press(pilot, "z", *pressed)
        link.post(Answered(link.asked[-1], EDIT))
        await settle(pilot)
        await press(pilot, "y")
        assert isinstance(app.screen, where)
        assert link.asked == [GetUndo()]
        assert "job 3 was removed" in told(app)
        assert isinstance(field := app.focused, Input)
        assert field.value == "y"

    act_on(app, act)
