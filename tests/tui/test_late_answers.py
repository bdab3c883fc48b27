"""Answers that come late, or from another box: they touch nothing that they are not for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, TabbedContent
from tui.driving import Drive, settle, text_of
from tui.fakes import FakeLink, at_step, job

from lorad.shared.jobs import Queued
from lorad.shared.messages import (
    Added,
    AnyReply,
    AnyRequest,
    Changed,
    CopyJob,
    GetNews,
    GetRecipe,
    GetUndo,
    Happening,
    Happenings,
    JobChanged,
    MoveJob,
    PauseJob,
    RecipeText,
    SetJob,
    SetPriority,
    Undoable,
    WhyJob,
)
from lorad.tui.app import LoradApp
from lorad.tui.messages import Answered, Declined
from lorad.tui.screens.add import AddScreen
from lorad.tui.screens.base import Dialogue
from lorad.tui.screens.change import ChangeScreen, CopyScreen
from lorad.tui.screens.compare import CompareScreen
from lorad.tui.screens.confirm import Confirm
from lorad.tui.screens.form import Form
from lorad.tui.screens.main import MainScreen
from lorad.tui.screens.prompts import KEY, PromptsScreen

EDIT = Undoable(number=7, said="job 3 was removed", actor="anna", time=1.0)
CHANGED = Changed(job=job(1))


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


# -- another dialogue -----------------------------------------------------------------------------


def recipe(rate: str) -> RecipeText:
    text = f'name = "a"\n[data]\npath = "p"\n[train]\nlearning_rate = {rate}\n'
    return RecipeText(recipe=f'{text}[sample]\nprompts = ["at {rate}"]\n', folder="/x")


def test_a_form_takes_the_recipe_of_its_own_job_and_keeps_what_was_typed() -> None:
    link = FakeLink(job(1), job(2))
    app = LoradApp(link)

    async def act(pilot: Pilot[int]) -> None:
        await press(pilot, "e")
        first = link.asked[-1]
        await press(pilot, "escape", "j", "e")
        second = link.asked[-1]
        assert (first, second) == (GetRecipe(id=1), GetRecipe(id=2))
        rate = app.screen.query_one("#rate", Input)
        link.post(Answered(first, recipe("0.5")))
        await settle(pilot)
        assert rate.value == ""
        rate.value = "0.25"
        link.post(Answered(second, recipe("0.001")))
        await settle(pilot)
        assert rate.value == "0.25"
        await press(pilot, "ctrl+s")
        link.post(Answered(SetJob(id=1, changes={"train.learning_rate": "1"}), CHANGED))
        await settle(pilot)
        assert isinstance(app.screen, ChangeScreen)
        assert link.asked[-1] == SetJob(id=2, changes={"train.learning_rate": "0.25"})
        link.post(Answered(link.asked[-1], CHANGED))
        await settle(pilot)
        assert isinstance(app.screen, MainScreen)

    act_on(app, act)


def test_the_prompts_are_those_of_their_own_job() -> None:
    link = FakeLink(job(1), job(2))
    app = LoradApp(link)

    async def act(pilot: Pilot[int]) -> None:
        prompts = PromptsScreen(job(2))
        app.push_screen(prompts)
        await settle(pilot)
        link.post(Answered(GetRecipe(id=1), recipe("0.5")))
        await settle(pilot)
        assert prompts.field.disabled
        link.post(Answered(link.asked[-1], recipe("0.001")))
        await settle(pilot)
        assert prompts.field.text == "at 0.001"
        prompts.field.text = "typed"
        link.post(Answered(GetRecipe(id=2), recipe("0.002")))
        link.post(Answered(SetJob(id=1, changes={KEY: "[]"}), CHANGED))
        await settle(pilot)
        assert app.screen is prompts
        assert prompts.field.text == "typed"

    act_on(app, act)


@pytest.mark.parametrize("screen", [AddScreen, lambda: CopyScreen(job(1))])
def test_a_form_stays_when_another_ones_job_was_added(screen: Callable[[], Dialogue]) -> None:
    link = FakeLink(job(1))
    app = LoradApp(link)

    async def act(pilot: Pilot[int]) -> None:
        app.push_screen(shown := screen())
        await settle(pilot)
        link.post(Answered(CopyJob(id=1, changes={}), Added(job=job(7))))
        await settle(pilot)
        assert app.screen is shown

    act_on(app, act)


def test_what_happened_leaves_the_comparison_its_history() -> None:
    link = FakeLink(at_step(1, 5), at_step(2, 6))
    app = LoradApp(link)
    news = Happening(
        number=1, time=1.0, id=1, name="of job 1", before="running", after="done",
        event="done", text="", actor="run",
    )  # fmt: skip

    async def act(pilot: Pilot[int]) -> None:
        await press(pilot, "space", "space", "c")
        compared = app.screen
        assert isinstance(compared, CompareScreen)
        asked = [one for one in link.asked if isinstance(one, GetNews)]
        await press(pilot, "u")
        for one in asked:
            link.post(Answered(one, Happenings(happenings=[news], head=1)))
        await settle(pilot)
        assert "of job 1" not in text_of(app)
        assert [run.changes for run in compared._runs.values() if run.changes]

    act_on(app, act)


# -- a second press --------------------------------------------------------------------------------


def edit(form: Form, value: str) -> None:
    """Type something else; what a form has for it differs."""
    if isinstance(form, PromptsScreen):
        form.field.text = value
    elif isinstance(form, AddScreen):
        form.query_one(TabbedContent).active = "from-run"
        form.query_one("#runs", OptionList).highlighted = 0
        form.query_one("#changes", Input).value = f"train.learning_rate=0.{value}"
    else:
        form.query_one("#more", Input).value = f"train.learning_rate=0.{value}"


@pytest.mark.parametrize(
    ("make", "reply"),
    [
        (AddScreen, Added(job=job(7))),
        (lambda: CopyScreen(job(1)), Added(job=job(7))),
        (lambda: ChangeScreen(job(1)), CHANGED),
        (lambda: PromptsScreen(job(1)), CHANGED),
    ],
)
def test_what_is_under_way_is_not_asked_for_again(
    make: Callable[[], Form], reply: AnyReply
) -> None:
    link = FakeLink(job(1))
    link.answers[GetRecipe] = recipe("0.5")
    app = LoradApp(link)

    def sent() -> list[AnyRequest]:
        return [one for one in link.asked if not isinstance(one, GetRecipe)]

    async def act(pilot: Pilot[int]) -> None:
        app.push_screen(form := make())
        await settle(pilot)
        edit(form, "4")
        await settle(pilot)
        assert "It is asked for" not in text_of(app)
        await press(pilot, "ctrl+s", "ctrl+s")
        assert len(sent()) == 1
        assert "It is asked for" in text_of(app)
        edit(form, "8")
        await settle(pilot)
        await press(pilot, "ctrl+s")
        assert len(sent()) == 1
        assert "It is asked for" in text_of(app), "typing takes nothing back"
        link.post(Declined(sent()[0], "The daemon does not answer for 20 s."))
        await settle(pilot)
        assert "It is asked for" not in text_of(app)
        assert "does not answer" in text_of(app)
        await press(pilot, "ctrl+s", "ctrl+s")
        first, second = sent()
        assert first != second, "what was typed meanwhile is in it"
        link.post(Answered(second, reply))
        await settle(pilot)
        assert isinstance(app.screen, MainScreen)

    act_on(app, act)


# -- keys that are faster than the line ------------------------------------------------------------


def asked_of(link: FakeLink, kind: type) -> list[int]:
    """The priorities, or the places, that were asked for."""
    asked = [one for one in link.asked if isinstance(one, kind)]
    return [one.priority if isinstance(one, SetPriority) else one.to for one in asked]  # type: ignore[attr-defined]


def test_priorities_are_reckoned_from_what_was_asked_for() -> None:
    link = FakeLink(job(1, Queued()))
    app = LoradApp(link)

    async def act(pilot: Pilot[int]) -> None:
        await press(pilot, "plus", "plus", "plus")
        assert asked_of(link, SetPriority) == [1, 2, 3]
        link.hear("queue/", JobChanged(job=job(1, Queued(), priority=1)), 1)
        await settle(pilot)
        await press(pilot, "plus")
        assert asked_of(link, SetPriority)[3:] == [4]
        link.post(Declined(link.asked[-1], "No."))
        await settle(pilot)
        await press(pilot, "plus")
        assert asked_of(link, SetPriority)[4:] == [2], "from what is so"

    act_on(app, act)


def test_a_change_that_is_told_is_wished_no_longer() -> None:
    link = FakeLink(job(1, Queued()))
    app = LoradApp(link)

    async def act(pilot: Pilot[int]) -> None:
        await press(pilot, "plus")
        one, two = job(1, Queued(), priority=1), job(1, Queued(), priority=7)
        link.hear("queue/", JobChanged(job=one), 1)
        link.post(Answered(link.asked[-1], Changed(job=one)))
        await settle(pilot)
        link.hear("queue/", JobChanged(job=two), 2)
        await settle(pilot)
        await press(pilot, "plus")
        assert asked_of(link, SetPriority) == [1, 8]

    act_on(app, act)


def test_places_are_reckoned_from_what_was_asked_for() -> None:
    link = FakeLink(*(job(id, Queued()) for id in (1, 2, 3)))
    app = LoradApp(link)

    async def act(pilot: Pilot[int]) -> None:
        await press(pilot, "j", "j", "K", "K", "K")
        assert asked_of(link, MoveJob) == [2, 1], "it is at the front then"
        await press(pilot, "k", "K")
        assert asked_of(link, MoveJob)[2:] == [2], "the other one passed it"

    act_on(app, act)
