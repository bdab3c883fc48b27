"""The form for a new run, and the report beside it."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest
from support import eventually, small_recipe
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static, TabbedContent, TextArea
from tui.driving import drive, settle, text_of
from tui.fakes import FakeLink, job

from lorad.shared.jobs import Done, Queued
from lorad.shared.messages import (
    Added,
    AddJob,
    Batch,
    Batched,
    CopyJob,
    GetRecipe,
    RecipeText,
)
from lorad.shared.recipe import parse_recipe
from lorad.tui.screens.add import FIRST, AddScreen
from lorad.tui.screens.main import MainScreen
from lorad.tui.widgets import checking
from lorad.tui.widgets.tick import Tick

RECIPE = 'name = "cat"\n[data]\npath = "p"\n[train]\nmax_train_steps = 100\n'
COMMAND = (
    "accelerate launch train_text_to_image_lora.py --pretrained_model_name_or_path=emoji"
    " --train_data_dir=pictures --max_train_steps=10 --output_dir=cats"
)
Act = Callable[[Pilot[int]], Awaitable[None]]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that says where it looks and what it reads, and ends."""
    script = "import sys; print('looked at', sys.argv[4], sys.stdin.readline())"
    check_with(monkeypatch, script)


def check_with(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(
        checking, "tool_command", lambda *words: [sys.executable, "-c", script, *words]
    )
    monkeypatch.setattr(checking, "require_training", lambda: None)
    monkeypatch.setattr(checking, "STILL_SECONDS", 0.0)


def form(link: FakeLink, sources: int, act: Act) -> None:
    """Open the form at its first, second (1) or third (2) source."""

    async def go(pilot: Pilot[int]) -> None:
        await pilot.press("a", *["ctrl+t"] * sources)
        await settle(pilot)
        first = list(FIRST.values())[sources]
        await until(
            lambda: pilot.app.focused is pilot.app.screen.query_one(first),
            lambda: f"{pilot.app.focused} is focused, not {first}",
        )
        await settle(pilot)
        assert pilot.app.screen.query_one(TabbedContent).active == list(FIRST)[sources]
        await act(pilot)

    drive(link, go)


async def until(reached: Callable[[], bool], told: Callable[[], str]) -> None:
    for _ in range(1200):
        if reached():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(told())


async def until_shown(pilot: Pilot[int], text: str) -> str:
    def shown() -> str:
        return text_of(pilot.app)  # type: ignore[arg-type]

    await until(lambda: text in shown(), lambda: f"{text!r} is not in\n{shown()}")
    return shown()


def linked() -> FakeLink:
    link = FakeLink(job(4, Done(finished=1.0), name="a [b]"), job(5, name="dog"))
    link.answers[GetRecipe] = RecipeText(recipe=RECIPE, folder="/r")
    link.answers[CopyJob] = link.answers[AddJob] = Added(job=job(9, Queued()))
    return link


def test_a_way_left_does_not_come_back_with_the_focus_its_hidden_field_hands_on() -> None:
    async def act(pilot: Pilot[int]) -> None:
        assert isinstance(pilot.app.screen, AddScreen)
        pilot.app.screen.action_source()
        pilot.app.screen.query_one("#runs").blur()  # as it does itself once it is off the screen
        await settle(pilot)
        assert pilot.app.screen.query_one(TabbedContent).active == "from-command"
        assert pilot.app.focused is pilot.app.screen.query_one("#command")

    form(linked(), 1, act)


def test_a_file_is_looked_over_while_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cat.toml"
    path.write_text(RECIPE)
    link = linked()

    async def act(pilot: Pilot[int]) -> None:
        pilot.app.screen.query_one("#path", Input).value = str(path)
        await until_shown(pilot, 'name = "cat"')
        pilot.app.screen.query_one("#path", Input).value = str(tmp_path)
        await settle(pilot)
        assert 'name = "cat"' not in text_of(pilot.app)  # type: ignore[arg-type]
        pilot.app.screen.query_one("#path", Input).value = str(path)
        pilot.app.screen.query_one("#stash", Tick).value = True
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, MainScreen)

    form(link, 0, act)
    assert link.asked == [AddJob(recipe=RECIPE, folder=str(tmp_path), stash=True)]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("~nobody-of-this-name", "cannot be read"),
        ("~nobody-of-this-name/", "cannot be read"),
        ("x" * 300, "File name too long"),
        ("a\0b", "cannot be read"),
        ("FOLDER/large.safetensors", "too long for a recipe"),
        ("FOLDER/pipe", "it is no file"),
        ("FOLDER/closed/cat.toml", "Permission denied"),
    ],
)
def test_a_path_that_is_none_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, sentence: str
) -> None:
    with (tmp_path / "large.safetensors").open("wb") as file:
        file.truncate(2 << 20)
    os.mkfifo(tmp_path / "pipe")
    see = Path.stat

    def closed(path: Path, **more: bool) -> os.stat_result:
        if "closed" in path.parts:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return see(path, **more)

    monkeypatch.setattr(Path, "stat", closed)

    async def act(pilot: Pilot[int]) -> None:
        screen = pilot.app.screen
        screen.query_one("#path", Input).value = typed.replace("FOLDER", str(tmp_path))
        await settle(pilot)
        await pilot.press("tab")
        screen.query_one("#path").focus()
        await pilot.press("enter")
        await settle(pilot)
        trouble = screen.query_one("#trouble", Static)
        assert sentence in str(trouble.content)

    form(linked(), 0, act)


