"""Bytes that no lorad would send, on every socket, while an honest client is answered all along.

Seeds are printed; LORAD_SOAK multiplies the counts of the long form.
"""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import zmq
from shared.test_codec import CASES, example
from support import SOAK, Daemon, eventually, small_recipe

from lorad.daemon.server import MOST_CONNECTIONS, raise_file_limit
from lorad.shared import codec
from lorad.shared.client import Client
from lorad.shared.messages import GetHealth, GetMetrics, GetStatus, Message, PauseJob, ShutDown

SEED = 20261123
QUICK, PROOF = 3_000, 100_000
PIECE = 100
"""Messages between two looks at whether they were taken."""
GROWTH = 16 << 20

Frames = list[bytes]


def valid(decoder: Any) -> list[Message]:
    """One of each message that a socket takes, but the one that ends the daemon."""
    return [made(kind) for other, kind in CASES if other is decoder and kind is not ShutDown]


def made(kind: type[Message]) -> Message:
    message: Message = example(kind)
    return message


def deep(depth: int) -> bytes:
    return b"\x91" * depth + b"\xc0"


SURROGATE = b"\xa3\xed\xa0\x80"


def odd_value(rng: random.Random) -> Any:
    return rng.choice(
        [float("nan"), float("inf"), -(2**63), 2**64 - 1, "\x1b]0;x\x07", "x" * 70_000, None, {},
         [], b"\xff" * 300, {"type": "nothing"}, [[[[]]]], "../../etc/passwd", "\0", -1, True]
    )  # fmt: skip


def mutated(rng: random.Random, message: Message) -> Frames:
    """A message that is valid, with something done to it."""
    # An id of its own: one that was used is answered from memory.
    header, payload = codec.encode(message, id=f"{rng.getrandbits(64):x}")
    ways: list[Callable[[], Frames]] = [
        lambda: [header, _flipped(rng, payload)],
        lambda: [_flipped(rng, header), payload],
        lambda: [header, payload[: rng.randrange(len(payload))]],
        lambda: [header, payload + rng.randbytes(rng.randrange(1, 50))],
        lambda: [header, deep(rng.choice((10, 1000, 100_000)))],
        lambda: [deep(rng.choice((10, 1000, 100_000))), payload],
        lambda: [rng.randbytes(rng.randrange(200)) for _ in range(rng.randrange(6))],
        lambda: [header] * rng.choice((1, 3, 40)),
        # An invalid text, and an unknown field that lies deep.
        lambda: [header, b"\x82\xa4type" + 2 * SURROGATE + deep(5000)],
        lambda: [header, _odd(rng, payload)],
        lambda: [header, _odd(rng, payload)],
        lambda: [header, _odd(rng, payload)],
    ]
    return rng.choice(ways)()


def _odd(rng: random.Random, payload: bytes) -> bytes:
    fields = msgspec.msgpack.decode(payload)
    fields[rng.choice([*fields, "unknown"])] = odd_value(rng)
    if rng.random() < 0.3:
        fields["type"] = rng.choice(["hello", "reports", "x", 7, None, "shut_down_"])
    return msgspec.msgpack.encode(fields)


