"""A token in the environment, a log line or a caption: no file, frame or screen ever has it."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from cli.conftest import SCRIPT
from support import Daemon, eventually, small_recipe
from terminal import Terminal

from daemon.scripted import RECIPE, add, scripted
from lorad.shared.clean import clean
from lorad.shared.errors import RequestRefused
from lorad.shared.messages import (
    AddJob,
    GetHealth,
    GetLog,
    GetLogLines,
    GetNews,
    GetNotes,
    GetSamples,
    GetStatus,
    SetJob,
)
from lorad.shared.redact import redact, redact_bytes

SHAPED = "hf_" + "CANARYcanary0123456789abcdefXYZ"
GIVEN = "0123456789canary0123456789canary01234567"
"""As Weights & Biases makes keys: nothing tells it but who gave it."""
PASTED = "hf_" + "PASTEDbirdPASTEDbirdPASTEDbird42"
CANARIES = [one.encode() for one in (SHAPED, GIVEN, PASTED)]
SECRETS = {"HF_TOKEN": SHAPED, "WANDB_API_KEY": GIVEN}

SPILL = """
import logging, subprocess, sys
def train(task, line, looking=None):
    tokens = [os.environ["HF_TOKEN"], os.environ["WANDB_API_KEY"], "{pasted}"]
    for token in tokens:
        print("printed", token, flush=True)
        print("to stderr", token, file=sys.stderr, flush=True)
        logging.warning("logged %s", token)
        line.report(NoteReport(step=1, kind="nonfinite", text="noted " + token))
        line.report(PhaseReport(phase="at " + token))
    line.report(ReadyReport(step=1, last_step=40), point(1))
    say(task, os.environ["DIFFUSERS_DISABLE_REMOTE_CODE"])
    while not (pathlib.Path(task.folder) / "go").exists():
        time.sleep(0.05)
    raise ValueError("broken on " + " ".join(tokens))
"""


class Ear:
    """Every frame of every event."""

    def __init__(self, daemon: Daemon) -> None:
        self.frames: list[bytes] = []
        self._done = threading.Event()
        self._endpoint = daemon.home.events
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        context: zmq.Context[Any] = zmq.Context()
        socket = context.socket(zmq.SUB)
        socket.linger = 0
        socket.subscribe("")
        socket.connect(self._endpoint)
        while not self._done.is_set():
            if socket.poll(100):
                self.frames += socket.recv_multipart()
        context.destroy(linger=0)

    def close(self) -> None:
        self._done.set()
        self._thread.join()


@pytest.fixture
def hooked(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon with secrets, whose hook writes down all that it is told."""
    script = tmp_path / "hook.py"
    script.write_text(
        "import os, sys\n"
        "told = {k: v for k, v in os.environ.items() if k.startswith('LORAD_')}\n"
        "print(sys.argv, told, file=open(sys.argv[1], 'a'))\n"
    )
    config = tmp_path / "config.toml"
    command = json.dumps([sys.executable, str(script), str(tmp_path / "told")])
    config.write_text(f'[hooks]\non = ["failed", "nan"]\ncommand = {command}\n')
    spill = SPILL.replace("{pasted}", PASTED)
    daemon = scripted(tmp_path, spill, LORAD_CONFIG=str(config), **SECRETS)
    yield daemon
    daemon.stop()


def spilt(data: bytes) -> list[bytes]:
    return [canary for canary in CANARIES if canary in data]


def files_with_secrets(*folders: Path) -> dict[str, list[bytes]]:
    found = {}
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and (hits := spilt(path.read_bytes())):
                found[str(path)] = hits
    return found


