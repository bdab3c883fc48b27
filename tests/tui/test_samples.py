"""The samples screen: its keys, what it asks for, and that prompts and paths are only data."""

from __future__ import annotations

import base64
import zlib

import msgspec
import pytest
from textual.pilot import Pilot
from textual.widgets import TextArea
from tui.driving import drive, seen, settle, text_of, told
from tui.fakes import FakeLink, at_step, column, job, picture

from lorad.shared.jobs import Done, Queued
from lorad.shared.messages import (
    Accepted,
    GetPicture,
    GetRecipe,
    Picture,
    RecipeText,
    SampleDrawn,
    SampleJob,
    SamplePicture,
    SetJob,
)
from lorad.tui import mirror as reducer
from lorad.tui.app import LoradApp
from lorad.tui.easel import Easel
from lorad.tui.messages import Answered, News
from lorad.tui.mirror import PICTURES
from lorad.tui.screens.main import MainScreen
from lorad.tui.screens.prompts import as_lines, as_value
from lorad.tui.screens.samples import REST_SECONDS, SamplesScreen
from lorad.tui.shelf import BYTES, Shelf
from lorad.tui.widgets.looks import Box, Look, Source, draw
from lorad.tui.widgets.wall import SampleWall

SILENCE = "The daemon does not answer for 20 s."
RECIPE = """
name = "a"
[data]
path = "p"
[sample]
prompts = ["a cat", { prompt = "a dog", seed = 7 }]
"""


def colour(step: int, index: int = 0) -> SamplePicture:
    """A picture of one colour that tells its step."""
    plain = bytes([step % 256, 40, 200 - index]) * 16
    return msgspec.structs.replace(
        picture(step, index, f"prompt {index}"), thumb=zlib.compress(plain)
    )


def drawn(*steps: int, prompts: int = 2) -> FakeLink:
    link = FakeLink(at_step(1, 900))
    link.pictures = [colour(step, index) for step in steps for index in range(prompts)]
    return link


def screen_of(pilot: Pilot[int]) -> SamplesScreen:
    assert isinstance(pilot.app.screen, SamplesScreen)
    return pilot.app.screen


async def press(pilot: Pilot[int], *keys: str) -> str:
    """What is on the screen after these keys."""
    await pilot.press(*keys)
    await settle(pilot)
    return text_of(pilot.app)  # type: ignore[arg-type]


# -- moving ------------------------------------------------------------------------------------


def test_the_arrows_move_and_the_chart_goes_along() -> None:
    at: list[tuple[int, int, int | None]] = []

    async def act(pilot: Pilot[int]) -> None:
        await press(pilot, "s")
        app = pilot.app
        for key in ("h", "left", "left", "j", "down", "l", "k", "G", "g"):
            await press(pilot, key)
            browse = screen_of(pilot)._browse
            at.append((browse.step, browse.prompt, app.cursor_step))  # type: ignore[attr-defined]
        await press(pilot, "escape")
        assert isinstance(app.screen, MainScreen)

    drive(drawn(0, 5, 9), act)
    assert at == [
        (5, 0, 5), (0, 0, 0), (0, 0, 0), (0, 1, 0), (0, 1, 0), (5, 1, 5), (5, 0, 5),
        (9, 0, None), (0, 0, 0),
    ]  # fmt: skip


def test_the_chart_s_cursor_moves_the_wall() -> None:
    steps: list[int] = []

    async def act(pilot: Pilot[int]) -> None:
        pilot.app.cursor_step = 7  # type: ignore[attr-defined]
        await press(pilot, "s")
        for step in (None, 3, 9):
            steps.append(screen_of(pilot)._browse.step)
            pilot.app.cursor_step = step  # type: ignore[attr-defined]
            await settle(pilot)
        steps.append(screen_of(pilot)._browse.step)

    drive(drawn(0, 5, 9), act)
    assert steps == [5, 9, 0, 9]


def test_new_pictures_appear_and_the_place_is_kept() -> None:
    link = drawn(0, 5)

    async def act(pilot: Pilot[int]) -> None:
        assert "step 5 · 2 of 2" in await press(pilot, "s")
        link.hear("job/1/samples/", SampleDrawn(id=1, picture=colour(9)))
        await settle(pilot)
        assert "step 9 · 3 of 3" in text_of(pilot.app)  # type: ignore[arg-type]
        await press(pilot, "h")
        link.hear("job/1/samples/", SampleDrawn(id=1, picture=colour(12)))
        await settle(pilot)
        assert "step 5 · 2 of 4" in text_of(pilot.app)  # type: ignore[arg-type]

    drive(link, act)


