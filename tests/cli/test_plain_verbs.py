"""Verbs that need no daemon."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from cli.conftest import SCRIPT, Lorad

from lorad.shared.recipe import load_recipe
from lorad.tui.commands import ALIASES, VERBS
from lorad.tui.commands._arguments import COMPLETE_FILES


def test_version(lorad: Lorad) -> None:
    assert lorad("version").stdout == f"lorad {version('lorad')}\n"
    assert lorad("--version").stdout == lorad("version").stdout
    said = json.loads(lorad("version", "--json").stdout)
    assert said == {"schema": 1, "version": version("lorad"), "protocol": 3}


def test_help_names_every_verb(lorad: Lorad) -> None:
    ended = lorad("--help")
    assert ended.returncode == 0
    for name, verb in VERBS.items():
        assert f"  {name} {verb.usage}".rstrip() in ended.stdout
        assert verb.help in ended.stdout
    for alias in ALIASES:
        assert alias in ended.stdout
    assert lorad("help").stdout == ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 80


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(lorad: Lorad, verb: str) -> None:
    ended = lorad(verb, "--help")
    assert ended.returncode == 0
    assert ended.stdout.startswith(f"usage: lorad {verb} ")
    assert lorad("help", verb).stdout == ended.stdout


def test_init_writes_a_recipe_that_is_valid_and_only_once(lorad: Lorad, work: Path) -> None:
    path = work / "My Cat.toml"
    assert lorad("init", path.name).returncode == 0
    recipe, text = load_recipe(path)
    assert recipe.name == "My-Cat"
    path.write_text("mine")
    again = lorad("init", path.name)
    assert again.stderr == (
        "lorad: My Cat.toml is there already. Choose another name, or remove it first.\n"
    )
    assert again.returncode == 2
    assert path.read_text() == "mine"
    assert lorad("init", path.name, "--force").returncode == 0
    assert path.read_text() == text


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completions_know_every_verb(lorad: Lorad, shell: str) -> None:
    script = lorad("completions", shell).stdout
    assert [name for name in [*VERBS, *ALIASES] if name not in script] == []


def test_bash_completes(lorad: Lorad, work: Path) -> None:
    (work / "c.bash").write_text(lorad("completions", "bash").stdout)
    ask = 'source c.bash; COMP_WORDS=(lorad {}); COMP_CWORD={}; {}; echo "${{COMPREPLY[@]}}"'
    function = next(
        line.split()[line.split().index("-F") + 1]
        for line in (work / "c.bash").read_text().splitlines()
        if line.startswith("complete ")
    )

    def complete(words: str, at: int) -> list[str]:
        command = ask.format(words, at, function)
        return subprocess.run(
            ["bash", "-c", command], cwd=work, capture_output=True, text=True, check=True
        ).stdout.split()

    assert complete("pau", 1) == ["pause"]
    assert "--force" in complete("cancel --", 2)


def test_the_file_completion_is_the_one_of_shtab() -> None:
    import shtab

    assert {shell: shtab.FILE[shell] for shell in COMPLETE_FILES} == COMPLETE_FILES


HEAVY = {"textual", "torch", "numpy", "PIL", "rich", "lorad.daemon", "shtab"}

MODULES = f"""
import sys, lorad.tui.cli
code = lorad.tui.cli.main(sys.argv[1:])
print(*sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "words", [["version"], ["--help"], ["status", "--json"], ["pause", "1"], ["up", "--help"]]
)
def test_a_plain_verb_imports_nothing_heavy(home: Path, words: list[str]) -> None:
    assert importlib.util.find_spec("textual"), "it must be there to be missed"
    ended = subprocess.run(
        [sys.executable, "-c", "try:\n" + _indent(MODULES) + "\nexcept SystemExit: pass", *words],
        env={**os.environ, "LORAD_HOME": str(home)},
        capture_output=True,
        text=True,
    )
    assert ended.stderr.splitlines()[-1:] in ([""], []), ended.stderr


def _indent(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def test_a_reader_that_has_left_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run([str(SCRIPT), "--help"], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_a_full_disk_is_told_in_a_sentence() -> None:
    with open("/dev/full", "w") as full:
        ended = subprocess.run([str(SCRIPT), "--help"], stdout=full, stderr=subprocess.PIPE)
    assert ended.stderr == b"lorad: The output cannot be used: No space left on device.\n"
    assert ended.returncode == 1


def test_with_stderr_closed_a_complaint_does_not_reach_the_data() -> None:
    ended = subprocess.run(["bash", "-c", f"{SCRIPT} qqqqqq 2>&-"], capture_output=True)
    assert (ended.returncode, ended.stdout) == (2, b"")


def test_a_recipes_path_alone_is_add(lorad: Lorad, work: Path) -> None:
    (work / "a.toml").write_text('name = "a"\n[data]\npath = "."\n')
    ended = lorad("./a.toml", "--stash")
    assert ended.returncode == 3
    assert "No daemon is running here" in ended.stderr


def test_set_says_from_when_on_it_holds() -> None:
    from lorad.tui.commands.set import when

    assert when(["learning_rate"]) == " from the next step on"
    assert when(["num_processes", "data[1].path"]) == " when it starts again"
    assert when(["learning_rate", "log.project"]) == (
        " from the next step on; log.project when it starts again"
    )


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings that nobody wrote yet."""
    path = tmp_path / "settings.toml"
    monkeypatch.setenv("LORAD_CONFIG", str(path))
    return path


def test_a_key_for_what_there_is_not_is_not_written_down(lorad: Lorad, config: Path) -> None:
    ended = lorad("config", "keys.job.paus=f5")
    assert ended.returncode == 2
    assert ended.stderr.endswith("Did you mean `keys.job.pause`?\n")
    assert not config.exists()
    assert lorad("config", "keys.job.pause=f5").returncode == 0
    assert "f5" in config.read_text()


def test_what_is_no_key_is_refused_and_none_takes_a_setting_out(lorad: Lorad, config: Path) -> None:
    ended = lorad("config", "keys.job.pause=zzz")
    assert ended.returncode == 2
    assert "`job.pause` on `zzz`, which is no key" in ended.stderr
    assert not config.exists()
    written = lorad("config", "keys.job.pause=less_than_sign", "hosts.gpu1=ann@gpu1")
    assert written.returncode == 0, written.stderr
    assert '"job.pause" = "less_than_sign"' in written.stdout
    gone = lorad("config", "keys.job.pause=none", "hosts.gpu1=none", "hosts.other=none")
    assert gone.returncode == 0, gone.stderr
    kept = lorad("config").stdout
    assert "less_than_sign" not in kept
    assert "gpu1" not in kept


def test_two_ids_are_not_put_on_one_key(lorad: Lorad, config: Path) -> None:
    keys = json.loads(lorad("config", "--keys", "--json").stdout)["keys"]
    pause, cancel = keys["job.pause"], keys["job.cancel"]
    ended = lorad("config", f"keys.job.pause={cancel}")
    assert ended.returncode == 2
    assert "`job.pause`" in ended.stderr
    assert "`job.cancel`" in ended.stderr
    assert "only one of them works" in ended.stderr
    assert not config.exists()
    swapped = lorad("config", f"keys.job.pause={cancel}", f"keys.job.cancel={pause}")
    assert swapped.returncode == 0, swapped.stderr
