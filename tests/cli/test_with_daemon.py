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
    lorad("add", "mono.toml", "--stash")
    lorad("cancel", "2")
    ended = lorad("set", "2", "learning_rate=5e-5")
    assert ended.stdout == "Job 2 (mono) has learning_rate = 5e-5 when it starts again.\n"
    longer = json.loads(lorad("set", "1", "num_train_epochs=2", "--json").stdout)
    assert longer["jobs"][0]["max_train_steps"] is None
    assert "step      0\n" in lorad("status", "1").stdout
    told = json.loads(lorad("status", "1", "--json").stdout)
    assert (told["validations"], told["notes"]) == ([], [])


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["learning_rate"], 2, "`learning_rate` is no KEY=VALUE, such as learning_rate=5e-5."),
        (["rank=8"], 2, "`lora.rank` of a job cannot be changed: its adapter is made with it."),
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


def test_one_wrong_number_keeps_all_as_they_are(lorad: Lorad, daemon: Home) -> None:
    lorad("add", "mono.toml", "--stash")
    ended = lorad("cancel", "9", "1")
    assert ended.returncode == 2
    assert ended.stderr == (
        "lorad: There is no job 9. `lorad status` lists the jobs. None of the 2 changes was made.\n"
    )
    assert ended.stdout == ""
    assert "stashed" in lorad("status", "1").stdout
    assert lorad("cancel", "1", "1").stdout == "Job 1 (mono) is cancelled.\n"


def states(lorad: Lorad) -> list[str]:
    jobs = json.loads(lorad("status", "--json").stdout)["jobs"]
    return [f"{job['id']} {job['state']}" for job in jobs]


def test_all_that_can_be(lorad: Lorad, daemon: Home) -> None:
    for _ in range(3):
        lorad("add", "mono.toml", "--stash")
    lorad("cancel", "2")
    assert lorad("cancel", "--all").stdout == (
        "Job 1 (mono) is cancelled.\nJob 3 (mono) is cancelled.\n"
    )
    nobody = lorad("hold", "--all", "--json")
    assert (nobody.returncode, nobody.stderr) == (0, "No job can be held now.\n")
    assert json.loads(nobody.stdout)["jobs"] == []
    lorad("add", "mono.toml", "--stash")
    assert json.loads(lorad("rm", "--all", "--json").stdout)["removed"] == [1, 2, 3]
    assert states(lorad) == ["4 stashed"]
    assert lorad("rm").stderr.startswith("lorad: Say the numbers of jobs, or --all.")
    assert lorad("rm", "1", "--all").returncode == 2


def test_several_have_another_priority_recipe_and_place(lorad: Lorad, daemon: Home) -> None:
    for _ in range(3):
        lorad("add", "mono.toml", "--stash")
    assert lorad("priority", "1", "3", "2").stdout == (
        "Job 1 (mono) has priority 2 now.\nJob 3 (mono) has priority 2 now.\n"
    )
    assert lorad("set", "1", "2", "lr=1e-3", "keep=4").stdout == (
        "Job 1 (mono) has lr = 1e-3, keep = 4.\nJob 2 (mono) has lr = 1e-3, keep = 4.\n"
    )
    assert lorad("undo", "--show").stdout.startswith(
        "Next to undo: jobs 1 (mono) and 2 (mono) were changed (by lorad "
    )
    assert lorad("undo").stdout == "Undone: jobs 1 (mono) and 2 (mono) were changed.\n"
    assert [job["id"] for job in json.loads(lorad("undo", "--json").stdout)["jobs"]] == [1, 3]
    history = json.loads(lorad("history", "1", "--json").stdout)["changes"]
    assert [change["event"] for change in history] == ["add", "priority", "set", "undo", "undo"]
    lines = lorad("history", "-n", "2").stdout.splitlines()
    assert [line.split("\t")[1:4] for line in lines] == [
        ["1 (mono)", "undo", "stashed"],
        ["3 (mono)", "undo", "stashed"],
    ]


def test_copies_and_sweeps(lorad: Lorad, daemon: Home, work: Path) -> None:
    lorad("add", "mono.toml", "--stash")
    assert lorad("copy", "1", "rank=8", "--stash").stdout == "Job 2 (mono-2) is stashed.\n"
    swept = lorad("sweep", "1", "lr=1e-4,5e-5", "rank=8,16", "max_train_steps=3", "--stash")
    names = ["mono-lr1e-4-rank8", "mono-lr1e-4-rank16", "mono-lr5e-5-rank8", "mono-lr5e-5-rank16"]
    assert swept.stdout == "".join(
        f"Job {number} ({name}) is stashed.\n" for number, name in enumerate(names, 3)
    )
    assert lorad("sweep", "mono.toml", "seed=1,2", "--stash").stderr.startswith(
        "lorad: There are several keys `seed` in a recipe. Say `train.seed` or "
    )
    assert lorad("sweep", "mono.toml", "train.seed=1,2", "--stash", "-q").stdout == "7\n8\n"
    assert (work / "output" / "mono-seed2-8").is_dir()
    wrong = lorad("sweep", "1", "rank=8,none", "--stash")
    assert wrong.stderr.startswith("lorad: The recipe's `lora.rank` does not fit")
    assert wrong.returncode == 2
    assert lorad("sweep", "1", "rank=8").stderr.startswith("lorad: No key of the sweep has several")
    assert lorad("undo").stdout == ("Undone: jobs 7 (mono-seed1) and 8 (mono-seed2) were added.\n")
    assert len(states(lorad)) == 6
    assert not (work / "output" / "mono-seed2-8").exists()


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


def test_jobs_that_are_removed_while_another_is_waited_for(
    lorad: Lorad, daemon: Home, home: Path
) -> None:
    for _ in range(3):
        lorad("add", "mono.toml", "--stash")
    lorad("cancel", "2")
    waiting = subprocess.Popen(
        [str(SCRIPT), "wait", "1", "2", "3", "--json"],
        env={**os.environ, "LORAD_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with waiting:
        assert waiting.stderr is not None
        assert "lorad enqueue 1" in waiting.stderr.readline(), "it waits now"
        assert lorad("rm", "2", "3").returncode == 0
        lorad("cancel", "1")
        told, said = waiting.communicate(timeout=60)
    assert [job["state"] for job in json.loads(told)["jobs"]] == [
        "cancelled", "cancelled", "stashed",
    ]  # fmt: skip
    assert said.splitlines() == [
        "Job 1 (mono) was cancelled.",
        "Job 2 (mono) was cancelled.",
        "Job 3 (mono) was removed.",
    ]
    assert waiting.returncode == 1


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
        assert waiting.wait(60) == 130
        assert waiting.stderr.read() == ""
    assert json.loads(lorad("status", "--json").stdout)["jobs"][0]["state"] == "stashed"
