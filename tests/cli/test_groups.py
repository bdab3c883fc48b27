"""Groups, terms and draining by their verbs, against a real daemon that is drained."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.conftest import Lorad
from cli.test_with_daemon import RECIPE, end_daemon

from lorad.shared.endpoints import Home, find_home


@pytest.fixture
def daemon(lorad: Lorad, work: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A daemon with two made-up cards, whose queue is drained."""
    (work / "mono.toml").write_text(RECIPE)
    monkeypatch.setenv("LORAD_HOME", str(home))
    monkeypatch.setenv("LORAD_FAKE_GPUS", "2")
    place = find_home()
    started = lorad("up")
    assert started.returncode == 0, started.stderr
    assert lorad("drain").returncode == 0
    try:
        yield place
    finally:
        end_daemon(place)


def test_a_group_from_add_to_rm(lorad: Lorad, daemon: Home) -> None:
    made = lorad("group", "add", "night", "--slots", "2", "--gpu", "1", "--on-failure", "stop")
    assert made.stdout == ("Group night: 0 of 2 slots taken, on GPU 1, stops on a failure.\n"), (
        made.stderr
    )
    assert lorad("group", "set", "default", "--slots", "1").returncode == 0
    assert lorad("group", "pause", "night").stdout.endswith(", stops on a failure, paused.\n")
    lines = [line.split() for line in lorad("group").stdout.splitlines()]
    assert lines == [
        ["NAME", "SLOTS", "RUNNING", "QUEUED", "GPUS", "ON_FAILURE", "STATE"],
        ["default", "1", "0", "0", "all", "continue", "drained"],
        ["night", "2", "0", "0", "1", "stop", "paused"],
    ]
    told = json.loads(lorad("group", "resume", "night", "--json").stdout)
    assert told["groups"][1] == {
        "name": "night",
        "slots": 2,
        "gpus": ["GPU-fake-1"],
        "on_failure": "stop",
        "paused": False,
        "cause": None,
        "running": 0,
        "queued": 0,
    }
    assert told["draining"] is True
    assert json.loads(lorad("group", "--json").stdout) == told
    assert (
        json.loads(lorad("group", "--json", "set", "night", "--gpus", "any").stdout)["groups"][1][
            "gpus"
        ]
        == []
    )
    assert lorad("group", "rm", "night").stdout == "Group night is forgotten.\n"
    assert [one["name"] for one in json.loads(lorad("group", "--json").stdout)["groups"]] == [
        "default"
    ]


def test_a_job_with_terms(lorad: Lorad, daemon: Home) -> None:
    lorad("group", "add", "night")
    assert lorad("add", "mono.toml", "-q").stdout == "1\n"
    added = lorad(
        "add", "mono.toml", "-q", "-g", "night", "--after", "1", "--delay", "2h", "--gpu", "0,1",
        "--retries", "2", "--after-reboot", "pause",
    )  # fmt: skip
    assert added.stdout == "2\n", added.stderr
    job = json.loads(lorad("status", "2", "--json").stdout)["jobs"][0]
    assert (job["group"], job["after"], job["retries"]) == ("night", [1], 2)
    assert job["after_reboot"] == "pause"
    assert job["wanted_gpus"] == ["GPU-fake-0", "GPU-fake-1"]
    assert 7100 < job["start_after"] - time.time() <= 7200
    status = lorad("status").stdout
    head, first, second, *notes = status.splitlines()
    assert (head.split()[-1], first.split()[-1], second.split()[-1]) == (
        "GROUP", "default", "night",
    )  # fmt: skip
    assert notes[0].startswith("job 2: after 1; not before 20")
    assert notes[0].endswith("; on GPU-fake-0, GPU-fake-1; 2 retries; paused after a reboot")
    assert notes[1:4] == [
        "group default: 0 running, 1 waiting",
        "group night: 0 running, 1 waiting",
        "drained: nothing starts until `lorad drain --end`",
    ]
    assert "group     night\n" in lorad("status", "2").stdout
    lorad("add", "mono.toml", "--stash")
    updated = lorad("update", "2", "3", "--after", "none", "--delay", "now", "--gpu", "1")
    assert updated.stdout == (
        "Job 2 (mono) is in group night: on GPU-fake-1; 2 retries; paused after a reboot.\n"
        "Job 3 (mono) is in group default: on GPU-fake-1.\n"
    )
    told = json.loads(lorad("update", "2", "--gpu", "any", "-g", "default", "--json").stdout)
    job = told["jobs"][0]
    assert (job["group"], job["after"], job["start_after"], job["wanted_gpus"]) == (
        "default", [], None, [],
    )  # fmt: skip
    several = lorad("update", "3", "--after", "1,2")
    alone = lorad("update", "2", "--retries", "0", "--after-reboot", "resume")
    assert alone.stdout == "Job 2 (mono) is in group default and waits for its turn alone.\n"
    assert several.stdout == "Job 3 (mono) is in group default: after 1, 2; on GPU-fake-1.\n"
    assert lorad("why", "2").stdout == (
        "Job 2 waits: the queue is drained, so nothing starts. `lorad drain --end` lets jobs start"
        " again.\n"
    )