def arguments() -> bytes:
    """The command line of every process that there is."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes())
        except OSError:
            continue
    return b"\n".join(lines)


def test_no_token_is_written_told_or_shown(hooked: Daemon, tmp_path: Path) -> None:
    ear = Ear(hooked)
    try:
        job = add(hooked, tmp_path)
        hooked.wait_state(job.id, "running")
        assert not spilt(arguments())
        (Path(job.folder) / "go").touch()
        hooked.wait_state(job.id, "failed")
        eventually(
            lambda: (tmp_path / "told").exists() and "failed" in (tmp_path / "told").read_text()
        )
        eventually(lambda: b"failed" in b"".join(ear.frames))
        client = hooked.client()
        requests = (
            GetStatus(), GetLog(id=1, offset=0), GetLog(id=0, offset=0), GetNews(newest=True),
            GetNotes(id=1), GetHealth(), GetLogLines(id=1, offset=0), GetSamples(id=1),
        )  # fmt: skip
        answers = "".join(repr(client.ask(request)) for request in requests)
        assert answers.count("printed **") >= 3, "they were said"
        assert "noted **" in answers
        assert not spilt(answers.encode())
        with Terminal([str(SCRIPT), "dashboard", "1"], hooked.env, 140, 45) as terminal:
            eventually(lambda: "broken on" in terminal.text, 30)
            terminal.send("l")
            eventually(lambda: "printed" in terminal.text, 30)
            assert not spilt(terminal.data)
    finally:
        ear.close()
    assert (Path(job.folder) / "said").read_text() == "1\n", "no remote code in a run"
    whole = b"".join(ear.frames)
    assert b"noted ***" in whole
    assert not spilt(whole)
    assert b"**" in (tmp_path / "told").read_bytes()
    assert not files_with_secrets(hooked.home.folder, Path(job.folder), tmp_path / "told")
    assert not spilt((tmp_path / "told").read_bytes())


def test_a_token_in_a_caption_gets_into_no_file_of_the_run(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path, prompts='["a dot"]')
    csv = tmp_path / "pictures" / "metadata.csv"
    lines = csv.read_text().splitlines()
    csv.write_text("\n".join([lines[0], *(f"{line} {PASTED}" for line in lines[1:])]) + "\n")
    daemon = Daemon(tmp_path / "home", **SECRETS)
    daemon.start()
    try:
        job = daemon.add(recipe)
        daemon.wait_state(job.id, "done")
        assert not files_with_secrets(daemon.home.folder, Path(job.folder))
    finally:
        daemon.stop()


def test_a_recipe_with_a_token_is_not_stored(hooked: Daemon, tmp_path: Path) -> None:
    text = RECIPE.format(train="").replace('"a"', f'"{PASTED}"')
    client = hooked.client()
    with pytest.raises(RequestRefused, match="looks like a token"):
        client.ask(AddJob(recipe=text, folder=str(tmp_path)))
    id = client.ask(AddJob(recipe=RECIPE.format(train=""), folder=str(tmp_path), stash=True)).job.id
    with pytest.raises(RequestRefused, match="looks like a token"):
        client.ask(SetJob(id=id, changes={"name": f'"{SHAPED}"'}))
    assert not files_with_secrets(hooked.home.folder)


@pytest.mark.parametrize(
    "text",
    [
        f"x {SHAPED} y", f"{PASTED}", f"url=https://user:{PASTED}@host", f"'{SHAPED}',{PASTED}",
        "wandb_v1_" + "a" * 40, "ghp_" + "A1" * 18, f"ü{SHAPED}ü",
    ],
)  # fmt: skip
def test_tokens_become_stars_of_the_same_length(text: str) -> None:
    assert len(redact(text)) == len(text)
    assert len(redact_bytes(text.encode())) == len(text.encode())
    assert "***" in redact(text)
    assert not re.search(r"hf_[A-Za-z0-9]{20}|wandb_v1_a|ghp_A", redact(text))
    assert "canary" not in clean(text).lower()
    assert "canary" not in clean("x" * 90 + SHAPED, 100).lower(), "also where it is cut"


@pytest.mark.parametrize(
    "text", ["hf_short", "the hf_hub_download function", "\ud800", "", "a_hf_b"]
)
def test_other_words_stay(text: str) -> None:
    assert redact(text) == text


def test_the_environments_own_secrets_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    from lorad.shared import redact as module

    given = {"MY_API_KEY": GIVEN, "HF_TOKEN_PATH": "/home/somebody/tokens", "LORAD_TOKEN": "y" * 20}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SHORT_TOKEN", "false")
    monkeypatch.setattr(module, "_SECRETS", module._secrets())
    assert module.has_secret(f"key {GIVEN}".encode())
    for harmless in ("/home/somebody/tokens", "y" * 20, "false"):
        assert not module.has_secret(harmless.encode())
    assert os.environ["MY_API_KEY"] == GIVEN