def test_the_scrubber_tells_step_seed_and_loss() -> None:
    link = drawn(0, 5, 9)
    link.columns = [column(step, step / 10) for step in range(1, 10)]

    async def act(pilot: Pilot[int]) -> None:
        shown = await press(pilot, "s", "h")
        assert "step 5 · prompt 1 of 2 · seed 1 · 64x64 · loss 0.500" in shown
        assert "loss" not in await press(pilot, "g")  # nothing was trained yet

    drive(link, act)


def test_a_click_goes_to_the_picture_and_to_the_step() -> None:
    async def act(pilot: Pilot[int]) -> None:
        await press(pilot, "s")
        screen = screen_of(pilot)
        cells = screen.wall._tiles[0]
        await pilot.click("#wall", offset=(cells + 5, 4))
        assert (screen._browse.step, screen._browse.prompt) == (5, 0)
        await pilot.click("#scrubber", offset=(3, 0))
        assert screen._browse.step == 0

    drive(drawn(0, 5, 9), act)


# -- comparing ---------------------------------------------------------------------------------


def reds(app: LoradApp) -> set[int]:
    """The red of all half blocks: the steps that are seen."""
    found = set()
    for strip in app.screen._compositor.render_strips():
        for segment in strip:
            if "▀" in segment.text and segment.style and segment.style.bgcolor:
                triplet = segment.style.bgcolor.triplet
                if triplet is not None and triplet.green == 40:
                    found.add(triplet.red)
    return found


@pytest.fixture
def true_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_flips_show_other_steps_in_place(true_colour: None) -> None:
    async def act(pilot: Pilot[int]) -> None:
        app: LoradApp = pilot.app  # type: ignore[assignment]
        await press(pilot, "s", "enter")
        assert reds(app) == {90}
        assert "step 0 · base in place of 90" in await press(pilot, "b")
        assert reds(app) == {0}
        await press(pilot, "b")
        assert reds(app) == {90}
        await press(pilot, "h", "left_square_bracket", "h", "right_square_bracket", "l", "l")
        for expected in (60, 30, 60):
            await press(pilot, "a" if expected == 60 else "tab")
            assert reds(app) == {expected}

    drive(drawn(0, 30, 60, 90), act)


# -- one picture -------------------------------------------------------------------------------


def large(asked: GetPicture, red: int) -> Picture:
    width, height = min(asked.width, asked.height), min(asked.width, asked.height)
    data = zlib.compress(bytes([red, 40, 9]) * (width * height))
    return Picture(sha256="5-1", form="pixels", width=width, height=height, data=data)


def test_an_opened_picture_is_asked_for_as_large_as_the_terminal(true_colour: None) -> None:
    link = drawn(0, 5)

    async def act(pilot: Pilot[int]) -> None:
        app: LoradApp = pilot.app  # type: ignore[assignment]
        shown = await press(pilot, "s", "j", "enter")
        assert "prompt 1" in shown
        assert "seed 1 · 64x64 · /out/a.png" in shown
        assert reds(app) == {5}  # the thumbnail, until there is more
        while not link.asked:
            await pilot.pause(0.02)
        (asked,) = link.asked
        assert asked == GetPicture(id=1, step=5, index=1, width=120, height=74)
        link.post(Answered(asked, large(asked, 77)))
        await settle(pilot)
        assert reds(app) == {77}
        await press(pilot, "k", "j")  # it is kept
        assert reds(app) == {77}

    drive(link, act)


def test_running_past_pictures_asks_for_one_at_a_time() -> None:
    link = drawn(*range(0, 40), prompts=1)

    async def act(pilot: Pilot[int]) -> None:
        await press(pilot, "s", "enter")
        while not link.asked:
            await pilot.pause(0.02)
        for _ in range(12):
            await press(pilot, "h")
            await pilot.pause(0.15)
        assert len(link.asked) == 1
        asked = link.asked[0]
        assert isinstance(asked, GetPicture)
        link.post(Answered(asked, large(asked, 1)))
        while len(link.asked) < 2:
            await pilot.pause(0.02)

    drive(link, act)
    assert [asked.step for asked in link.asked] == [39, 27]  # type: ignore[attr-defined]


def test_why_there_is_no_more_than_the_thumbnail() -> None:
    link = drawn(5)
    link.answers[GetPicture] = "Pillow [/b] is not installed\x1b[2J."

    async def act(pilot: Pilot[int]) -> None:
        await press(pilot, "s", "enter")
        while not link.asked:
            await pilot.pause(0.02)
        await settle(pilot)
        assert "Pillow [/b] is not installed␛[2J." in text_of(pilot.app)  # type: ignore[arg-type]
        await pilot.pause(0.3)

    drive(link, act)
    assert len(link.asked) == 1  # a sentence is an answer: it is not asked for again


