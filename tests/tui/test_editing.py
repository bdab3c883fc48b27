"""Holding, saving, changing, copying and undoing, by their keys and in their dialogues."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import pytest
from textual.pilot import Pilot
from textual.widgets import Input, TextArea
from tui.driving import drive, keys, seen, settle, text_of, told
from tui.fakes import PROCESS, FakeLink, job

from lorad.shared.jobs import Done, Finishing, Held, Paused, Queued
from lorad.shared.messages import (
    Added,
    AnyRequest,
    Batch,
    Batched,
    Changed,
    CopyJob,
    GetRecipe,
    GetUndo,
    HoldJob,
    PauseJob,
    RecipeText,
    ResumeJob,
    SaveJob,
    SetJob,
    Undo,
    Undoable,
    Undone,
)
from lorad.tui.widgets.tick import Tick

RECIPE = """
name = "cat"
[data]
path = "p"
[train]
learning_rate = 1e-4
max_train_steps = 100
[sample]
prompts = ["a cat", { prompt = "a dog", seed = 3 }]
"""


@pytest.mark.parametrize(
    ("status", "key", "request_type"),
    [
        (None, "H", HoldJob),
        (Held(process=PROCESS), "H", ResumeJob),
        (Held(process=PROCESS), "p", PauseJob),
        (None, "v", SaveJob),
        (Held(process=PROCESS), "v", SaveJob),
    ],
)
def test_a_key_asks_for_its_verb(status: object, key: str, request_type: type[AnyRequest]) -> None:
    link = FakeLink(job(4, status))  # type: ignore[arg-type]
    keys(link, key)
    assert link.asked == [request_type(id=4)]  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("status", "key", "sentence"),
    [
        (Queued(), "H", "Job 4 is queued, so it cannot be held. `lorad stash 4` keeps it"),
        (Paused(), "v", "Job 4 is paused, so it cannot be saved. It saved when it was paused"),
        (Finishing(process=PROCESS), "e", "Job 4 is finishing, so it cannot be changed."),
    ],
)
def test_the_impossible_is_explained_and_not_asked(status: object, key: str, sentence: str) -> None:
    link = FakeLink(job(4, status))  # type: ignore[arg-type]
    assert sentence in told(link, key)
    assert link.asked == []


# -- undo ---------------------------------------------------------------------------------------

EDIT = Undoable(number=7, said="job 3 (a [b]) was moved", actor="lorad anna@box", time=time.time())


def test_undo_says_what_and_asks_first() -> None:
    link = FakeLink(job(4))
    link.answers = {GetUndo: EDIT, Undo: Undone(said=EDIT.said, jobs=[])}
    shown = seen(link, "z")
    assert "Undo that job 3 (a [b]) was moved?" in shown
    assert "ago, by lorad anna@box." in shown
    assert link.asked == [GetUndo()]
    assert "Undone: job 3 (a [b]) was moved." in told(link, "z", "y")
    assert link.asked[-1] == Undo(number=7)
    keys(link, "z", "n")
    assert link.asked[-1] == GetUndo()


def test_undo_says_how_long_ago_by_the_clock_of_the_box() -> None:
    link = FakeLink(job(4))
    ahead = EDIT.time + 7200
    link.seen = ahead + 30
    link.answers = {GetUndo: msgspec.structs.replace(EDIT, time=ahead)}
    assert "That was 30s ago, by lorad anna@box." in seen(link, "z")


def test_nothing_to_undo_is_said() -> None:
    link = FakeLink(job(4))
    link.answers = {GetUndo: Undoable(number=0, said="", actor="", time=0.0)}
    assert "There is nothing to undo." in told(link, "z")
    link.answers = {GetUndo: EDIT, Undo: "It cannot be undone any more."}
    assert "cannot be undone any more" in told(link, "z", "y")


# -- settings -----------------------------------------------------------------------------------


def filled(link: FakeLink, key: str, fill: Callable[[Pilot[int]], None], *pressed: str) -> str:
    """What is on the screen after a dialogue was opened, filled in and these keys."""
    link.answers[GetRecipe] = RecipeText(recipe=RECIPE, folder="/r")
    shown: list[str] = []

    async def act(pilot: Pilot[int]) -> None:
        await pilot.press(key)
        await settle(pilot)
        fill(pilot)
        await settle(pilot)
        await pilot.press(*pressed)
        await settle(pilot)
        shown.append(text_of(pilot.app))  # type: ignore[arg-type]

    drive(link, act)
    return shown[0]


def put(name: str, value: str) -> Callable[[Pilot[int]], None]:
    def fill(pilot: Pilot[int]) -> None:
        pilot.app.screen.query_one(f"#{name}", Input).value = value

    return fill


def nothing(pilot: Pilot[int]) -> None:
    """Leave it as it is."""


def test_the_key_line_is_that_of_the_field() -> None:
    said: list[str] = []

    async def act(pilot: Pilot[int]) -> None:
        await pilot.press("y")
        await settle(pilot)
        for id in ("name", "prompts", "stash", "rate"):
            pilot.app.screen.query_one(f"#{id}").focus()
            await settle(pilot)
            said.append("enter do it" if "enter do it" in text_of(pilot.app) else "ctrl+s")  # type: ignore[arg-type]

    link = FakeLink(job(4))
    link.answers[GetRecipe] = RecipeText(recipe=RECIPE, folder="/r")
    drive(link, act)
    assert said == ["enter do it", "ctrl+s", "ctrl+s", "enter do it"]


def test_settings_show_the_recipe_and_change_what_was_changed() -> None:
    link = FakeLink(job(4, name="a [b]"))
    shown = filled(link, "e", nothing)
    for text in (
        "Change job 4 (a [b]) from its next step on",
        "0.0001",
        "100",
        "a cat",
        "seed = 3",
    ):
        assert text in shown
    filled(link, "e", nothing, "enter")
    assert link.asked[-1] == GetRecipe(id=4), "nothing is other than it was"

    def fill(pilot: Pilot[int]) -> None:
        pilot.app.screen.query_one("#rate", Input).value = "5e-5"
        pilot.app.screen.query_one("#more", Input).value = 'keep=3 log.project="a b"'
        area = pilot.app.screen.query_one("#prompts", TextArea)
        area.text = '\n a "cat"\n' + area.text.splitlines()[1]

    link.answers[SetJob] = Changed(job=job(4))
    filled(link, "e", fill, "ctrl+s")
    assert link.asked[-1] == SetJob(
        id=4,
        changes={
            "train.learning_rate": "5e-5",
            "sample.prompts": '["a \\"cat\\"", { prompt = "a dog", seed = 3 }]',
            "keep": "3",
            "log.project": '"a b"',
        },
    )


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("rate", "-1", "`train.learning_rate` does not fit"),
        ("length", "many", "`train.max_train_steps` does not fit"),
        ("more", "rank=8", "`lora.rank` of a job cannot be changed"),
        ("more", "keep = 3", "say it as key=value"),
        ("rate", "3", "There is [/b] none."),
    ],
)
def test_what_does_not_fit_is_explained_in_the_dialogue(
    name: str, value: str, sentence: str
) -> None:
    link = FakeLink(job(4))
    link.answers[SetJob] = "There is [/b] none."
    shown = " ".join(filled(link, "e", put(name, value), "enter").replace("│", " ").split())
    assert sentence in shown
    assert "Change job 4" in shown


# -- copies -------------------------------------------------------------------------------------


def test_a_copy_has_other_values_and_is_selected() -> None:
    link = FakeLink(job(4, Done(finished=1.0), name="cat"), job(5, name="cat-2"))
    link.answers[CopyJob] = Added(job=job(9))

    def fill(pilot: Pilot[int]) -> None:
        pilot.app.screen.query_one("#rank", Input).value = "32"
        pilot.app.screen.query_one("#stash", Tick).value = True
        assert pilot.app.screen.query_one("#name", Input).value == "cat-3"

    filled(link, "y", fill, "enter")
    id = link.asked[0].id  # type: ignore[union-attr]
    copy = CopyJob(id=id, name="cat-3", changes={"lora.rank": "32"}, stash=True)
    assert link.asked == [GetRecipe(id=id), copy]


def test_commas_make_a_sweep_that_is_shown_before() -> None:
    link = FakeLink(job(4, name="cat"))
    link.answers[Batch] = Batched(replies=[Added(job=job(n)) for n in (7, 8)])
    shown = filled(link, "y", put("rank", "8,16"))
    assert "2 jobs: cat-rank8, cat-rank16" in shown

    def fill(pilot: Pilot[int]) -> None:
        pilot.app.screen.query_one("#name", Input).value = "big"
        pilot.app.screen.query_one("#more", Input).value = "train.seed=1,2"

    filled(link, "y", fill, "enter")
    assert link.asked[-1] == Batch(
        requests=[
            CopyJob(id=4, changes={"train.seed": "1"}, name="big-seed1"),
            CopyJob(id=4, changes={"train.seed": "2"}, name="big-seed2"),
        ]
    )
    shown = filled(link, "y", put("rank", ",".join(map(str, range(1, 200)))), "enter")
    assert "The sweep comes to 199 jobs, and 100 at once is the most." in shown
