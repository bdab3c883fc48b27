"""`lorad --host box`: the same verbs over ssh, and its troubles as sentences."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from cli.conftest import SCRIPT
from support import Daemon, eventually, small_recipe

from lorad.shared.client import Client
from lorad.shared.errors import HostLost, HostUnreachable
from lorad.shared.messages import GetStatus
from lorad.tui.link import DaemonLink
from lorad.tui.tunnel import There, Tunnel, forwarding
from remote.conftest import Box

RECIPE = 'name = "mono"\n[data]\npath = "pictures"\n[train]\nmax_train_steps = 5\n'


def test_verbs_act_on_the_box(box: Box) -> None:
    box.daemon.start()
    there = box.folder / "there"
    there.mkdir()
    (box.folder / "mono.toml").write_text(RECIPE)
    added = box.lorad("--host", "box", "add", "mono.toml", "--stash", "--folder", there)
    assert added.returncode == 0, added.stderr
    status = box.lorad("status", "--json", LORAD_HOST="me@box")
    document = json.loads(status.stdout)
    assert [job["name"] for job in document["jobs"]] == ["mono"]
    assert document["daemon"]["home"] == str(box.home)
    assert document["jobs"][0]["folder"].startswith(str(there))
    log = box.lorad("--host=box", "log", "--daemon", "-n", "2")
    assert log.returncode == 0, log.stderr
    assert log.stdout
    removed = box.lorad("--host", "box", "rm", "1")
    assert removed.returncode == 0, removed.stderr
    assert not (box.folder / "mine").exists(), "nothing is made on this machine"


def test_the_boxs_log_is_sifted(box: Box) -> None:
    box.daemon.start()
    found = box.lorad("--host", "box", "log", "--daemon", "--grep", "IS UP").stdout
    assert found.count("\n") == 1
    assert "is up" in found
    assert box.lorad("--host", "box", "log", "--daemon", "--level", "error", "-n", "9").stdout == ""


def test_the_boxs_log_is_followed_into_the_next_file(box: Box) -> None:
    box.daemon.start()
    log, told = box.daemon.home.daemon_log, box.folder / "told"
    with told.open("w") as out:
        following = subprocess.Popen(
            [str(SCRIPT), "--host", "box", "log", "--daemon", "-f"],
            env={**os.environ, "LORAD_HOME": str(box.folder / "mine")},
            stdin=subprocess.DEVNULL,
            stdout=out,
        )
    try:
        eventually(lambda: told.read_text(), 30)
        log.rename(log.with_suffix(".1"))  # as the daemon does when it is long
        log.write_text("the next file\n")
        eventually(lambda: told.read_text().endswith("the next file\n"))
        with log.open("a") as file:
            file.write("and more\n")
        eventually(lambda: told.read_text().endswith("the next file\nand more\n"))
    finally:
        following.terminate()
        following.wait(30)


@pytest.mark.parametrize("verb", [["add", "mono.toml"], ["sweep", "mono.toml", "train.seed=1,2"]])
def test_a_recipe_says_that_its_data_are_on_the_box(box: Box, verb: list[str]) -> None:
    box.daemon.start()
    (box.folder / "mono.toml").write_text(RECIPE)
    bare = box.lorad("--host", "box", *verb)
    assert bare.returncode == 2
    assert "pictures are on box" in bare.stderr
    assert "--folder" in bare.stderr
    nowhere = box.folder / "nowhere"
    missing = box.lorad("--host", "box", *verb, "--folder", nowhere)
    assert missing.returncode == 2
    assert f"There is no folder {nowhere}" in missing.stderr
    assert not nowhere.exists()
    nowhere.mkdir()
    added = box.lorad("--host", "box", *verb, "--folder", nowhere, "--stash", "--json")
    assert added.returncode == 0, added.stderr
    assert f'"folder": "{nowhere}/output/mono-' in added.stdout


def test_a_socket_may_have_any_name(box: Box) -> None:
    box.home = box.folder / "at 10:30, 100%"
    box.daemon = Daemon(box.home)
    box.be()
    box.daemon.start()
    near = box.folder / "a:b"
    near.mkdir()
    told = box.lorad("--host", "box", "status", TMPDIR=str(near))
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("The queue is empty.")


@pytest.mark.skipif(shutil.which("ssh") is None, reason="there is no ssh")
def test_ssh_reads_a_forwarding_as_it_is_meant() -> None:
    near, far = r"/a:b%h\c", "/50%/d:e"
    words = ["ssh", "-F", "none", "-G", "-L", forwarding(near, far), "box"]
    told = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert f"localforward {near} {far}" in told.stdout.splitlines(), told.stderr


def test_up_and_down_on_the_box(box: Box) -> None:
    none = box.lorad("--host", "box", "status")
    assert none.returncode == 3
    assert "lorad --host box up" in none.stderr
    up = box.lorad("--host", "box", "up")
    assert up.returncode == 0, up.stderr
    assert str(box.daemon.home.daemon_pid()) in up.stdout
    down = box.lorad("--host", "box", "down")
    assert down.returncode == 0, down.stderr
    eventually(lambda: box.daemon.home.daemon_pid() is None, 10)


@pytest.mark.parametrize(
    ("words", "change", "sentence"),
    [
        (["--host", "nobody", "status"], {}, "nobody cannot be reached: ssh: Could not resolve"),
        (["--host", "-oProxyCommand=x", "status"], {}, "is no host for ssh"),
        (["--host"], {}, "is no host for ssh"),
        (["--host", "box", "check", "a.toml"], {}, "Run `ssh box lorad check"),
        (["--host", "box", "status"], {"env": {"PATH": "/usr/bin:/bin"}}, "is not found on box"),
    ],
)
def test_troubles_are_sentences(
    box: Box, words: list[str], change: dict[str, object], sentence: str
) -> None:
    box.be(**change)
    done = box.lorad(*words)
    assert done.returncode in (2, 3)
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_ssh(box: Box) -> None:
    done = box.lorad("--host", "box", "status", PATH=str(box.folder))
    assert done.returncode == 3
    assert "There is no `ssh`" in done.stderr


def test_another_version_is_told(box: Box) -> None:
    other = box.folder / "bin" / "other"
    other.write_text('#!/bin/sh\necho Welcome; echo \'{"protocol": 99, "version": "9.9"}\'\n')
    other.chmod(0o755)
    config = box.folder / "config.toml"
    config.write_text('[hosts.box]\ncommand = "other"\n')
    done = box.lorad("--host", "box", "status", LORAD_CONFIG=str(config))
    assert done.returncode == 3
    assert "lorad 9.9 on box speaks 99" in done.stderr


def test_a_server_that_forbids_it_is_told(box: Box) -> None:
    box.daemon.start()
    box.be(forbid=True)
    done = box.lorad("--host", "box", "status")
    assert done.returncode == 3
    assert "AllowStreamLocalForwarding" in done.stderr


def test_a_dead_ssh_is_noticed_and_begun_again(box: Box) -> None:
    box.daemon.start()
    tunnel = Tunnel("box")
    with Client(tunnel) as client:
        client.ask(GetStatus())
        os.kill(box.ssh_pids()[-1], signal.SIGKILL)

        def lost() -> bool:
            try:
                tunnel.check()
            except HostLost:
                return True
            return False

        eventually(lost, 10)
        client.greet()
        assert client.ask(GetStatus()).daemon.home == str(box.home)
    tunnel.close()


def test_a_folder_that_was_cleaned_away_is_made_anew(box: Box) -> None:
    box.daemon.start()
    tunnel = Tunnel("box")
    with Client(tunnel) as client:
        client.ask(GetStatus())
        shutil.rmtree(Path(tunnel.control.removeprefix("ipc://")).parent)
        client.greet()
        assert client.ask(GetStatus()).daemon.home == str(box.home)
    tunnel.close()


@pytest.mark.parametrize(
    "said", ["me@box: Permission denied (publickey,password).", "Host key verification failed."]
)
def test_the_dashboard_has_ssh_ask_nothing(
    box: Box, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    words = box.folder / "words"
    (box.folder / "bin" / "ssh").write_text(
        f"#!/bin/sh\necho \"$*\" >> {words}; echo '{said}' >&2; exit 255\n"
    )
    monkeypatch.setattr("lorad.tui.tunnel._somebody_there", lambda: True)
    link = DaemonLink(Tunnel("box"), name="box")
    link.start(lambda message: None)
    try:
        eventually(lambda: "`lorad --host box`, which asks" in link.take().trouble, 20)
    finally:
        link.stop()
    assert said.rstrip(".") in link.take().trouble
    assert all("BatchMode=yes" in line for line in words.read_text().splitlines())
    with pytest.raises(HostUnreachable):
        Tunnel("box").open()
    assert "BatchMode" not in words.read_text().splitlines()[-1], "before it opens, it may ask"


def test_what_keeps_ssh_from_starting_is_told(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*words: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("lorad.tui.tunnel.subprocess.Popen", full)
    tunnel = Tunnel("box")
    monkeypatch.setattr(tunnel, "_find", lambda: There("c", "e"))
    with pytest.raises(HostUnreachable, match="No space left on device"):
        tunnel.open()


def test_ssh_ends_with_whoever_wanted_it(box: Box) -> None:
    box.daemon.start()
    assert box.lorad("--host", "box", "status").returncode == 0
    for pid in box.ssh_pids():
        eventually(lambda pid=pid: not Path(f"/proc/{pid}").exists(), 10)


def test_ssh_ends_also_when_its_owner_is_killed(box: Box) -> None:
    box.daemon.start()
    following = subprocess.Popen(
        [str(SCRIPT), "--host", "box", "events", "-f"],
        env={**os.environ, "LORAD_HOME": str(box.folder / "mine")}, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    eventually(lambda: len(box.ssh_pids()) == 2, 30)
    assert Path(f"/proc/{box.ssh_pids()[1]}").exists()
    following.kill()
    following.wait()
    for pid in box.ssh_pids():
        eventually(lambda pid=pid: not Path(f"/proc/{pid}").exists(), 10)


def test_a_remote_job_is_followed_and_says_how_to_get_its_files(box: Box) -> None:
    box.daemon.start()
    recipe = small_recipe(box.folder, steps=2, checkpointing_steps=2)
    done = box.lorad("--host", "box", "add", recipe, "--folder", box.folder, "--follow")
    assert done.returncode == 0, done.stderr
    assert "lorad --host box get 1" in done.stderr
