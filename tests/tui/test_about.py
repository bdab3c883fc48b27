"""Getting about: help, commands, jumping, keys of one's own, themes, settings, only looking."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from rich.style import Style
from textual.pilot import Pilot
from tui.driving import settle, text_of
from tui.fakes import FakeLink, job

from lorad.shared.config import Config, Dashboard, load_config
from lorad.shared.jobs import Queued
from lorad.shared.messages import PauseJob, Why, WhyJob
from lorad.tui.app import GARBAGE, MOST_GARBAGE, REST_SECONDS, LoradApp
from lorad.tui.bindings import bindings
from lorad.tui.cli import main
from lorad.tui.screens.samples import SamplesScreen
from lorad.tui.themes import NAMES, THEMES, fitting
from lorad.tui.widgets.painting import _MADE, Painting


def after(link: FakeLink, *pressed: str, config: Config | None = None) -> tuple[LoradApp, str]:
    """The app and what is on its screen once these keys were pressed."""
    app, text, _ = whole(link, *pressed, config=config)
    return app, text


def whole(
    link: FakeLink, *pressed: str, config: Config | None = None
) -> tuple[LoradApp, str, tuple[type, str | None]]:
    """Besides: the kind of the screen, and the id of what has the keys."""
    app, shown, there = LoradApp(link, config=config), [], []

    async def go() -> None:
        async with app.run_test(size=(120, 80), notifications=True) as pilot:
            await settle(pilot)
            for key in pressed:
                await pilot.press(key)
                await settle(pilot)
            await quiet(pilot)
            shown.append(text_of(app))
            there.append((type(app.screen), app.focused.id if app.focused else None))

    asyncio.run(go())
    return app, shown[0], there[0]


async def quiet(pilot: Pilot[int]) -> None:
    await pilot.app.workers.wait_for_complete()
    await settle(pilot)


# -- help --------------------------------------------------------------------------------------


def test_help_lists_the_keys_of_this_screen_alone() -> None:
    _, text = after(FakeLink(job(4)), "question_mark")
    assert "Pause (the GPU is freed) or resume" in text
    assert "One picture alone" not in text
    _, text = after(FakeLink(job(4)), "s", "question_mark")
    assert "Pause (the GPU is freed) or resume" not in text
    assert "Samples\n" in "\n".join(line.strip(" │") for line in text.splitlines())
    assert "Wall" not in text
    assert "Back to the queue" not in text  # it may have been opened from a run


def test_help_shows_the_keys_that_the_person_set() -> None:
    config = Config(keys={"job.pause": "f5"})
    _, text = after(FakeLink(job(4)), "question_mark", config=config)
    (line,) = [line for line in text.splitlines() if "Pause (the GPU" in line]
    assert "F5" in line
    assert " p " not in line


def test_help_leaves_out_the_keys_that_the_pane_keeps_for_itself() -> None:
    _, text = after(FakeLink(job(4)), "enter", "question_mark")
    assert "Log scale of the values" in text
    assert "Copy with changes" not in text  # `y` is the chart's here
    assert "The whole log" not in text
    assert "All pictures, large" in text


# -- keys of one's own -------------------------------------------------------------------------


def test_another_key_does_it_and_the_old_one_no_more() -> None:
    config = Config(keys={"job.pause": "f5"})
    link = FakeLink(job(4))
    after(link, "p", config=config)
    assert link.asked == []
    after(link, "f5", config=config)
    assert link.asked == [PauseJob(id=4)]


def test_the_last_line_shows_the_keys_that_the_person_set() -> None:
    config = Config(keys={"job.pause": "f5,x", "view.samples": "less_than_sign"})
    _, text = after(FakeLink(job(4)), config=config)
    hints = text.splitlines()[-1]
    assert "F5 pause/resume   x cancel   < samples" in hints


def test_a_key_for_what_there_is_not_is_told() -> None:
    app, _ = after(FakeLink(job(4)), config=Config(keys={"job.pauze": "f5"}))
    (told,) = [notification.message for notification in app._notifications]
    assert "`job.pauze`, which there is not. Did you mean `job.pause`?" in told


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"job.hold": "f5", "job.pause": "f6,f5"}, "`job.pause` and `job.hold` are both on"),
        ({"job.pause": "x"}, "`job.pause` and `job.cancel` are both on the key `x`"),
        ({"wall.copy": "u"}, "`wall.copy` and `app.happened` are both on the key `u`"),
    ],
)  # fmt: skip
def test_two_of_a_screen_on_one_key_are_told(keys: dict[str, str], sentence: str) -> None:
    app, _ = after(FakeLink(job(4)), config=Config(keys=keys))
    (told,) = [notification.message for notification in app._notifications]
    assert sentence in told


@pytest.mark.parametrize(
    "keys",
    [
        {"wall.copy": "f5", "job.pause": "f5"},  # on different screens
        {"queue.down": "f5", "log.down": "f5"},  # a pane's goes before its screen's
        {"app.happened": "f5", "happened.close": "f5"},
        {"job.pause": "x", "job.cancel": "p"},
    ],
)
def test_one_key_in_two_places_is_no_mistake(keys: dict[str, str]) -> None:
    app, _ = after(FakeLink(job(4)), config=Config(keys=keys))
    assert not app._notifications


def test_every_binding_has_an_id_and_words() -> None:
    assert {id for id, b in bindings().items() if not (b.tooltip or b.description)} == set()
    assert len(bindings()) > 40


# -- the palette -------------------------------------------------------------------------------


def test_the_palette_runs_what_a_key_does() -> None:
    link = FakeLink(job(4))
    after(link, "colon", *"pause", "enter", "enter")
    assert link.asked == [PauseJob(id=4)]


def test_the_palette_goes_to_a_job_from_another_screen() -> None:
    link = FakeLink(job(4), job(5, Queued(), name="oranges"))
    *_, (screen, _) = whole(link, "s", "ctrl+p", *"oranges", "enter", "enter")
    assert link.selected[-1] == 5
    assert screen is not SamplesScreen


def test_the_palette_changes_the_theme() -> None:
    app, _ = after(FakeLink(job(4)), "ctrl+p", *"theme lorad-light", "enter", "enter")
    assert app.theme == "lorad-light"


# -- jumping -----------------------------------------------------------------------------------


def test_a_letter_goes_to_a_pane() -> None:
    _, text = after(FakeLink(job(4)), "ctrl+o")
    assert " a " in text
    assert " s " in text
    *_, (_, first) = whole(FakeLink(job(4)), "ctrl+o", "a")
    *_, (_, second) = whole(FakeLink(job(4)), "ctrl+o", "s")
    assert first == "queue"
    assert second not in ("queue", None)


# -- colours -----------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", NAMES)
def test_each_theme_draws(theme: str) -> None:
    app, text = after(FakeLink(job(4)), config=Config(dashboard=Dashboard(theme=theme)))
    assert app.theme == theme
    assert "job-4" in text


def test_tones_are_made_once_for_all_and_anew_for_another_theme() -> None:
    app = LoradApp(FakeLink(job(4)))
    seen: list[Style] = []

    async def go() -> None:
        async with app.run_test(size=(120, 40)) as pilot:
            await settle(pilot)
            app.register_theme(replace(THEMES[0], name="bluish", success="#1234ff"))
            shown = app.screen.query(Painting)
            for theme in (THEMES[0].name, "bluish", THEMES[0].name):
                app.theme = theme
                await settle(pilot)
                (style,) = {one._style("good") for one in shown}
                seen.append(style)
                assert sum(name.startswith("good") for name, _ in _MADE[app]) == 1

    asyncio.run(go())
    assert seen[0] == seen[2] != seen[1]


def test_a_terminal_of_sixteen_colours_gets_its_own() -> None:
    known = set(NAMES) | {"nord"}
    assert fitting("lorad", known, "standard") == "lorad-16"
    assert fitting("lorad", known, "truecolor") == "lorad"
    assert fitting("nord", known, "standard") == "nord"
    assert fitting("no-such", known, None) == "lorad"


# -- settings ----------------------------------------------------------------------------------


def test_settings_are_taken_up_and_written_down() -> None:
    app, text = after(FakeLink(job(4)), "f2", "enter")
    assert app.theme == "lorad-light"
    assert "lorad-light" in text
    assert load_config().dashboard.theme == "lorad-light"


# -- only looking ------------------------------------------------------------------------------


def test_a_viewer_that_only_looks_asks_for_nothing_else() -> None:
    link = FakeLink(job(4))
    link.answers[WhyJob] = Why(sentence="It trains.")
    app, text = after(link, "p", "w", config=Config(dashboard=Dashboard(readonly=True)))
    assert link.asked == [WhyJob(id=4)]
    assert "looks only" in text.splitlines()[0]
    told = [notification.message for notification in app._notifications]
    assert told == [
        "This dashboard only looks (--readonly), so nothing was asked for.",
        "It trains.",
    ]


def test_a_theme_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "theme=nope"]) == 2
    assert "there is no theme nope, but lorad, lorad-light" in capsys.readouterr().err
    assert load_config().dashboard.theme != "nope"
    assert main(["config", "theme=nord"]) == 0
    assert load_config().dashboard.theme == "nord"
    assert main(["config", "theme=lorad"]) == 0


# -- the garbage collector ---------------------------------------------------------------------


def test_it_looks_over_all_only_while_nobody_presses_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    collected: list[float] = []
    rounds = [0]
    monkeypatch.setattr("lorad.tui.app.gc.get_count", lambda: (0, 0, rounds[0]))
    monkeypatch.setattr("lorad.tui.app.gc.collect", lambda: collected.append(rounds[0]))
    app = LoradApp(FakeLink(job(4)))

    async def go() -> None:
        async with app.run_test() as pilot:
            rounds[0] = GARBAGE
            app._tidy()
            await pilot.press("j")
            app._tidy()
            app._touched -= 2 * REST_SECONDS
            rounds[0] = GARBAGE - 1
            app._tidy()
            rounds[0] = MOST_GARBAGE
            await pilot.press("k")
            app._tidy()

    asyncio.run(go())
    assert collected == [GARBAGE, MOST_GARBAGE]
