"""The verbs against a real daemon. Nothing trains here: the jobs stay stashed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.conftest import SCRIPT, Lorad

from lorad.shared.endpoints import Home, find_home

RECIPE = 'name = "mono"\n[data]\npath = "pictures"\n[train]\nmax_train_steps = 5\n'


@pytest.fixture
def daemon(lorad: Lorad, work: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A daemon that is up, and a recipe; both are gone after the test."""
    (work / "mono.toml").write_text(RECIPE)
    monkeypatch.setenv("LORAD_HOME", str(home))
    place = find_home()
    started = lorad("up")
    assert started.returncode == 0, started.stderr
    try:
        yield place
    finally:
        end_daemon(place)


def end_daemon(place: Home) -> None:
    """As systemd does: SIGTERM, and SIGKILL to one that does not mind it."""
    for patience, number in ((10, signal.SIGTERM), (1, signal.SIGKILL)):
        if pid := place.daemon_pid():
            os.kill(pid, number)
        deadline = time.monotonic() + patience
        while place.daemon_pid() is not None and time.monotonic() < deadline:
            time.sleep(0.02)


def test_up_starts_one_daemon_and_down_ends_it(lorad: Lorad, daemon: Home) -> None:
    pid = daemon.daemon_pid()
    assert pid
    again = lorad("up")
    assert again.stdout.startswith(f"The daemon runs already (pid {pid}).")
    assert again.returncode == 0
    assert oct(daemon.daemon_log.stat().st_mode)[-3:] == "600"
    down = lorad("down")
    assert down.returncode == 0
    assert daemon.daemon_pid() is None, "`down` returns when the lock is free"
    assert lorad("status").returncode == 3
    assert lorad("log", "--daemon", "-n", "1").stdout.endswith("daemon is down\n")


def test_a_job_from_add_to_rm(lorad: Lorad, daemon: Home, work: Path) -> None:
    assert lorad("status").stdout.startswith("The queue is empty.")
    assert lorad("add", "mono.toml", "--stash", "-q").stdout == "1\n"
    added = json.loads(lorad("mono.toml", "--stash", "--json", "--priority", "-2").stdout)
    assert added == {
        "schema": 1,
        "id": 2,
        "name": "mono",
        "folder": str(work / "output" / "mono-2"),
    }
    status = json.loads(lorad("ps", "--json").stdout)
    assert [(job["id"], job["state"], job["priority"]) for job in status["jobs"]] == [
        (1, "stashed", 0),
        (2, "stashed", -2),
    ]
    assert [job["id"] for job in json.loads(lorad("status", "2", "--json").stdout)["jobs"]] == [2]
    assert "mono" in lorad("status", "1").stdout
    assert json.loads(lorad("why", "1", "--json").stdout)["id"] == 1
    assert lorad("priority", "2", "7").stdout == "Job 2 (mono) has priority 7 now.\n"
    assert json.loads(lorad("samples", "1", "--json").stdout) == {
        "schema": 1,
        "id": 1,
        "pictures": [],
    }
    assert lorad("cancel", "1").stdout == "Job 1 (mono) is cancelled.\n"
    assert lorad("wait", "1").returncode == 1
    assert json.loads(lorad("rm", "1", "2", "--json").stdout)["removed"] == [1, 2]
    assert json.loads(lorad("status", "--json").stdout)["jobs"] == []


