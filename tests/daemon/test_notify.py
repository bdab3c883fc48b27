"""What the daemon tells a service manager: from its own loop; one that hangs is silent."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Daemon, small_recipe

from lorad.daemon.notify import Notifier
from lorad.shared.messages import GetLogLines


class Manager:
    """systemd's end of the socket."""

    def __init__(self, address: str) -> None:
        self.name = address.replace("\0", "@")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)

    def hear(self, seconds: float = 20.0) -> str:
        """The next word; empty when none comes."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(4096).decode()
        except TimeoutError:
            return ""

    def await_(self, word: str) -> None:
        while (heard := self.hear()) != word:
            assert heard, f"{word} was never said"


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    abstract = f"\0lorad-test-{os.getpid()}-{tmp_path.name}"
    manager = Manager(abstract if request.param == "abstract" else str(tmp_path / "n"))
    yield manager
    manager.socket.close()


def test_it_says_that_it_is_ready_that_it_lives_and_that_it_goes(
    tmp_path: Path, manager: Manager
) -> None:
    daemon = Daemon(tmp_path / "home", NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="60000000")
    daemon.start()
    try:
        assert manager.hear() == "READY=1"
        assert manager.hear() == "WATCHDOG=1"
        assert manager.hear() == "WATCHDOG=1"
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGTERM)
        manager.await_("STOPPING=1")
    finally:
        daemon.stop()


def test_a_loop_that_hangs_falls_silent(tmp_path: Path) -> None:
    """It is led into a pipe that nobody writes to; its threads live on."""
    manager = Manager(str(tmp_path / "n"))
    daemon = Daemon(tmp_path / "home", NOTIFY_SOCKET=manager.name)
    daemon.start()
    try:
        job = daemon.add(small_recipe(tmp_path), stash=True)
        log = daemon.home.log(job.id)
        log.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(log)
        client = daemon.client()
        client.send(GetLogLines(id=job.id, offset=-1, back=True), "x", client.daemon.epoch)
        heard = [manager.hear(5.0)]  # it spoke every second; what it said before may still wait
        while heard[-1] and len(heard) < 15:
            heard.append(manager.hear(5.0))
        assert heard[-1] == "", "it speaks while it hangs"
        with log.open("wb"):
            assert manager.hear() == "WATCHDOG=1"
    finally:
        daemon.stop()
        manager.socket.close()


def test_nobody_is_told_without_a_socket_and_none_is_inherited() -> None:
    environment = {
        "NOTIFY_SOCKET": "/nowhere/n",
        "WATCHDOG_USEC": "1",
        "WATCHDOG_PID": "2",
        "A": "",
    }
    notifier = Notifier(environment)
    assert environment == {"A": ""}
    notifier.tell("READY=1")  # nobody listens: logged, never raised
    Notifier({}).tell("READY=1")
