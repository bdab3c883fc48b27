"""Driving the dashboard with a pilot, on a link that answers from memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from textual.pilot import Pilot
from tui.fakes import FakeLink

from lorad.tui.app import LoradApp

Drive = Callable[[Pilot[int]], Awaitable[None]]


def drive(link: FakeLink, act: Drive, size: tuple[int, int] = (120, 40)) -> LoradApp:
    """Run the app until `act` is through."""
    app = LoradApp(link)

    async def go() -> None:
        async with app.run_test(size=size, notifications=True) as pilot:
            await settle(pilot)
            await act(pilot)

    asyncio.run(go())
    return app


async def settle(pilot: Pilot[int]) -> None:
    """Until all that was posted is drawn, pictures too."""
    await pilot.pause()
    while pilot.app.easel.busy:  # type: ignore[attr-defined]
        await pilot.pause(0.01)
    await pilot.pause()


def text_of(app: LoradApp) -> str:
    """What is on the screen."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def keys(link: FakeLink, *pressed: str) -> LoradApp:
    """Press these and look."""

    async def act(pilot: Pilot[int]) -> None:
        await pilot.press(*pressed)
        await settle(pilot)

    return drive(link, act)


def seen(link: FakeLink, *pressed: str, size: tuple[int, int] = (120, 40)) -> str:
    """What is on the screen after these keys."""
    shown: list[str] = []

    async def act(pilot: Pilot[int]) -> None:
        await pilot.press(*pressed)
        await settle(pilot)
        shown.append(text_of(pilot.app))  # type: ignore[arg-type]

    drive(link, act, size)
    return shown[0]


def told(link: FakeLink, *pressed: str) -> str:
    """The notifications after these keys."""
    sentences: list[str] = []

    async def act(pilot: Pilot[int]) -> None:
        await pilot.press(*pressed)
        await pilot.pause()
        sentences.extend(notification.message for notification in pilot.app._notifications)

    drive(link, act)
    return "\n".join(sentences)
