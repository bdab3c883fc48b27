"""What the screens show, and that hostile text does no harm."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input
from tui.driving import drive, seen, settle, text_of, told
from tui.fakes import FakeLink, at_step, column, job, picture, point, status

from lorad.shared.jobs import Failed, Paused, Progress, Queued
from lorad.shared.messages import (
    Added,
    AddJob,
    Ending,
    JobChanged,
    LogAppended,
    PointsAdded,
    Why,
    WhyJob,
)
from lorad.shared.recipe import template
from lorad.tui import mirror as reducer
from lorad.tui.app import LoradApp
from lorad.tui.screens.main import MainScreen

HOSTILE = (
    "\x1b[2J\x1b]52;c;aGk=\x07",
    "[/b]",
    "[@click=app.quit]x[/]",
    "[red]r[/red]",
    "\u202eevil",
)


# -- what is shown -----------------------------------------------------------------------------


def test_states_say_what_there_is_to_say() -> None:
    link = FakeLink(
        job(1, progress=Progress(phase="loading")),
        job(2, Failed(finished=1.0, reason="The GPU ran out of memory.")),
        job(3, Paused(cause="The disk is full.")),
        at_step(4, 50),
    )
    shown = seen(link)
    for text in ("loading", "ran out of memory", "disk is full", "50/100", "@box"):
        assert text in shown


def test_the_panes_show_the_selected_job() -> None:
    link = FakeLink(at_step(1, 3))
    link.columns = [column(step, 0.5 / step) for step in range(1, 4)]
    link.pictures = [picture(0, prompt="first cat"), picture(3, prompt="last cat")]
    link.log = "hello log\n"
    shown = seen(link)
    assert "last cat" in shown
    assert "first cat" not in shown
    assert "hello log" in shown
    assert "▀" in shown
    assert any("\u2800" < char <= "\u28ff" for char in shown)


def test_the_loss_over_the_curve_is_the_queue_s_and_the_raw_one_says_so() -> None:
    link = FakeLink(at_step(1, 3))  # whose smoothed loss is 0.5
    link.columns = [column(1), column(2)]

    async def act(pilot: Pilot[int]) -> None:
        link.hear("job/1/metrics/", PointsAdded(id=1, points=[point(3, 0.25)]))
        await settle(pilot)
        (line,) = [x for x in text_of(pilot.app).splitlines() if "Loss" in x]  # type: ignore[arg-type]
        assert " 0.500 · step 3 · raw 0.250 " in line

    drive(link, act)


def test_what_is_held_out_and_the_newest_note_are_shown() -> None:
    progress = Progress(
        step=12, loss=0.5, validation_loss=0.123, best_step=9, note="It went back [/b] to step 9."
    )
    link = FakeLink(job(1, progress=progress, max_train_steps=None), job(2, Queued()))
    link.columns = [column(step) for step in range(1, 13)]
    shown: list[str] = []

    async def act(pilot: Pilot[int]) -> None:
        link.hear("job/1/metrics/", PointsAdded(id=1, points=[point(13, 0.5)]))
        await settle(pilot)
        shown.append(text_of(pilot.app))  # type: ignore[arg-type]

    drive(link, act)
    assert "0.500 · val 0.123, best at 9 · step 13" in shown[0]
    assert "It went back [/b] to step 9." in shown[0]
    assert "12/" not in shown[0]
    assert "It went back" not in seen(link, "j"), "it is the selected job's"


def test_news_arrive_while_one_looks() -> None:
    link = FakeLink(at_step(1, 3))
    link.columns = [column(1), column(2), column(3)]
    shown: list[str] = []

    async def act(pilot: Pilot[int]) -> None:
        link.hear("job/1/metrics/", PointsAdded(id=1, points=[point(4, 0.1234)]))
        link.hear("job/1/log/", LogAppended(id=1, offset=0, next=4, text="new\n"))
        await settle(pilot)
        shown.append(text_of(pilot.app))  # type: ignore[arg-type]

    drive(link, act)
    assert "step 4 · raw 0.123" in shown[0]
    assert "new" in shown[0]


def test_an_empty_queue_says_how_to_begin() -> None:
    shown = seen(FakeLink(status_reply=status()))
    for word in ("lorad demo", "lorad init", "empty"):
        assert word in shown


def test_a_link_that_is_down_says_since_when() -> None:
    link = FakeLink(job(1))
    link.mirror = reducer.gone(link.mirror, 0.0, "No daemon.")
    shown = seen(link)
    assert "stale since " in shown
    assert "job-1" in shown


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60), (40, 10), (80, 60), (200, 20)])
def test_every_size_is_filled_and_nothing_breaks(size: tuple[int, int]) -> None:
    link = FakeLink(at_step(1, 30), *(job(n, Queued()) for n in range(2, 40)))
    link.columns = [column(step, 1 / step) for step in range(1, 31)]
    link.pictures = [picture(3, index) for index in range(4)]
    link.log = "a line\n"
    shown = seen(link, size=size)
    assert "job-1" in shown
    assert "running" in shown
    assert len(shown.splitlines()) == size[1]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("pressed", [[], ["s"], ["s", "enter"], ["l"], ["x"], ["j"]])
def test_hostile_text_is_shown_and_not_obeyed(text: str, pressed: list[str]) -> None:
    link = FakeLink(job(1, name=text), job(2, Failed(finished=1.0, reason=text)))
    link.pictures = [picture(1, prompt=text)]
    link.log = f"{text}\n{text}"
    shown = seen(link, *pressed)
    assert not set(shown) & set("\x1b\x07\u202e")
    if text.isprintable():
        assert text in shown


def test_hostile_sentences_are_told_as_they_are() -> None:
    link = FakeLink(job(1))
    link.answers[WhyJob] = Why(sentence="".join(HOSTILE))
    assert "[/b][@click=app.quit]x[/][red]r[/red]" in told(link, "w")
    shown = seen(link, "w")
    assert "[red]" in shown
    assert not set(shown) & set("\x1b\x07\u202e")


def test_the_loss_has_a_log_scale() -> None:
    link = FakeLink(at_step(1, 30))
    link.columns = [column(step, 10.0 ** -(step % 4)) for step in range(1, 31)]
    assert "0.01 ┤" not in seen(link, "tab")
    shown = seen(link, "tab", "y")
    assert "Loss · log" in shown
    assert "0.01 ┤" in shown


def test_a_click_selects() -> None:
    link = FakeLink(job(1), job(2, Queued()))

    async def act(pilot: Pilot[int]) -> None:
        await pilot.click("#queue", offset=(10, 5))

    drive(link, act)
    assert link.selected == [1, 2]


def test_a_daemon_that_ends_says_why() -> None:
    link = FakeLink(job(1))

    async def act(pilot: Pilot[int]) -> None:
        link.hear("daemon/", Ending(reason="it was shut down"))
        await settle(pilot)
        assert "it was shut down" in text_of(pilot.app)  # type: ignore[arg-type]

    drive(link, act)


def test_a_daemon_that_never_answered_is_explained() -> None:
    link = FakeLink()
    link.mirror = reducer.gone(link.mirror, 0.0, "No daemon is running here.")
    shown = seen(link)
    assert "No daemon is running here." in shown
    assert "no daemon" in shown.splitlines()[0]


def test_the_theme_is_ours_unless_another_one_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert LoradApp(FakeLink()).theme == "lorad"
    monkeypatch.setenv("TEXTUAL_THEME", "lorad-light")
    assert LoradApp(FakeLink()).theme == "lorad-light"
    monkeypatch.setenv("TEXTUAL_THEME", "no-such-theme")
    assert LoradApp(FakeLink()).theme == "lorad"


# -- other screens -----------------------------------------------------------------------------


def test_help_lists_every_key_of_the_main_screen() -> None:
    words = seen(FakeLink(job(1)), "question_mark", size=(100, 80))
    for key in [*"apxRSJK+-wsl/?q", "tab"]:
        assert any(
            line.split()[:1] == [key] or f" {key} " in f" {line} " for line in words.splitlines()
        )
    assert "Add a recipe" in words


def added(link: FakeLink, recipe: Path) -> str:
    """What is on the screen after this path was entered."""
    shown: list[str] = []

    async def act(pilot: Pilot[int]) -> None:
        await pilot.press("a")
        pilot.app.screen.query_one("#path", Input).value = str(recipe)
        await pilot.press("enter")
        await settle(pilot)
        shown.append(text_of(pilot.app))  # type: ignore[arg-type]

    drive(link, act)
    return shown[0]


def test_add_sends_the_text_and_the_folder(tmp_path: Path) -> None:
    recipe = tmp_path / "cats.toml"
    recipe.write_text(template("cats", "cats.toml"))
    link = FakeLink(job(1))
    link.answers[AddJob] = Added(job=job(7, Queued()))

    async def act(pilot: Pilot[int]) -> None:
        await pilot.press("a")
        pilot.app.screen.query_one("#path", Input).value = str(tmp_path / "ca")
        await pilot.press("end", "tab")
        assert pilot.app.screen.query_one("#path", Input).value == str(recipe)
        await pilot.press("enter")
        link.hear("queue/", JobChanged(job=job(7, Queued())))
        await settle(pilot)
        assert isinstance(pilot.app.screen, MainScreen)

    drive(link, act)
    assert link.asked == [AddJob(recipe=recipe.read_text(), folder=str(tmp_path))]
    assert link.selected[-1] == 7


@pytest.mark.parametrize(
    ("text", "sentence"),
    [(None, "There is no recipe at"), ("name = ", "not valid TOML"), ('nam = "x"', "unknown key")],
)
def test_a_recipe_that_cannot_be_used_is_explained_in_the_dialogue(
    tmp_path: Path, text: str | None, sentence: str
) -> None:
    recipe = tmp_path / "r.toml"
    if text is not None:
        recipe.write_text(text)
    link = FakeLink(job(1))
    shown = " ".join(added(link, recipe).replace("│", " ").split())
    assert sentence in shown
    assert link.asked == []


def test_a_refused_recipe_is_explained_in_the_dialogue(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(template("cats", "r.toml"))
    link = FakeLink(job(1))
    link.answers[AddJob] = "There are no pictures [/b]."
    shown = added(link, recipe)
    assert "There are no pictures [/b]." in shown
    assert "New run" in shown
