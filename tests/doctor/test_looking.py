"""Facts are gathered as they are: folders, mounts, logind, a process that takes too long."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from lorad.shared.endpoints import Home
from lorad.tui.doctor import looking
from lorad.tui.doctor.port import FakeBox, ThisBox

MOUNTS = """\
overlay / overlay rw 0 0
box:/home /home nfs4 rw 0 0
/dev/sda1 /home/anna/disk\\040one ext4 rw 0 0
/dev/sdb1 /home/anna/é\\134n xfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/srv", "overlay"), ("/home/anna", "nfs4"), ("/home/anna/disk one/x", "ext4"),
     ("/home/anna/é\\n/x", "xfs"),
     ("/homes", "overlay")],
)  # fmt: skip
def test_the_file_system_is_that_of_the_nearest_mount(path: str, kind: str) -> None:
    assert looking.filesystem(Path(path), MOUNTS) == kind


def test_a_folder_is_looked_at(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    found = looking.look_at_folder(tmp_path, MOUNTS)
    assert (found.mode, found.owned, found.writable, found.there) == (0o750, True, True, True)
    assert found.free_bytes
    coming = looking.look_at_folder(tmp_path / "a" / "b", MOUNTS)
    assert not coming.there
    assert not (tmp_path / "a").exists()


def test_what_may_not_be_entered_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed, stat = tmp_path / "closed", Path.stat

    def refuse(path: Path, **how: bool) -> os.stat_result:  # nobody refuses root
        if closed in path.parents:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", refuse)
    assert looking.look_at_folder(closed / "a" / "b", MOUNTS).why == "Permission denied"
    environment = {"HF_HOME": str(closed / "hf"), "HF_TOKEN": "x", "XDG_CONFIG_HOME": str(closed)}
    hub = looking.look_at_hub(FakeBox(environment))
    assert (hub.why, hub.token) == ("Permission denied", True)
    assert not looking.look_at_session(FakeBox(environment), tmp_path).unit


def test_logind_is_asked(tmp_path: Path) -> None:
    asked = {
        "loginctl show-user": "yes",
        "loginctl show-session": "no",
        "timedatectl": "yes",
    }
    box = FakeBox({"XDG_CONFIG_HOME": str(tmp_path)}, asked)
    found = looking.look_at_session(box, tmp_path)
    assert (found.linger, found.kills, found.clock_synchronized) == (True, False, True)
    assert not found.unit
    (tmp_path / "systemd/user").mkdir(parents=True)
    (tmp_path / "systemd/user/lorad.service").touch()
    assert looking.look_at_session(box, tmp_path).unit
    assert looking.look_at_session(FakeBox(), tmp_path).linger is None
    unknown = FakeBox(answers={"loginctl show-session": "yes"})
    assert looking.look_at_session(unknown, tmp_path).linger is False


def test_tmux_is_asked_only_inside_of_it() -> None:
    answers = {"tmux -V": "tmux 3.4", "tmux show": "on", "ssh -V": "OpenSSH_9.6p1, OpenSSL 3"}
    inside = looking.look_at_terminal(FakeBox({"TMUX": "/t,1,0", "TERM": "tmux-256color"}, answers))
    assert (inside.tmux, inside.passthrough, inside.colours) == ("tmux 3.4", "on", 256)
    assert inside.ssh == "OpenSSH_9.6p1"
    outside = looking.look_at_terminal(FakeBox({"COLORTERM": "truecolor"}, answers))
    assert (outside.tmux, outside.colours) == ("", 1 << 24)


def test_of_the_token_only_that_it_is_there(tmp_path: Path) -> None:
    environment = {"HF_HOME": str(tmp_path)}
    assert not looking.look_at_hub(FakeBox(environment)).token
    (tmp_path / "token").write_text("hf_canary")
    found = looking.look_at_hub(FakeBox(environment))
    assert found.token
    assert "canary" not in str(found)
    assert looking.look_at_hub(FakeBox({"HF_TOKEN": "hf_canary"})).token


def test_a_program_that_is_not_there_says_nothing() -> None:
    box = ThisBox()
    assert box.ask("lorad-has-no-such-program") is None
    assert box.ask("false") is None
    assert box.ask("sleep", "60", seconds=0.1) is None
    assert box.ask("echo", "x") == "x"
    assert box.read("/proc/mounts")
    assert box.read("/nowhere") == ""


def test_who_takes_too_long_is_ended_and_what_it_said_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = """echo '{"name": "database", "there": false}'; echo '{"na'; exec sleep 600"""
    monkeypatch.setattr(looking, "tool_command", lambda *words: ["sh", "-c", script])
    found = looking.look_at_box(Home(tmp_path, tmp_path, tmp_path), seconds=0.5)
    assert found.database == {"there": False}
    assert found.torch is None
    assert found.why == "it took more than 0.5 s"


def test_the_last_words_of_one_that_died_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "tool_command", lambda *words: ["sh", "-c", "echo Oh >&2; exit 3"])
    assert looking.look_at_box(Home(tmp_path, tmp_path, tmp_path)).why == "Oh"