def _flipped(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def harmless(frames: Frames) -> bool:
    """A flip may make a valid command; the one that ends the daemon is not what is tested."""
    return not any(b"shut_down" in frame for frame in frames)


class Honest:
    """A client that asks all the time, and a listener that hears each beat."""

    def __init__(self, daemon: Daemon) -> None:
        self.waits: list[float] = []
        self.trouble: BaseException | None = None
        self._home = daemon.home
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            with Client(self._home, name="honest") as client:
                watch = client.watch("daemon/")
                try:
                    watch.wait_attached(20)
                    while not self._done.is_set():
                        began = time.monotonic()
                        client.ask(GetHealth(), timeout=20)
                        self.waits.append(time.monotonic() - began)
                        while watch.receive(0):
                            pass
                        time.sleep(0.01)
                    assert watch.receive(20) is not None, "the beats go on"
                finally:
                    watch.close()
        except BaseException as error:
            self.trouble = error

    def __enter__(self) -> Honest:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        assert self.trouble is None, self.trouble
        waits = sorted(self.waits) or [0.0]
        print(f"{len(waits)} answers, median {waits[len(waits) // 2] * 1e3:.1f} ms,"
              f" longest {waits[-1] * 1e3:.0f} ms")  # fmt: skip


def pump(daemon: Daemon, endpoint: str, count: int, make: Callable[[], Frames]) -> None:
    """Send so many, and go on when the daemon has taken a piece; its memory stays."""
    context: zmq.Context[Any] = zmq.Context()
    sent = 0
    try:
        while sent < count:
            # An engine hangs up on a frame that is too long, and with it goes what waits behind.
            dealer = context.socket(zmq.DEALER)
            dealer.linger = -1
            dealer.connect(endpoint)
            for _ in range(PIECE):
                frames = make()
                if harmless(frames):
                    dealer.send_multipart(frames or [b""])
                    sent += 1
            while dealer.poll(50):
                dealer.recv_multipart()
            dealer.close(linger=2000)
    finally:
        context.destroy(linger=2000)
    assert daemon.process is not None
    assert daemon.process.poll() is None


def assault(daemon: Daemon, folder: Path, count: int) -> None:
    print("seed", SEED)
    rng = random.Random(SEED)
    assert daemon.process is not None
    process = psutil.Process(daemon.process.pid)
    requests, reports = valid(codec.requests), valid(codec.from_run)
    for messages, endpoint in ((requests, daemon.home.control), (reports, daemon.home.runs)):

        def one(messages: list[Message] = messages) -> Frames:
            return mutated(rng, rng.choice(messages))

        pump(daemon, endpoint, 500, one)  # what is needed once is there now
        before = process.memory_info().rss
        with Honest(daemon) as honest:
            pump(daemon, endpoint, count // 2, one)
        assert len(honest.waits) > 10
        grown = process.memory_info().rss - before
        print(f"{endpoint.rpartition('/')[2]}: {grown / (1 << 20):+.1f} MiB")
        assert grown < GROWTH
    log = daemon.home.daemon_log.read_text()
    assert "went wrong" not in log, "only handlers met it"
    assert daemon.client().ask(GetStatus(), timeout=20).daemon.pid == daemon.process.pid


def test_malformed_messages_are_answered_with_a_sentence(daemon: Daemon, tmp_path: Path) -> None:
    assault(daemon, tmp_path, QUICK)


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_malformed_messages_many(daemon: Daemon, tmp_path: Path) -> None:
    assault(daemon, tmp_path, PROOF * SOAK)


def test_no_request_that_can_be_read_breaks_a_handler(daemon: Daemon) -> None:
    """Numbers out of every range and texts of every kind are refused in words, not by a fault."""
    faults = []
    client = daemon.client()
    for _, kind in ((d, k) for d, k in CASES if d is codec.requests and k is not ShutDown):
        message = msgspec.to_builtins(made(kind))
        for field in message.keys() - {"type"}:
            for value in (2**63 - 1, 2**63, -(2**63), "\0", "\x1b[2J", float("nan"), -1, []):
                data = msgspec.msgpack.encode({**message, field: value})
                with contextlib.suppress(msgspec.ValidationError):
                    request = codec.requests.decode(data)
                    client.greet()
                    client.send(request, f"{kind.__name__}-{field}-{value!r}"[:100], "")
                    assert client.control.poll(20_000)
                    for answer in client.answers():
                        if getattr(answer.reply, "kind", "") == "DaemonError":
                            faults.append((kind.__name__, field, value, answer.reply))
    told = [(*what, reply.message[:200]) for *what, reply in faults]
    assert not told, "\n".join(map(str, told))


HUGE = b"\x01\x02\xff\xff\xff\xff\xff\xff\xff\xff"
ZMTP = b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL" + bytes(48)


@pytest.mark.parametrize("name", ["control.sock", "runs.sock", "events.sock"])
def test_raw_junk_and_half_handshakes(daemon: Daemon, name: str) -> None:
    knock_often(daemon, name, 400)


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_ten_thousand_half_handshakes(daemon: Daemon) -> None:
    for _ in range(25 * SOAK):
        knock_often(daemon, "control.sock", 400)


def knock_often(daemon: Daemon, name: str, count: int) -> None:
    """Junk on so many connections; the half handshakes are kept until the daemon hangs up.

    What does not begin as ZMTP 3 is taken for ZMTP 1, which has no handshake that could be late.
    """
    rng = random.Random(SEED)
    path = str(daemon.home.sockets / name)
    halves = (b"", ZMTP[:10], ZMTP[:40], ZMTP)
    junk = (ZMTP + rng.randbytes(200), rng.randbytes(500), b"GET / HTTP/1.1\r\n\r\n", HUGE)
    with Honest(daemon), contextlib.ExitStack() as all:
        knocks = []
        for number in range(count):
            knock = all.enter_context(socket.socket(socket.AF_UNIX))
            knock.connect(path)  # waits for its turn, which one with a limit does not
            knock.settimeout(20)
            with contextlib.suppress(ConnectionError):
                knock.sendall((*halves, *junk)[number % 8])
            if number % 8 < len(halves):
                knocks.append(knock)
        for knock in knocks:
            with contextlib.suppress(ConnectionError):
                while knock.recv(4096):  # ends when the daemon hangs up
                    pass


@pytest.mark.parametrize("name", ["control.sock", "events.sock"])
def test_too_many_connections_are_ended_and_honest_ones_come_back(
    daemon: Daemon, name: str
) -> None:
    """libzmq aborts when a local connection comes and no file can be opened."""
    watch = daemon.client().watch("daemon/")
    watch.wait_attached(20)
    crowd(daemon, name)
    eventually(lambda: _answers(daemon), 30)
    eventually(lambda: watch.receive(1), 30)
    watch.close()
    daemon.stop()
    assert not (daemon.home.sockets / name).exists()


def test_too_many_connections_to_where_runs_report_cost_no_run(
    daemon: Daemon, tmp_path: Path
) -> None:
    job = daemon.add(small_recipe(tmp_path, steps=10_000, checkpointing_steps=10_000))
    daemon.wait_step(job.id, 3)
    crowd(daemon, "runs.sock")
    client = daemon.client()
    client.ask(PauseJob(id=job.id))
    step = daemon.wait_state(job.id, "paused").progress.step
    points = client.ask(GetMetrics(id=job.id)).points
    assert [point.step for point in points] == [*range(1, step + 1)]


def test_connections_that_ended_do_not_count(daemon: Daemon) -> None:
    assert daemon.process is not None
    process = psutil.Process(daemon.process.pid)
    client = daemon.client()
    client.ask(GetStatus())
    before = process.num_fds()
    path = str(daemon.home.sockets / "control.sock")
    for number in range(4):
        with contextlib.ExitStack() as all:
            for _ in range(MOST_CONNECTIONS // 3):
                knock = all.enter_context(socket.socket(socket.AF_UNIX))
                knock.connect(path)
                knock.sendall((b"", ZMTP, b"GET / HTTP/1.1\r\n\r\n", HUGE)[number])
        eventually(lambda: process.num_fds() <= before, 20)
    client.ask(GetStatus())
    assert "too many" not in daemon.home.daemon_log.read_text()


def crowd(daemon: Daemon, name: str) -> None:
    """More connections than there may be; it is noticed."""
    raise_file_limit()
    with contextlib.ExitStack() as all:
        for _ in range(MOST_CONNECTIONS + 500):
            knock = all.enter_context(socket.socket(socket.AF_UNIX))
            knock.connect(str(daemon.home.sockets / name))
        ended = f"too many connections to {name}"
        eventually(lambda: ended in daemon.home.daemon_log.read_text(), 30)


def _answers(daemon: Daemon) -> bool:
    from lorad.shared.errors import DaemonError

    with Client(daemon.home) as client, contextlib.suppress(DaemonError):
        return client.greet().pid > 0
    return False


def test_who_asks_without_end_holds_up_nobody(daemon: Daemon) -> None:
    """A client with 20,000 requests under way, one that reads no answers, and an honest one."""
    context: zmq.Context[Any] = zmq.Context()
    assert daemon.process is not None
    process = psutil.Process(daemon.process.pid)
    stop = threading.Event()

    def flood() -> None:
        greedy = context.socket(zmq.DEALER)
        greedy.linger = 0
        greedy.connect(daemon.home.control)
        frames = codec.encode(GetStatus(), id="1")
        while not stop.is_set():
            if greedy.poll(50, zmq.POLLOUT):
                greedy.send_multipart(frames)
        greedy.close()

    before = process.memory_info().rss
    threads = [threading.Thread(target=flood) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        with Honest(daemon) as honest:
            eventually(lambda: len(honest.waits) > 100 or honest.trouble, 60)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        context.destroy(linger=0)
    assert process.memory_info().rss - before < 64 << 20


def test_the_queue_has_an_end(tmp_path: Path) -> None:
    from lorad.shared.errors import RequestRefused
    from lorad.shared.messages import AddJob, CopyJob

    daemon = Daemon(tmp_path / "home", LORAD_MOST_JOBS="3")
    daemon.start()
    try:
        client = daemon.client()
        recipe = 'name = "a"\n[data]\npath = "p"\n'
        add = AddJob(recipe=recipe, folder=str(tmp_path), stash=True)
        ids = [client.ask(add).job.id for _ in range(3)]
        for request in (add, CopyJob(id=ids[0], stash=True)):
            with pytest.raises(RequestRefused, match="holds 3 jobs already"):
                client.ask(request)  # type: ignore[call-overload]
        assert len(client.ask(GetStatus()).jobs) == 3
    finally:
        daemon.stop()
