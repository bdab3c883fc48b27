"""Answers that come late, or from another box: they touch nothing that they are not for."""

from __future__ import annotations

import asyncio

from textual.pilot import Pilot
from tui.driving import Drive, settle, text_of
from tui.fakes import FakeLink, job

from lorad.shared.jobs import Queued
from lorad.tui.app import LoradApp
from lorad.tui.screens.main import MainScreen


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
