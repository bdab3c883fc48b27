"""`lorad install`: a unit that systemd takes, and a `systemctl` that is asked in order."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli.conftest import SCRIPT, Lorad, home, lorad, work  # noqa: F401 - fixtures
from support import Daemon

from lorad.tui.unit import quoted, unit_text

SYSTEMCTL = """\
#!/bin/sh
echo "$@" >> {log}
case "$*" in {refused}) echo "{why}" >&2; exit 1;; esac
case "$*" in *start*lorad.service) ;; *) exit 0;; esac
export LORAD_HOME={home}
{python} -m lorad.daemon > /dev/null 2>&1 &
until {lorad} status > /dev/null 2>&1; do sleep 0.1; done
"""


class Fake:
    """A `systemctl` on PATH, and where it writes down what it was asked."""

    def __init__(self, folder: Path, home: Path) -> None:  # noqa: F811
        self.folder, self.home, self.log = folder / "bin", home, folder / "asked"
        self.config = folder / "config"
        self.unit = self.config / "systemd/user/lorad.service"
        self.folder.mkdir()
        self.write()

    def write(self, refused: str = "nothing", why: str = "") -> None:
        script = SYSTEMCTL.format(
            log=self.log, refused=refused, why=why, home=self.home, python=sys.executable,
            lorad=SCRIPT,
        )  # fmt: skip
        path = self.folder / "systemctl"
        path.write_text(script)
        path.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.folder}:{os.environ['PATH']}"
        return {"PATH": path, "XDG_CONFIG_HOME": str(self.config)}

    def asked(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def fake(tmp_path: Path, home: Path) -> Fake:  # noqa: F811
    return Fake(tmp_path, home)


def test_the_unit_is_written_and_the_daemon_started(lorad: Lorad, fake: Fake) -> None:  # noqa: F811
    try:
        ended = lorad("install", **fake.environment)
        assert ended.returncode == 0, ended.stderr
        assert "is written: the daemon starts when you log in." in ended.stdout
        assert "It is up." in ended.stdout
        assert "loginctl enable-linger" in ended.stderr
        assert fake.asked() == [
            "--user show-environment", "--user daemon-reload", "--user enable lorad.service",
            "--user start lorad.service",
        ]  # fmt: skip
        assert fake.unit.read_text() == lorad("install", "--print", **fake.environment).stdout
        again = lorad("install", **fake.environment)
        assert "A daemon runs already." in again.stderr
    finally:
        lorad("down")


def test_up_goes_through_the_unit_of_this_home_alone(lorad: Lorad, fake: Fake) -> None:  # noqa: F811
    fake.unit.parent.mkdir(parents=True)
    try:
        fake.unit.write_text(unit_text({"LORAD_HOME": "/elsewhere"}))
        assert lorad("up", **fake.environment).returncode == 0
        assert fake.asked() == []
        lorad("down")
        fake.unit.write_text(lorad("install", "--print", **fake.environment).stdout)
        up = lorad("up", **fake.environment)
        assert "The daemon is up" in up.stdout, up.stderr
        assert fake.asked() == ["--user start lorad.service"]
        lorad("down")
        fake.write("*start*", "Unit lorad.service is masked.")
        assert "The daemon is up" in lorad("up", **fake.environment).stdout
    finally:
        lorad("down")


def test_it_is_taken_away(lorad: Lorad, fake: Fake) -> None:  # noqa: F811
    ended = lorad("install", "--remove", **fake.environment)
    assert ended.stderr == "There is no service to remove.\n"
    fake.unit.parent.mkdir(parents=True)
    fake.unit.touch()
    ended = lorad("install", "--remove", **fake.environment)
    assert ended.returncode == 0
    assert fake.asked() == ["--user disable --now lorad.service", "--user daemon-reload"]
    assert not fake.unit.exists()


def test_without_a_manager_one_sentence_says_what_to_do(lorad: Lorad, fake: Fake) -> None:  # noqa: F811
    fake.write("*show-environment*", "Failed to connect to bus: No medium found")
    ended = lorad("install", **fake.environment)
    assert ended.returncode == 1
    assert ended.stderr == (
        "lorad: No systemd user manager answers here (Failed to connect to bus: No medium found)."
        " `lorad up` starts the daemon without one, and `lorad install --print` shows the unit for"
        " whoever manages this box.\n"
    )
    assert not fake.unit.exists()


def test_a_refusal_is_told(lorad: Lorad, fake: Fake) -> None:  # noqa: F811
    fake.write("*enable*", "Unit lorad.service is masked.")
    ended = lorad("install", **fake.environment)
    assert ended.stderr == (
        "lorad: `systemctl --user enable lorad.service` was refused: Unit lorad.service is masked."
        " `journalctl --user -u lorad` may say more.\n"
    )


def test_it_is_for_this_box(lorad: Lorad, fake: Fake) -> None:  # noqa: F811
    assert lorad("--host", "far", "install", **fake.environment).returncode == 2
    assert fake.asked() == []


def test_the_unit_says_what_it_must() -> None:
    lines = unit_text({"LORAD_HOME": "/a b/100%", "HF_TOKEN": "hf_secret"}).splitlines()
    assert 'Environment="LORAD_HOME=/a b/100%%"' in lines
    assert f'ExecStart="{sys.executable}" -P -m lorad.daemon' in lines
    for line in ("Type=notify", "KillMode=process", "UMask=0077", "Restart=on-failure"):
        assert line in lines
    assert "hf_secret" not in "\n".join(lines)
    assert quoted('a"b\\c%d') == '"a\\"b\\\\c%%d"'


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("there is no systemd-analyze here")
    path = tmp_path / "lorad.service"
    path.write_text(unit_text({"LORAD_HOME": str(tmp_path / "a b")}))
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}

    def verify() -> subprocess.CompletedProcess[str]:
        command = [program, "--user", "--man=no", "verify", str(path)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    done = verify()
    if "Failed to initialize manager" in done.stderr:
        pytest.skip(f"systemd-analyze cannot run here: {done.stderr.strip()}")
    assert (done.returncode, done.stderr) == (0, "")
    path.write_text(path.read_text().replace("Type=notify", "Type=notfy"))
    assert "notfy" in verify().stderr, "it would see a mistake"


def test_a_daemon_that_was_started_by_hand_stays(lorad: Lorad, fake: Fake) -> None:  # noqa: F811
    daemon = Daemon(fake.home)
    daemon.start()
    try:
        ended = lorad("install", **fake.environment)
        assert "A daemon runs already." in ended.stderr
        assert not any("start" in line.split() for line in fake.asked())
    finally:
        daemon.stop()