def test_the_form_outlives_the_folder_it_was_opened_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    async def act(pilot: Pilot[int]) -> None:
        await pilot.press("c", "enter")
        await settle(pilot)
        assert "there no longer" in " ".join(text_of(pilot.app).split())  # type: ignore[arg-type]
        await pilot.press("ctrl+t", "ctrl+t")
        pilot.app.screen.query_one("#command", TextArea).text = COMMAND
        await pilot.press("ctrl+s")
        await settle(pilot)

    try:
        form(linked(), 0, act)
    finally:
        os.chdir(tmp_path)


def test_another_run_with_changes() -> None:
    link = linked()

    async def act(pilot: Pilot[int]) -> None:
        pilot.app.screen.query_one("#runs", OptionList).highlighted = 1
        shown = await until_shown(pilot, "looked at /r")
        assert "4  done       a [b]" in shown
        pilot.app.screen.query_one("#changes", Input).value = "rank=8"
        await pilot.press("ctrl+s")
        await settle(pilot)
        assert isinstance(pilot.app.screen, MainScreen)

    form(link, 1, act)
    assert GetRecipe(id=4) in link.asked
    assert link.asked[-1] == CopyJob(id=4, changes={"rank": "8"})


@pytest.mark.parametrize("how", ["click", "enter"])
def test_a_run_that_is_chosen_is_not_added_before_its_changes_are_said(how: str) -> None:
    link = linked()

    async def act(pilot: Pilot[int]) -> None:
        screen = pilot.app.screen
        changes = screen.query_one("#changes", Input)
        if how == "click":
            await pilot.click("#runs", offset=(10, 1))
        else:
            await pilot.press("down", "enter")
        await settle(pilot)
        assert pilot.app.screen is screen
        assert screen.focused is changes
        await pilot.press(*"rank=8", "enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, MainScreen)

    form(link, 1, act)
    assert link.asked[-1] == CopyJob(id=4, changes={"rank": "8"})
    assert sum(isinstance(one, CopyJob) for one in link.asked) == 1


def test_another_run_as_a_sweep() -> None:
    link = linked()
    link.answers[Batch] = Batched(replies=[Added(job=job(7))])

    async def act(pilot: Pilot[int]) -> None:
        pilot.app.screen.query_one("#runs", OptionList).highlighted = 1
        changes = pilot.app.screen.query_one("#changes", Input)
        changes.value = "rank=8,0"
        await until_shown(pilot, "`lora.rank` does not fit")
        changes.value = "rank=8,32"
        await until_shown(pilot, "2 jobs: cat-rank8, cat-rank32")
        await pilot.press("ctrl+s")
        await settle(pilot)

    form(link, 1, act)
    assert link.asked[-1] == Batch(
        requests=[
            CopyJob(id=4, changes={"lora.rank": rank}, name=f"cat-rank{rank}")
            for rank in ("8", "32")
        ]
    )


def test_a_command_of_another_trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    link = linked()

    async def act(pilot: Pilot[int]) -> None:
        area = pilot.app.screen.query_one("#command", TextArea)
        area.text = "python train_nothing.py [/b]"
        await until_shown(pilot, "cannot be imported")
        area.text = COMMAND
        await until_shown(pilot, "Imported")  # the path before it may break the line anywhere
        await until_shown(pilot, "Its relative paths start at")
        await until_shown(pilot, "--max_grad_norm: the script never clips")
        await pilot.press("ctrl+s")
        await settle(pilot)
        assert isinstance(pilot.app.screen, MainScreen)

    form(link, 2, act)
    request = link.asked[-1]
    assert isinstance(request, AddJob)
    assert request.folder == str(tmp_path)
    recipe = parse_recipe(request.recipe)
    assert (recipe.name, recipe.train.max_train_steps) == ("cats", 10)


@pytest.mark.parametrize("key", ["escape", "ctrl+r"])
def test_a_check_ends_with_the_form_or_when_somebody_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    script = """
import os, subprocess, sys, time
child = subprocess.Popen(["sleep", "600"])
print("began", os.getpid(), child.pid, flush=True)
time.sleep(600)
"""
    check_with(monkeypatch, script)
    path = tmp_path / "cat.toml"
    path.write_text(RECIPE)
    pids: list[int] = []

    async def act(pilot: Pilot[int]) -> None:
        pilot.app.screen.query_one("#path", Input).value = str(path)
        shown = await until_shown(pilot, "began ")
        pids.extend(map(int, shown.split("began ")[1].split()[:2]))
        assert all(map(psutil.pid_exists, pids))
        await pilot.press(key)
        await settle(pilot)

    form(linked(), 0, act)
    eventually(lambda: not any(map(alive, pids)), 10)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_without_torch_the_form_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(checking, "STILL_SECONDS", 0.0)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    path = tmp_path / "cat.toml"
    path.write_text(RECIPE)

    async def act(pilot: Pilot[int]) -> None:
        pilot.app.screen.query_one("#path", Input).value = str(path)
        await until_shown(pilot, "lorad[train]")

    form(linked(), 0, act)


def test_the_real_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    path = small_recipe(tmp_path)
    monkeypatch.setenv("LORAD_HOME", str(tmp_path / "home"))

    async def act(pilot: Pilot[int]) -> None:
        pilot.app.screen.query_one("#path", Input).value = str(path)
        shown = await until_shown(pilot, "It can be trained.")
        assert "Pictures  6" in shown

    form(linked(), 0, act)