async def asked_again(pilot: Pilot[int], link: FakeLink, times: int) -> str:
    """What is on the screen once the picture was asked for so often, and not more often."""
    while len(link.asked) < times:
        await pilot.pause(0.02)
    await pilot.pause(2 * REST_SECONDS)
    await settle(pilot)
    assert len(link.asked) == times
    return text_of(pilot.app)  # type: ignore[arg-type]


def test_a_picture_is_asked_for_again_when_the_link_is_back() -> None:
    link = drawn(5)
    link.answers[GetPicture] = SILENCE

    async def act(pilot: Pilot[int]) -> None:
        await press(pilot, "s", "enter")
        assert SILENCE in await asked_again(pilot, link, 1)
        link.mirror = reducer.gone(link.mirror, 1.0, SILENCE)
        link.post(News())
        assert SILENCE in await asked_again(pilot, link, 1), "not while nobody answers"
        link.mirror = reducer.back(link.mirror, 2.0)
        link.post(News())
        await asked_again(pilot, link, 2)
        del link.answers[GetPicture]
        link.mirror = reducer.back(reducer.gone(link.mirror, 3.0, SILENCE), 4.0)
        link.post(News())  # of a short silence no more was seen than this
        assert SILENCE not in await asked_again(pilot, link, 3)
        asked = link.asked[-1]
        assert isinstance(asked, GetPicture)
        link.post(Answered(asked, large(asked, 77)))
        await settle(pilot)
        assert "/out/a.png" in text_of(pilot.app)  # type: ignore[arg-type]

    drive(link, act)


@pytest.mark.parametrize("away", [("enter", "enter"), ("left", "right")])
def test_a_picture_that_one_comes_back_to_is_asked_for_again(away: tuple[str, str]) -> None:
    link = drawn(0, 5, prompts=1)
    link.answers[GetPicture] = SILENCE

    async def act(pilot: Pilot[int]) -> None:
        await press(pilot, "s", "enter")
        await asked_again(pilot, link, 1)
        for key in away:
            await press(pilot, key)
        while len(link.asked) < 2 or link.asked[-1].step != 5:  # type: ignore[union-attr]
            await pilot.pause(0.02)

    drive(link, act)


# -- the job -----------------------------------------------------------------------------------


def test_pictures_can_be_wanted_now() -> None:
    link = drawn(5)
    link.answers[SampleJob] = Accepted(job=job(1))
    assert told(link, "s", "n") == "Job 1 draws its prompts after this step."
    assert link.asked == [SampleJob(id=1)]
    link = FakeLink(job(1, Queued()))
    assert "It draws while it trains" in told(link, "s", "n")
    assert link.asked == []


def test_the_prompts_of_a_running_job_are_edited() -> None:
    link = drawn(5)
    link.answers[GetRecipe] = RecipeText(recipe=RECIPE, folder="/r")
    link.answers[SetJob] = Accepted(job=job(1))

    async def act(pilot: Pilot[int]) -> None:
        await press(pilot, "s", "E")
        field = pilot.app.screen.query_one(TextArea)
        assert field.text == 'a cat\n{ prompt = "a dog", seed = 7 }'
        await press(pilot, "X", "q", "space", "ctrl+s")
        assert isinstance(pilot.app.screen, SamplesScreen)

    drive(link, act)
    changes = {"sample.prompts": '["Xq a cat", { prompt = "a dog", seed = 7 }]'}
    assert link.asked == [GetRecipe(id=1), SetJob(id=1, changes=changes)]


def test_prompts_of_a_job_that_ended_are_for_its_next_start() -> None:
    link = FakeLink(job(1, Done(finished=1.0)))
    link.answers[GetRecipe] = RecipeText(recipe=RECIPE, folder="/r")
    link.answers[SetJob] = Accepted(job=job(1, Done(finished=1.0)))
    sentence = "Job 1 has its new prompts when it starts again."
    assert told(link, "s", "E", "X", "ctrl+s") == sentence


def test_prompts_that_are_refused_stay_in_the_dialogue() -> None:
    link = drawn(5)
    link.answers[GetRecipe] = RecipeText(recipe=RECIPE, folder="/r")
    link.answers[SetJob] = "`sample.prompts` cannot be [/b]."

    async def act(pilot: Pilot[int]) -> None:
        assert "cannot be [/b]." in await press(pilot, "s", "E", "ctrl+s")
        await press(pilot, "{")
        assert "Line 1 is no table" in await press(pilot, "ctrl+s")
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, SamplesScreen)

    drive(link, act)
    assert len(link.asked) == 2


