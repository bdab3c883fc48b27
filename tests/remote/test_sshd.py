"""The real ssh and a private sshd on this machine; skipped with a reason where none can run."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.conftest import SCRIPT
from support import Daemon, eventually

from lorad.shared.client import Client
from lorad.shared.messages import DAEMON_TOPIC, GetStatus
from lorad.tui.tunnel import Tunnel

SSHD = os.environ.get("LORAD_TEST_SSHD") or shutil.which("sshd") or "/usr/sbin/sshd"


def reason() -> str:
    """Why there is no sshd to be had here; empty: there is."""
    if not shutil.which("ssh") or not shutil.which("ssh-keygen"):
        return "there is no ssh"
    if not Path(SSHD).exists():
        return "there is no sshd"
    if os.getuid() == 0:
        try:
            pwd.getpwnam("sshd")
        except KeyError:
            return "sshd as root needs a user `sshd`"
        if not Path("/run/sshd").is_dir():
            return "sshd as root needs /run/sshd"
    return ""


pytestmark = pytest.mark.skipif(bool(reason()), reason=reason())

CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/key.pub
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
AllowStreamLocalForwarding {forwarding}
PermitUserEnvironment no
"""
CLIENT = """
Host box
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {folder}/key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known
  StrictHostKeyChecking accept-new
"""


class Server:
    """An sshd of the test's own, which only the test's key opens, on this machine alone."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        for name in ("host", "key"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(command, check=True)
        config = CLIENT.format(port=self.port, user=getpass.getuser(), folder=folder)
        (folder / "client").write_text(config)
        programs = folder / "bin"
        programs.mkdir()
        ssh = programs / "ssh"
        ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/client "$@"\n')
        ssh.chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, forwarding: str = "yes") -> None:
        config = CONFIG.format(port=self.port, folder=self.folder, forwarding=forwarding)
        (self.folder / "sshd").write_text(config)
        with (self.folder / "sshd.log").open("wb") as said:
            self.process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", str(self.folder / "sshd")], stderr=said
            )
        eventually(self._listens, 10)

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "sshd.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """With all its sessions, as a machine that goes."""
        if self.process is not None:
            children = subprocess.run(
                ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True
            )
            for pid in children.stdout.split():
                subprocess.run(["kill", pid])
            self.process.terminate()
            self.process.wait(10)
            self.process = None


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server(tmp_path, monkeypatch)
    yield server
    server.stop()


@pytest.fixture
def command(tmp_path: Path) -> str:
    """How lorad is called on "the box"."""
    wrapper = tmp_path / "lorad-there"
    paths = os.environ.get("PYTHONPATH", "")
    wrapper.write_text(
        f'#!/bin/sh\nexport LORAD_HOME={tmp_path / "home"} PYTHONPATH={paths}\nexec {SCRIPT} "$@"\n'
    )
    wrapper.chmod(0o755)
    return str(wrapper)


def test_through_the_real_thing(daemon: Daemon, server: Server, command: str) -> None:
    server.start()
    tunnel = Tunnel("box", command=command)
    with Client(tunnel) as client:
        assert client.ask(GetStatus()).daemon.home == str(daemon.home.folder)
        watch = client.watch(DAEMON_TOPIC)
        watch.wait_attached(60)
        assert eventually(lambda: watch.receive(2), 10)
        watch.close()
        server.stop()
        eventually(lambda: _lost(tunnel), 40)
        server.start()
        client.greet()
        assert client.ask(GetStatus()).daemon.home == str(daemon.home.folder)
    tunnel.close()


def test_a_server_that_forbids_it(daemon: Daemon, server: Server, command: str) -> None:
    from lorad.shared.errors import DaemonError

    server.start(forwarding="no")
    tunnel = Tunnel("box", command=command)
    with Client(tunnel) as client, pytest.raises(DaemonError, match="AllowStreamLocalForwarding"):
        client.ask(GetStatus())
    tunnel.close()


def _lost(tunnel: Tunnel) -> bool:
    from lorad.shared.errors import HostLost

    try:
        tunnel.check()
    except HostLost:
        return True
    return False
