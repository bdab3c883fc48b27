"""The network: closed by default, opened by keys, and every other way of knocking is refused."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq
from support import Daemon, eventually

from lorad.shared import codec, keys
from lorad.shared.client import Client
from lorad.shared.endpoints import Home
from lorad.shared.errors import DaemonSilent, KeyRefused, NoAnswerOverTcp, RequestRefused
from lorad.shared.keys import Curve, Pair
from lorad.shared.messages import (
    PROTOCOL,
    QUEUE_TOPIC,
    AddGroup,
    AddJob,
    Batch,
    Drain,
    GetNews,
    GetStatus,
    Hello,
    JobChanged,
    PauseJob,
    ShutDown,
    Undo,
)
from lorad.shared.tcp import TcpPlace
from lorad.shared.watch import Watch

RECIPE = 'name = "mono"\n[data]\npath = "pictures"\n[train]\nmax_train_steps = 5\n'
SOON = 3.0
"""Seconds in which somebody who is let in gets an answer, with room to spare."""


def new_pair() -> Pair:
    from zmq.utils import z85

    public, secret = zmq.curve_keypair()
    return Pair(public=z85.decode(public).hex(), secret=z85.decode(secret).hex())


class Open:
    """A daemon on the network, and ways to come to it."""

    def __init__(self, folder: Path, daemon: Daemon, port: int) -> None:
        self.folder = folder
        self.daemon = daemon
        self.port = port
        self.address = f"tcp://127.0.0.1:{port}"
        self.server = keys.own_pair(keys.server_path(daemon.home)).public
        self.pairs: dict[str, Pair] = {}
        self._clients: list[Client] = []
        self._watches: list[Watch] = []

    def allow(self, name: str, right: keys.Right) -> Pair:
        pair = self.pairs.setdefault(name, new_pair())
        keys.allow(keys.allowed_path(self.daemon.home), name, pair.public, right)
        return pair

    def place(self, pair: Pair, server: str = "") -> TcpPlace:
        return TcpPlace(self.address, Curve(server or self.server, pair), patience=SOON)

    def client(self, pair: Pair, server: str = "") -> Client:
        self._clients.append(Client(self.place(pair, server), name="guest"))
        return self._clients[-1]

    def watch(self, client: Client, *topics: str) -> Watch:
        self._watches.append(client.watch(*topics))
        self._watches[-1].wait_attached(SOON)
        return self._watches[-1]

    def close(self) -> None:
        for watch in self._watches:
            watch.close()
        for client in self._clients:
            client.close()


def free_ports() -> int:
    """A port that is free, as is the next one."""
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                two.bind(("127.0.0.1", port + 1))
                return port


def listening(folder: Path, host: str = "127.0.0.1") -> tuple[Daemon, int]:
    port = free_ports()
    config = folder / "config.toml"
    config.write_text(f'[daemon]\nlisten = "tcp://{host}:{port}"\n')
    return Daemon(folder / "home", LORAD_CONFIG=str(config)), port


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Open]:
    daemon, port = listening(tmp_path)
    daemon.home.make()
    made = Open(tmp_path, daemon, port)
    made.allow("owner", "steer")
    made.allow("guest", "watch")
    daemon.start()
    yield made
    made.close()
    daemon.stop()


def test_who_may_steer_steers_and_the_history_says_by_which_key(door: Open) -> None:
    owner = door.client(door.pairs["owner"])
    watch = door.watch(owner, QUEUE_TOPIC)
    job = owner.ask(AddJob(recipe=RECIPE, folder=str(door.folder), stash=True)).job
    heard = eventually(lambda: watch.receive(SOON))
    assert isinstance(heard.event, JobChanged)
    assert heard.event.job.id == job.id
    told = owner.ask(GetNews(newest=True)).happenings
    assert any(one.actor.endswith("(key owner)") for one in told), told
    local = door.daemon.client().ask(GetNews(newest=True)).happenings
    assert local == told, "the same daemon answers on the machine itself"


def test_who_may_watch_does_nothing_else(door: Open) -> None:
    guest = door.client(door.pairs["guest"])
    assert guest.ask(GetStatus()).jobs == []
    adds = AddJob(recipe=RECIPE, folder=str(door.folder))
    for request in (
        adds,
        Drain(),
        AddGroup(name="x"),
        Batch(requests=[PauseJob(id=1)]),
        Undo(number=1),
        ShutDown(),
    ):
        with pytest.raises(RequestRefused) as caught:
            guest.ask(request)  # type: ignore[call-overload]
        assert caught.value.kind == "MayOnlyWatch", caught.value
        assert "lorad key allow guest KEY --steer" in str(caught.value)
    assert door.daemon.client().ask(GetStatus()).jobs == []
    assert not door.daemon.client().ask(GetStatus()).draining
    door.allow("guest", "steer")  # read again without a restart
    assert guest.ask(adds).job.id == 1


def knocks(door: Open, socket: zmq.Socket[Any]) -> bool:
    """Whether a socket that is set up in some way gets an answer."""
    with socket:
        socket.linger = 0
        socket.connect(door.address)
        hello = Hello(protocol_min=PROTOCOL, protocol_max=PROTOCOL, client="x")
        socket.send_multipart(codec.encode(hello, id="1"))
        return bool(socket.poll(1500))


def test_every_other_key_and_way_is_refused_and_honest_clients_are_served(door: Open) -> None:
    owner = door.client(door.pairs["owner"])
    owner.ask(GetStatus())
    served: list[float] = []
    done = threading.Event()

    def honest() -> None:
        with Client(door.place(door.pairs["guest"])) as client:
            while not done.is_set():
                client.ask(GetStatus(), SOON)
                served.append(time.monotonic())
                time.sleep(0.02)

    thread = threading.Thread(target=honest)
    thread.start()
    context: zmq.Context[Any] = zmq.Context()
    try:
        # NULL, as all of ZeroMQ without keys speaks.
        assert not knocks(door, context.socket(zmq.DEALER))
        plain = context.socket(zmq.DEALER)
        plain.plain_username, plain.plain_password = b"owner", b"owner"
        assert not knocks(door, plain)
        # Anybody may know the daemon's public half; it lets nobody in.
        with pytest.raises(KeyRefused, match="does not let this key in"):
            door.client(new_pair()).ask(GetStatus(), SOON)
        # Somebody else's daemon at this address is not spoken to.
        with pytest.raises(NoAnswerOverTcp, match="lorad key server"):
            door.client(door.pairs["owner"], new_pair().public).ask(GetStatus(), SOON)
        # A public half that is on the list, without its secret one.
        stolen = Pair(public=door.pairs["owner"].public, secret=new_pair().secret)
        with pytest.raises(DaemonSilent):
            door.client(stolen).ask(GetStatus(), SOON)
        # Nor do events go to a stranger.
        with context.socket(zmq.SUB) as events:
            events.linger = 0
            events.subscribe("")
            events.connect(f"tcp://127.0.0.1:{door.port + 1}")
            assert not events.poll(2500), "there is a beat every second"
    finally:
        done.set()
        thread.join()
        context.destroy(linger=0)
    assert len(served) > 20
    owner.ask(GetStatus(), SOON)


def test_a_removed_key_is_cut_off_at_once_and_the_others_come_back(door: Open) -> None:
    guest, owner = door.client(door.pairs["guest"]), door.client(door.pairs["owner"])
    watch, kept = door.watch(guest, ""), door.watch(owner, "")
    guest.ask(GetStatus())
    path = keys.allowed_path(door.daemon.home)
    keys.remove(path, "guest")
    with pytest.raises((DaemonSilent, RequestRefused)):
        guest.ask(GetStatus(), SOON)
    while watch.receive(0.0):
        pass
    assert watch.receive(3.0) is None, "a beat a second goes to those who are on the list"
    eventually(lambda: kept.receive(SOON), 20)
    owner.greet()
    assert owner.ask(GetStatus(), SOON).jobs == []
    keys.remove(path, "owner")
    with pytest.raises((DaemonSilent, RequestRefused)):
        owner.ask(GetStatus(), SOON)
    with pytest.raises(OSError, match="refused"):  # nobody may come: the port itself is shut
        eventually(lambda: socket.create_connection(("127.0.0.1", door.port)).close())
    door.allow("owner", "steer")
    eventually(lambda: answers(door, "owner"), 20)


def answers(door: Open, name: str) -> bool:
    with Client(door.place(door.pairs[name])) as client, contextlib.suppress(DaemonSilent):
        return client.greet().pid > 0
    return False


def test_a_list_that_nobody_can_read_lets_nobody_in(door: Open) -> None:
    path = keys.allowed_path(door.daemon.home)
    path.write_text("[owner\n")
    with pytest.raises((DaemonSilent, RequestRefused)):
        door.client(door.pairs["owner"]).ask(GetStatus(), SOON)
    door.daemon.client().ask(GetStatus())


def test_a_recorded_session_is_worth_nothing_to_who_plays_it_again(door: Open) -> None:
    """Whoever listens on the way has every byte of a steering client, and gets nothing done."""
    recorded: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=between, args=(listener, door.port, recorded))
        thread.start()
        place = TcpPlace(f"tcp://127.0.0.1:{port}", door.place(door.pairs["owner"]).curve)
        with Client(place) as client:
            client.ask(AddJob(recipe=RECIPE, folder=str(door.folder), stash=True))
        thread.join(10)
    assert len(b"".join(recorded)) > 500
    for pieces in (recorded, [b"".join(recorded)]):
        with socket.create_connection(("127.0.0.1", door.port)) as again:
            again.settimeout(5)
            with contextlib.suppress(OSError):
                for piece in pieces:
                    again.sendall(piece)
                    time.sleep(0.05)
                while again.recv(4096):
                    pass
    assert b"mono" not in b"".join(recorded), "nor does it read anything"
    assert len(door.daemon.client().ask(GetStatus()).jobs) == 1


def between(listener: socket.socket, port: int, recorded: list[bytes]) -> None:
    near, _ = listener.accept()
    with near, socket.create_connection(("127.0.0.1", port)) as far:

        def down() -> None:
            with contextlib.suppress(OSError):
                while data := far.recv(4096):
                    near.sendall(data)

        thread = threading.Thread(target=down)
        thread.start()
        with contextlib.suppress(OSError):
            while data := near.recv(4096):
                recorded.append(data)
                far.sendall(data)
        far.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_half_handshakes_and_junk_end_by_themselves_and_nobody_waits(door: Open) -> None:
    owner = door.client(door.pairs["owner"])
    owner.ask(GetStatus())
    sockets = []
    greeting = b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x01CURVE" + bytes(48)
    for number in range(400):
        knock = socket.create_connection(("127.0.0.1", door.port + number % 2))
        with contextlib.suppress(OSError):
            knock.sendall((b"", greeting[:11], greeting, os.urandom(300))[number % 4])
        sockets.append(knock)
        if number % 50 == 0:
            owner.ask(GetStatus(), SOON)
            door.daemon.client().ask(GetStatus(), SOON)
    owner.ask(GetStatus(), SOON)
    for knock in sockets:
        knock.settimeout(20)
        with contextlib.suppress(ConnectionError):
            while knock.recv(4096):  # ends when the daemon hangs up
                pass
        knock.close()
    eventually(lambda: answers(door, "guest"), 20)


def test_too_many_connections_are_ended_and_honest_clients_come_back(door: Open) -> None:
    owner = door.client(door.pairs["owner"])
    owner.ask(GetStatus())
    with contextlib.ExitStack() as all:
        for _ in range(300):
            with contextlib.suppress(OSError):
                knock = socket.create_connection(("127.0.0.1", door.port), timeout=5)
                all.enter_context(knock)
        eventually(lambda: "too many connections" in door.daemon.home.daemon_log.read_text())
        door.daemon.client().ask(GetStatus(), SOON)
    eventually(lambda: answers(door, "guest"), 20)
    owner.greet()


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_without_a_key_it_does_not_even_start(tmp_path: Path, host: str) -> None:
    daemon, _ = listening(tmp_path, host)
    done = subprocess.run(
        [sys.executable, "-m", "lorad.daemon"], env=daemon.env, capture_output=True, timeout=60
    )
    assert done.returncode == 2
    assert b"no key may connect, so it does not start" in done.stderr


def test_by_default_no_port_is_open(daemon: Daemon) -> None:
    import psutil

    assert daemon.process is not None
    assert psutil.Process(daemon.process.pid).net_connections("inet") == []


def test_the_files_of_keys_are_their_owners_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "h", tmp_path / "h", tmp_path / "c")
    before = os.umask(0)
    try:
        pair = keys.own_pair(tmp_path / "deep" / "key.toml")
        home.make()
        keys.allow(keys.allowed_path(home), "a", pair.public, "watch")
    finally:
        os.umask(before)
    assert pair == keys.own_pair(tmp_path / "deep" / "key.toml")
    for path in (tmp_path / "deep" / "key.toml", keys.allowed_path(home)):
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
    assert pair.secret not in repr(pair)
    (tmp_path / "deep" / "key.toml").chmod(0o640)
    with pytest.raises(keys.KeysUnreadable):
        keys.own_pair(tmp_path / "deep" / "key.toml")
    with pytest.raises(keys.KeyNamed):
        keys.allow(keys.allowed_path(home), "b", pair.public, "steer")
    with pytest.raises(keys.NotAKey):
        keys.allow(keys.allowed_path(home), "c", "zz", "watch")
    assert set(msgspec.to_builtins(keys.read_allowed(keys.allowed_path(home)))) == {"a"}