def test_prompts_of_a_job_that_ended_well_may_be_set_and_of_a_finishing_one_not() -> None:
    assert "Prompts of job 1" in seen(FakeLink(job(1, Done(finished=1.0))), "s", "E")


@pytest.mark.parametrize(
    "prompts",
    [
        ["a cat", "{ not a table"],
        [{"prompt": "x", "seed": 1}, ""],
        ["\x1b[2J\u202eevil", "two\nlines", " space ", '"quoted" \\ back'],
        ["猫", "e\u0301" * 3],
        [],
    ],
)
def test_prompts_survive_being_edited(prompts: list[object]) -> None:
    lines = as_lines(prompts)
    assert lines.isprintable() or "\n" in lines
    assert all(line.isprintable() for line in lines.split("\n"))
    import tomllib

    again = tomllib.loads(f"it = {as_value(lines)}")["it"]
    plain = [one["prompt"] if one.keys() == {"prompt"} else one for one in again if one != ""
             and isinstance(one, dict)]  # fmt: skip
    assert [_plain(one) for one in again] == [_plain(one) for one in prompts], plain


def _plain(prompt: object) -> object:
    if isinstance(prompt, dict) and prompt.keys() == {"prompt"}:
        return prompt["prompt"]
    return prompt


# -- the clipboard -----------------------------------------------------------------------------


def test_the_path_goes_to_the_clipboard(monkeypatch: pytest.MonkeyPatch) -> None:
    link = drawn(5)
    written: list[str] = []

    async def act(pilot: Pilot[int]) -> None:
        await press(pilot, "s")
        driver = pilot.app._driver
        assert driver is not None
        monkeypatch.setattr(driver, "write", written.append)
        await press(pilot, "y")

    drive(link, act)
    assert f"\x1b]52;c;{base64.b64encode(b'/out/a.png').decode()}\a" in written


@pytest.mark.parametrize("path", ["/out/\x1b[2J.png", "/out/a\nrm -r ~\n.png", "/" + "a" * 80_000])
def test_a_path_that_would_do_harm_is_not_copied(path: str) -> None:
    link = drawn(5)
    link.pictures = [msgspec.structs.replace(one, path=path) for one in link.pictures]
    sentence = told(link, "s", "y")
    assert "This path" in sentence
    assert "rm -r" not in sentence


# -- hostile text, bounds ----------------------------------------------------------------------


@pytest.mark.parametrize("pressed", [["s"], ["s", "enter"], ["s", "b", "E"]])
@pytest.mark.parametrize(
    "text",
    ["\x1b[2J\x1b]52;c;aGk=\x07", "[/b][@click=app.quit]x[/]", "\u202eevil\u2066", "猫" * 300],
)
def test_prompts_and_paths_are_data(text: str, pressed: list[str]) -> None:
    link = drawn(0, 5)
    link.pictures = [msgspec.structs.replace(one, prompt=text, path=text) for one in link.pictures]
    shown = seen(link, *pressed)
    assert not any(char in shown for char in "\x1b\x07\u202e\u2066")
    if text.startswith("["):
        assert "[/b]" in shown


def test_a_thousand_pictures_are_a_screen_of_them() -> None:
    link = drawn(*range(0, PICTURES, 4), prompts=4)

    async def act(pilot: Pilot[int]) -> None:
        await press(pilot, "s")
        easel = pilot.app.easel  # type: ignore[attr-defined]
        wall = pilot.app.screen.query_one(SampleWall)
        columns, rows = wall._tiles[2:]
        # what is in view, its neighbours, base, A and B, for each prompt; and the main screen's
        assert len(easel._kept) + len(easel._expected) <= (2 * columns + 6) * rows + 8

    drive(link, act)


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lorad.tui.easel.CELLS", 100)
    easel = Easel(Look())
    data = zlib.compress(bytes(8 * 8 * 3))
    for number in range(50):
        source = Source(str(number), data, 8, 8)
        easel._keep((source.key, Box(8, 4)), draw(source, Box(8, 4), easel.look))  # type: ignore[arg-type]
    assert len(easel._kept) == 100 // 32
    assert easel.cells == 32 * len(easel._kept)
    shelf = Shelf()
    for step in range(20):
        asked = GetPicture(id=1, step=step, index=0, width=9, height=9)
        data = bytes(4 << 20)
        shelf.put(asked, Picture(sha256="a", form="png", width=9, height=9, data=data))
    assert shelf.bytes == BYTES
    assert shelf.get(GetPicture(id=1, step=19, index=0, width=9, height=9)) is not None
    assert shelf.get(GetPicture(id=1, step=0, index=0, width=9, height=9)) is None
