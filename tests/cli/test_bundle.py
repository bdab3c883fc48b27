"""`lorad bundle`: what helps is in it, and a secret that was put everywhere is nowhere."""

from __future__ import annotations

import json
import stat
import tarfile
from pathlib import Path

import pytest
from cli.conftest import Lorad
from support import Daemon, small_recipe

from lorad.shared.messages import PauseJob, SetJob
from lorad.tui.bundling import Bundle, whole_lines

SECRET = "Zq7Xk2Lm9Pw4Rt6Vb8Nc1"
TOKEN = f"hf_{SECRET}"
WORDS = "a purple giraffe"
PARTS = {"README.txt", "doctor.txt", "versions.json", "system.json", "daemon.log", "health.json",
         "status.json", "history.json"}  # fmt: skip


def texts(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        assert {member.mode for member in archive} == {0o600}
        assert all(member.isfile() and not member.uname for member in archive)
        return {
            member.name.removeprefix("lorad-bundle/"): archive.extractfile(member).read().decode()  # type: ignore[union-attr]
            for member in archive
        }


@pytest.fixture
def daemon(home: Path) -> Daemon:
    return Daemon(home)


def prepare(daemon: Daemon, work: Path) -> int:
    """A paused job, with the canary wherever it may come: only its words are told to the daemon."""
    recipe = small_recipe(work, steps=400, checkpointing_steps=2, prompts=f'["{WORDS}"]')
    recipe.write_text(f"# api_key = {SECRET}\n{recipe.read_text()}")
    job = daemon.add(recipe)
    daemon.wait_step(job.id, 2)
    daemon.client().ask(PauseJob(id=job.id))
    daemon.wait_state(job.id, "paused")
    changes = {"sample.prompts": f'["{WORDS} password={SECRET}"]'}
    daemon.client().ask(SetJob(id=job.id, changes=changes))
    for log in (daemon.home.log(job.id), daemon.home.daemon_log):
        with log.open("a") as file:
            file.write(f"{'.' * 300_000}{TOKEN}\n{Path.home()}/x WANDB_API_KEY={SECRET}\n")
            file.write(f"https://anna:{SECRET}@box/ Authorization: Bearer {SECRET}\n\x1b[2J\n")
            file.write(f"logged in as {TOKEN}\n")
            file.write(f'sent "{{\\"api_key\\": \\"{SECRET}\\"}}"\n')
    return job.id


@pytest.mark.proof
def test_the_canary_is_nowhere(lorad: Lorad, work: Path, daemon: Daemon) -> None:
    """It stands in the environment, a recipe, a change, the logs, a name and an address."""
    daemon.env["HF_TOKEN"] = TOKEN
    daemon.start()
    try:
        id = prepare(daemon, work)
        path = work / "b.tar.gz"
        ended = lorad("bundle", path, "--job", str(id), HF_TOKEN=TOKEN, MY_PASSWORD=SECRET)
        wished = lorad("bundle", "c.tar.gz", "--captions", "--job", str(id))
        again = lorad("bundle", path)
    finally:
        daemon.stop()
    assert ended.returncode == 0, ended.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = texts(path)
    for name, text in {**found, "stdout": ended.stdout, "stderr": ended.stderr}.items():
        assert SECRET not in text, name
        assert WORDS not in text, name
        assert f"{Path.home()}/" not in text, name
        assert "\x1b" not in text, name
    assert "~/x WANDB_API_KEY=***" in found["daemon.log"]
    own = {"job.json", "history.json", "recipe.json", "log.txt"}
    assert {f"job-{id}/{name}" for name in own} <= set(found)
    assert any(name.startswith(f"job-{id}/checkpoint-") for name in found)
    assert set(found) >= PARTS
    assert all(f"\n{name}\n" in found["README.txt"] for name in PARTS - {"README.txt"})
    assert json.loads(found[f"job-{id}/recipe.json"])["lora"]["rank"] == 4
    assert "No captions, no prompts. Tokens are replaced by ***." in ended.stdout
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
    assert wished.returncode == 0, wished.stderr
    found = texts(work / "c.tar.gz")
    assert WORDS in found[f"job-{id}/recipe.toml"]
    assert all(SECRET not in text for text in found.values())


def test_prompts_that_were_set_are_in_no_log(lorad: Lorad, work: Path, daemon: Daemon) -> None:
    recipe = small_recipe(work, prompts=f'["{WORDS}"]')
    daemon.start()
    try:
        lorad("add", recipe, "--stash")
        changes = (f'prompts=["{WORDS} again"]', f"trigger_phrase={WORDS}")
        changed = lorad("set", "1", *changes)
        told = [
            lorad("bundle", "b.tar.gz", "--job", "1"),
            lorad("bundle", "c.tar.gz", "--captions"),
        ]
    finally:
        daemon.stop()
    assert [ended.returncode for ended in (changed, *told)] == [0, 0, 0], changed.stderr
    found = texts(work / "b.tar.gz")
    assert [name for name, text in found.items() if WORDS in text] == []
    assert ": sample.prompts = ***" in found["daemon.log"]
    assert WORDS in texts(work / "c.tar.gz")["daemon.log"]


def test_notes_and_reasons_have_no_prompts() -> None:
    said = [
        f'sample.prompts was ["{WORDS}"] and is ["{WORDS} again"]',
        f"prompts was {WORDS}; it cannot go on.\ntrain.seed was 1 and is 2",
        f'data[1].caption_prefix = "{WORDS}"',
        f"`sample.prompts` does not fit: {WORDS} is no value of TOML",
    ]
    bundle = Bundle()
    bundle.put_json("job.json", jobs=[{"note": text, "step": 3} for text in said])
    bundle.put_log("log.txt", "\n".join(said))
    assert [job["note"] for job in json.loads(bundle.files["job.json"])["jobs"]] == [
        "sample.prompts was ***",
        "prompts was ***\ntrain.seed was 1 and is 2",
        "data[1].caption_prefix = ***",
        "`sample.prompts` does not fit: ***",
    ]
    assert WORDS not in bundle.files["log.txt"]
    wished = Bundle(captions=True)
    wished.put_log("log.txt", said[0])
    assert said[0] in wished.files["log.txt"]


def test_without_a_daemon_the_rest_goes_in(lorad: Lorad, work: Path) -> None:
    ended = lorad("bundle")
    assert ended.returncode == 0
    assert "Left out: the queue: No daemon is running here." in ended.stderr
    (path,) = work.glob("lorad-*.tar.gz")
    assert set(texts(path)) == {"README.txt", "doctor.txt", "versions.json", "system.json"}


def test_half_a_token_at_the_cut_goes_with_its_line() -> None:
    assert whole_lines(f"{SECRET}\nrest".encode(), cut=True) == "rest"
    assert whole_lines(b"first\nrest", cut=False) == "first\nrest"


def test_a_wrong_number_is_told(lorad: Lorad, work: Path, daemon: Daemon) -> None:
    daemon.start()
    try:
        ended = lorad("bundle", "x.tar.gz", "--job", "9")
        assert ended.returncode == 2
        assert "There is no job 9." in ended.stderr
        assert not (work / "x.tar.gz").exists()
    finally:
        daemon.stop()