def test_a_recipe_is_changed_by_its_keys(lorad: Lorad, daemon: Home) -> None:
    lorad("add", "mono.toml", "--stash")
    ended = lorad("set", "1", "learning_rate=5e-5", 'sample.prompts=["a cat"]')
    assert ended.stdout == ('Job 1 (mono) has learning_rate = 5e-5, sample.prompts = ["a cat"].\n')
    told = json.loads(lorad("set", "1", "max_train_steps=9", "--json").stdout)
    assert told["jobs"][0]["max_train_steps"] == 9
    longer = json.loads(lorad("set", "1", "num_train_epochs=2", "--json").stdout)
    assert longer["jobs"][0]["max_train_steps"] is None
    assert "step      0\n" in lorad("status", "1").stdout
    told = json.loads(lorad("status", "1", "--json").stdout)
    assert (told["validations"], told["notes"]) == ([], [])


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["learning_rate"], 2, "`learning_rate` is no KEY=VALUE, such as learning_rate=5e-5."),
        (["rank=8"], 2, "`lora.rank` of a job cannot be changed: the adapter was made with it."),
        (["learnin_rate=1"], 2, "The recipe has an unknown key `learnin_rate`. Did you mean"),
        (["patience=1", "patience=2"], 2, "Say each key once"),
    ],
)
def test_changes_that_cannot_be(
    lorad: Lorad, daemon: Home, words: list[str], code: int, sentence: str
) -> None:
    lorad("add", "mono.toml", "--stash")
    ended = lorad("set", "1", *words)
    assert ended.stderr.startswith(f"lorad: {sentence}")
    assert (ended.returncode, ended.stdout) == (code, "")


def test_one_wrong_number_keeps_none_from_the_rest(lorad: Lorad, daemon: Home) -> None:
    lorad("add", "mono.toml", "--stash")
    ended = lorad("cancel", "9", "1")
    assert ended.returncode == 2
    assert ended.stderr == "lorad: There is no job 9. `lorad status` lists the jobs.\n"
    assert ended.stdout == "Job 1 (mono) is cancelled.\n"


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["status", "9"], 2, "There is no job 9."),
        (["samples", "9"], 2, "There is no job 9."),
        (["wait", "1", "9"], 2, "There is no job 9."),
        (["log", "9"], 2, "There is no job 9."),
        (["pause", "1"], 1, "Job 1 is stashed, so it cannot be paused."),
        (["generate", "1", "cat"], 1, "Job 1 has no LoRA file yet."),
        (["samples", "1", "--now"], 1, "Job 1 is stashed, so it cannot be asked for pictures."),
    ],
)
def test_refusals(lorad: Lorad, daemon: Home, words: list[str], code: int, sentence: str) -> None:
    lorad("add", "mono.toml", "--stash")
    ended = lorad(*words)
    assert ended.stderr.startswith(f"lorad: {sentence}")
    assert (ended.returncode, ended.stdout) == (code, "")


def test_the_recipes_folder_is_where_the_recipe_lies(
    lorad: Lorad, daemon: Home, work: Path
) -> None:
    (work / "deep").mkdir()
    (work / "deep" / "a.toml").write_text(RECIPE)
    added = lorad("add", "deep/../deep/a.toml", "--stash", "--json")
    assert json.loads(added.stdout)["folder"] == str(work / "deep" / "output" / "mono-1")


def test_a_relative_home_is_the_same_for_the_daemon(lorad: Lorad, work: Path) -> None:
    try:
        assert lorad("up", LORAD_HOME="here").returncode == 0
        assert lorad("status", LORAD_HOME=str(work / "here")).returncode == 0
    finally:
        lorad("down", LORAD_HOME="here")


def test_a_daemon_that_cannot_start_says_why(lorad: Lorad, home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "lorad.db").write_text("this is no database, " * 100)
    ended = lorad("up")
    assert ended.returncode == 3
    assert ended.stderr.startswith("lorad: The daemon did not start. The end of ")
    assert "lorad.db" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_ctrl_c_is_130_and_leaves_the_job(lorad: Lorad, daemon: Home, home: Path) -> None:
    lorad("add", "mono.toml", "--stash")
    waiting = subprocess.Popen(
        [str(SCRIPT), "wait", "1"],
        env={**os.environ, "LORAD_HOME": str(home)},
        stderr=subprocess.PIPE,
        text=True,
        # A test runner in the background ignores the signal, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with waiting:
        assert waiting.stderr is not None
        assert "lorad enqueue 1" in waiting.stderr.readline(), "it waits now"
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(10) == 130
        assert waiting.stderr.read() == ""
    assert json.loads(lorad("status", "--json").stdout)["jobs"][0]["state"] == "stashed"
