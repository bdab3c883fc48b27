"""What the command says when somebody mistypes: one sentence on stderr, no traceback, a code."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.conftest import Lorad


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["statsu"], 2, "There is no verb `statsu`. Did you mean `lorad status`?"),
        (["qqqqqq"], 2, "There is no verb `qqqqqq`. `lorad --help` lists the verbs."),
        (["pause", "abc"], 2, "`abc` is no job number. `lorad status` lists the jobs."),
        (["pause", "all"], 2, "`all` is no job number. `--all` means all of them."),
        (["pause", "0"], 2, "`0` is no job number."),
        (["status", "²"], 2, "`²` is no job number."),
        (["pause"], 2, "Say the numbers of jobs, or --all."),
        (["pause", "1", "--nowait"], 2, "`--nowait` means nothing here. Did you mean `--no-wait`?"),
        (["status", "--jso"], 2, "`--jso` means nothing here. Did you mean `--json`?"),
        (["add", "x.toml", "--priority", "high"], 2, "`high` is no whole number."),
        (["add", "x.toml", "--priority"], 2, "`--priority` needs a value."),
        (["add", "x.toml", "-q", "--json"], 2, "Say --json or -q, not both."),
        (["generate", "1", "cat", "--scale", "nan"], 2, "`nan` is no number."),
        (["move", "1", "0"], 2, "`0` is no whole number from 1 on."),
        (["completions", "elvish"], 2, "`elvish` is none of "),
        (["dashboard"], 2, "The dashboard needs a terminal to draw on and to read keys from."),
        (["log"], 2, "Say either a job's number or --daemon."),
        (["log", "1", "--daemon"], 2, "Say either a job's number or --daemon."),
        (["add", "no.toml"], 2, "There is no recipe at no.toml. `lorad init` writes one"),
        (["no.toml"], 2, "There is no recipe at no.toml. `lorad init` writes one"),
        (["check", "no.toml"], 2, "There is no recipe at no.toml. `lorad init` writes one"),
        (["events", "--since", "9" * 20], 2, f"`{'9' * 20}` is no place to begin"),
        (["sweep", "²", "train.seed=1,2"], 2, "There is no recipe at ²."),
        (["sweep", "9" * 23, "train.seed=1,2"], 2, f"`{'9' * 23}` is no job number."),
        (["sweep", "1", "seed=1,2", "--folder", "x"], 2, "--folder is for a recipe's file"),
        (["generate", "~x.safetensors", "cat"], 2, "There is no home folder for the beginning of"),
        (
            ["generate", "1", "cat", "--out", "no/x.png"],
            2,
            "no/x.png cannot be written: its folder",
        ),
        (["init", "no/x.toml"], 2, "no/x.toml cannot be written: No such file or directory."),
    ],
)
def test_a_mistake_is_told_in_a_sentence(
    lorad: Lorad, words: list[str], code: int, sentence: str
) -> None:
    ended = lorad(*words)
    assert ended.stderr.startswith(f"lorad: {sentence}")
    assert ended.stderr.count("\n") == 1
    assert (ended.returncode, ended.stdout) == (code, "")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["status"],
        ["ps", "--json"],
        ["why", "1"],
        ["log", "1", "-f"],
        ["logs", "--daemon"],
        ["pause", "1", "2"],
        ["resume", "1"],
        ["start", "1"],
        ["cancel", "1", "--force"],
        ["stop", "1"],
        ["kill", "1"],
        ["restart", "1"],
        ["stash", "1"],
        ["enqueue", "1"],
        ["rm", "1"],
        ["remove", "1"],
        ["move", "1", "2"],
        ["priority", "1", "-3"],
        ["wait", "1"],
        ["samples", "1"],
        ["generate", "1", "cat face"],
        ["down"],
    ],
)
def test_without_a_daemon_the_code_is_3(lorad: Lorad, home: Path, words: list[str]) -> None:
    ended = lorad(*words)
    assert set(ended.stderr.splitlines()) == {
        "lorad: No daemon is running here. `lorad up` starts one."
    }
    assert (ended.returncode, ended.stdout) == (3, "")
    assert not home.exists(), "a plain verb must not make the daemon's folder"


@pytest.mark.parametrize("name", ["LORAD_HOME", "LORAD_CONFIG"])
def test_a_home_that_nobody_has_is_told(lorad: Lorad, name: str) -> None:
    ended = lorad("config" if name == "LORAD_CONFIG" else "status", **{name: "~nobody_here/x"})
    assert ended.stderr == (
        "lorad: There is no home folder for the beginning of ~nobody_here/x. "
        "Write the path in full.\n"
    )
    assert ended.returncode == 2


@pytest.mark.parametrize("verb", ["add", "check"])
def test_a_wrong_recipe_is_told_before_anybody_is_asked(
    lorad: Lorad, work: Path, verb: str
) -> None:
    (work / "a.toml").write_text('name = "a"\n[data]\npath = "."\n[train]\nlearning_rat = 1\n')
    ended = lorad(verb, "a.toml")
    assert ended.stderr == (
        "lorad: The recipe has an unknown key `train.learning_rat`. "
        "Did you mean `train.learning_rate`?\n"
    )
    assert ended.returncode == 2


def test_what_a_name_holds_cannot_steer_the_terminal(lorad: Lorad) -> None:
    ended = lorad("add", "evil\x1b]0;x\x07.toml")
    assert "evil␛]0;x�.toml" in ended.stderr
    assert "\x1b" not in ended.stderr


def test_the_unforeseen_is_one_line_and_a_traceback_on_demand(lorad: Lorad, home: Path) -> None:
    home.write_text("a file where the folder should be")
    told = lorad("up")
    assert told.stderr.startswith(f"lorad: {home} cannot hold the daemon's sockets and database:")
    assert told.returncode == 1
    broken = lorad("demo", "--here", str(home), LORAD_TRACEBACK="1")
    assert "Traceback" in broken.stderr
    assert "FileExistsError" in broken.stderr