def test_draining_begins_and_ends(lorad: Lorad, daemon: Home) -> None:
    assert lorad("drain").stdout == (
        "The queue is drained: nothing starts, and nothing runs. `lorad drain --end` takes it"
        " back.\n"
    )
    assert json.loads(lorad("status", "--json").stdout)["draining"] is True
    assert lorad("drain", "--end").stdout == "Jobs start again.\n"
    told = json.loads(lorad("drain", "--json", "--end").stdout)
    assert (told["schema"], told["draining"]) == (1, False)
    assert "drained" not in lorad("status").stdout


def test_a_move_says_where_it_ended(lorad: Lorad, daemon: Home) -> None:
    for _ in range(3):
        lorad("add", "mono.toml")
    assert lorad("move", "1", "9").stdout == "Job 1 (mono) is at place 3 of the 3 that wait.\n"
    assert lorad("move", "3", "1", "2").stdout == (
        "Job 3 (mono) is at place 2 of the 3 that wait.\n"
        "Job 1 (mono) is at place 3 of the 3 that wait.\n"
    )


def test_the_status_lists_what_waits_before_what_ended(lorad: Lorad, daemon: Home) -> None:
    for _ in range(4):
        lorad("add", "mono.toml")
    lorad("cancel", "2")
    lorad("cancel", "1")
    lorad("move", "4", "1")
    lorad("stash", "3")
    lorad("add", "mono.toml")
    found = [line.split()[:2] for line in lorad("status").stdout.splitlines()[1:6]]
    assert found == [
        ["4", "queued"],
        ["5", "queued"],
        ["3", "stashed"],
        ["1", "cancelled"],
        ["2", "cancelled"],
    ]
    jobs = json.loads(lorad("status", "--json").stdout)["jobs"]
    turns = {one["id"]: one["turn"] for one in jobs}
    assert turns[4] == {"kind": "drain", "words": "the queue is drained", "lasting": True}
    assert turns[1] is None


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["add", "mono.toml", "-g", "noon"], 2, "There is no group noon. There are: default."),
        (
            ["add", "mono.toml", "--gpu", "7"],
            2,
            "There is no GPU `7` here. There are 0 (Fake RTX, ",
        ),
        (["add", "mono.toml", "--after", "9"], 2, "There is no job 9."),
        (["add", "mono.toml", "--after", "x"], 2, "`x` is no job number."),
        (["add", "mono.toml", "--delay", "soon"], 2, "`soon` is no time. Say 2h30m, 08:30 or 2026"),
        (["add", "mono.toml", "--delay", "2020-01-01"], 2, "`2020-01-01` is over already."),
        (
            ["add", "mono.toml", "--after-reboot", "never"],
            2,
            "`never` is none of 'resume', 'pause'.",
        ),
        (["add", "mono.toml", "--retries", "-1"], 2, "`-1` is no whole number from 0 on."),
        (["update", "1"], 2, "Say what to change, such as --group"),
        (["update", "1", "--after", "1"], 2, "Job 1 cannot wait for job 1:"),
        (["group", "set", "default"], 2, "Say what to change, such as --slots"),
        (["group", "set", "noon", "--slots", "1"], 2, "There is no group noon."),
        (["group", "add", "a b"], 2, "The group cannot be made so: its name is up to 32 letters"),
        (["group", "add", "a", "--slots", "x"], 2, "`x` is no whole number."),
        (["group", "rm", "default"], 1, "The group default cannot be removed: it is there for "),
        (["group", "away"], 2, "`away` is none of "),
        (["rm", "1"], 1, "Job 1 cannot be removed: job 2 (mono) waits until it is done."),
    ],
)
def test_refusals(lorad: Lorad, daemon: Home, words: list[str], code: int, sentence: str) -> None:
    lorad("add", "mono.toml")
    lorad("add", "mono.toml", "--after", "1")
    ended = lorad(*words)
    assert ended.stderr.startswith(f"lorad: {sentence}")
    assert (ended.returncode, ended.stdout) == (code, "")
