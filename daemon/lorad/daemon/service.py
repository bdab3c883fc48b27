"""The daemon put together, and its one loop."""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import os
import signal
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zmq

from lorad.daemon.door import open_door
from lorad.daemon.events import Events
from lorad.daemon.handlers import handle
from lorad.daemon.hashes import Hashes
from lorad.daemon.health import Pulse
from lorad.daemon.hooks import Runner
from lorad.daemon.later import Errands, InPieces, Later, Piecework, refusal
from lorad.daemon.logs import Logs
from lorad.daemon.notify import Notifier
from lorad.daemon.queue import Queue
from lorad.daemon.runs import Runs
from lorad.daemon.server import Peer, Sockets
from lorad.daemon.store import Store
from lorad.daemon.supervisor import Supervisor
from lorad.daemon.telemetry import Gauges, find_cards
from lorad.daemon.telemetry.late_cards import LateCards
from lorad.daemon.telemetry.owners import Owners
from lorad.daemon.watch import Outlook, Watchman
from lorad.shared import codec, failpoints
from lorad.shared.endpoints import Home
from lorad.shared.errors import CannotBeSent, HoldsSecret
from lorad.shared.jobs import Active
from lorad.shared.messages import (
    DAEMON_TOPIC,
    MACHINE_TOPIC,
    NEWS_TOPIC,
    READING,
    AnyRequest,
    Beat,
    DaemonInfo,
    Ending,
    FilePiece,
    Happened,
    Happening,
    Hello,
    MachineSampled,
    Message,
)
from lorad.shared.redact import has_secret, redact_bytes

log = logging.getLogger(__name__)

LOG_SECONDS = 0.25
BEAT_SECONDS = 1.0
WATCH_SECONDS = 2.0
GOODBYE_SECONDS = 0.2


@contextlib.contextmanager
def kept_alive(what: str) -> Iterator[None]:
    """Whatever goes wrong with one job or file is logged and tried again: the daemon lives on."""
    try:
        yield
    except Exception:
        log.exception("%s went wrong", what)


class Service:
    """Everything the daemon owns. The caller holds the home's lock."""

    def __init__(self, home: Home, umask: int) -> None:
        """Open the store, bind the sockets; nothing runs before `run`.

        `umask` is the user's own, for what their runs write.
        """
        self.home = home
        self.notifier = Notifier(os.environ)  # before anything inherits these variables
        self.info = DaemonInfo(
            version=importlib.metadata.version("lorad"),
            pid=os.getpid(),
            started=time.time(),
            epoch=uuid.uuid4().hex,
            home=str(home.folder),
            hostname=socket.gethostname(),
        )
        self.store = Store(home.database)
        self.sockets = Sockets(home)
        self.sockets.door = open_door(home, self.sockets.most)
        self.events = Events(self.sockets, self.info.epoch)
        self.store.on_news = self._tell_news
        self.hashes = Hashes()
        self.outlook = Outlook()
        self.watchman = Watchman()
        self.hooks = Runner(lambda: self.outlook.hooks, self.info.hostname, umask)
        self.supervisor = Supervisor(home, umask)
        self.gauges = Gauges(LateCards(find_cards), Owners(home.runs), home.folder)
        self.queue = Queue(home, self.store, self.events, self.supervisor, self.gauges)
        self.runs = Runs(lambda: self.sockets.runs, self.queue)
        self.logs = Logs(home, self.events)
        self.errands = Errands()
        self.piecework = Piecework()
        self._clients: dict[Peer, str] = {}
        self._umask = umask
        self._ended: set[int] = set()  # jobs whose process is gone, until that is stored
        self._stopping = False
        self._leave_runs = False
        self.pulse = Pulse(
            self.info, home.database, self.events.published, lambda: len(self._ended)
        )

    # -- the loop -----------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until somebody ends it."""
        self.gauges.start()
        self.outlook.start()
        self._ended |= set(self.queue.wake())
        log.info("daemon %s is up, pid %d", self.info.version, self.info.pid)
        self.notifier.tell("READY=1")
        next_beat = next_log = next_watch = 0.0
        while not self._may_end():
            self._poll(0 if self.piecework else LOG_SECONDS)
            if self.piecework and (made := self.piecework.go_on()):
                self._send(*made)
            now = time.monotonic()
            # The gauges are new with every beat, and a job may wait for memory.
            if self.queue.stirred or self._ended or now >= next_beat:
                self._settle()
                with kept_alive("scheduling"):
                    self.queue.schedule()
            if now >= next_log:
                with kept_alive("following the logs"):
                    self.logs.follow(list(self.supervisor.descriptors.values()))
                next_log = now + LOG_SECONDS
            if now >= next_watch:
                with kept_alive("looking after the runs"):
                    self._watch(now)
                next_watch = now + WATCH_SECONDS
            if now >= next_beat:
                with kept_alive("telling the gauges"):
                    self._beat()
                self.notifier.tell("WATCHDOG=1")  # from here: a loop that hangs must not say it
                self.pulse.beat(now - next_beat if next_beat else 0.0)
                next_beat = now + BEAT_SECONDS
        self._end()

    def _poll(self, seconds: float) -> None:
        poller = zmq.Poller()
        for sock in self.sockets.readable():
            poller.register(sock, zmq.POLLIN)
        poller.register(self.errands.descriptor, zmq.POLLIN)
        for descriptor in self.supervisor.descriptors:
            poller.register(descriptor, zmq.POLLIN)
        ready = {found for found, _ in poller.poll(int(seconds * 1000))}
        for what, act in (
            ("counting connections", self.sockets.look),
            ("answering clients", self._answer_all),
            ("welcoming listeners", self._welcome_all),
            ("hearing the runs", self.runs.hear),
        ):
            with kept_alive(what):
                act()
        if self.errands.descriptor in ready:
            self._send_made()
        for descriptor in ready.intersection(self.supervisor.descriptors):
            self._process_gone(descriptor)

    def _process_gone(self, descriptor: Any) -> None:
        self.runs.hear()  # what it said last may still wait on the socket
        if (job_id := self.supervisor.gone(descriptor)) is not None:
            self._ended.add(job_id)

    def _settle(self) -> None:
        """Act on the end of processes; what a full disk refuses now is tried again."""
        for job_id in list(self._ended):
            with kept_alive(f"settling job {job_id}"):
                failpoints.passed("settle.before")
                self.runs.collect(job_id)
                failpoints.passed("settle.collected")
                self.queue.settle(job_id)
                failpoints.passed("settle.after")
                self._ended.discard(job_id)
                self.runs.forget(job_id)

    def make_output(self, folder: Path) -> None:
        """A folder that is the user's: with their umask, not the daemon's."""
        before = os.umask(self._umask)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        finally:
            os.umask(before)

    def _beat(self) -> None:
        self.runs.end_the_overdue()
        with kept_alive("looking for the outputs' disks"):
            jobs = self.supervisor.descriptors.values()
            self.gauges.outputs = tuple(Path(self.store.job(id).folder) for id in jobs)
        reading = self.gauges.newest
        self.events.publish(MACHINE_TOPIC, MachineSampled(gpus=reading.gpus, host=reading.host))
        self.events.publish(DAEMON_TOPIC, Beat(heads=self.events.heads()))

    def _watch(self, now: float) -> None:
        jobs = self.store.jobs()
        folders = {job.folder for job in jobs if isinstance(job.status, Active)}
        self.outlook.folders = frozenset({str(self.home.folder), *folders})
        for alarm in self.watchman.look(now, jobs, self.runs.heard, self.outlook):
            self.store.happened(alarm.job_id, alarm.event, alarm.text, "daemon")
        for hang in self.runs.hangs.look(now, jobs, self.outlook.runs.hang_seconds):
            why = f"{hang.why} Where it stood is in {self.home.stacks(hang.job_id)}."
            if hang.ends:
                self.supervisor.kill(hang.job_id, why)
            else:
                self.supervisor.call_for_stacks(hang.job_id, hang.why)
                self.store.happened(hang.job_id, "hung", why, "daemon")

    def _tell_news(self, happening: Happening) -> None:
        """To whoever listens and to the hooks; it is in the store already."""
        self.hooks.put(happening)
        self.events.publish(NEWS_TOPIC, Happened(happening=happening))

    # -- clients ------------------------------------------------------------------------------

    def _welcome_all(self) -> None:
        for frame in self.sockets.subscribed():
            self.pulse.subscribed(frame)
            if frame[:4] == b"\x01~w/":
                with contextlib.suppress(UnicodeDecodeError):
                    self.events.welcome(frame[1:].decode())

    def _answer_all(self) -> None:
        for peer, frames in self.sockets.asked():
            self._answer(peer, frames)

    def _answer(self, peer: Peer, frames: list[bytes]) -> None:
        command_id = ""
        try:
            command_id = codec.decode_header(frames).id
            header, request = codec.decode(frames, codec.requests)
            if has_secret(frames[1]) and not isinstance(request, READING):
                raise HoldsSecret
            reply = handle(self, request, header, self._actor(peer, request))
        except Exception as error:  # a fault of ours must not take the queue down
            reply = refusal(error)
        if isinstance(reply, Later):
            self.errands.take_on(peer, command_id, reply)
        elif isinstance(reply, InPieces):
            self.piecework.take_on(peer, command_id, reply)
        else:
            self._send(peer, command_id, reply)

    def _send_made(self) -> None:
        for made in self.errands.made():
            self._send(made.peer, made.id, made.reply)

    def _send(self, peer: Peer, command_id: str, reply: Message) -> None:
        try:
            header, payload = codec.encode(reply, id=command_id, epoch=self.info.epoch)
        except CannotBeSent as error:  # a name on the disk need not be text
            reply = refusal(error)
            header, payload = codec.encode(reply, id=command_id, epoch=self.info.epoch)
        # A file is brought as it is: its hash is known.
        told = payload if isinstance(reply, FilePiece) else redact_bytes(payload)
        peer.send([header, told])

    def _actor(self, peer: Peer, request: AnyRequest) -> str:
        """Who asks, by the name given in `Hello`; over the network by the name of their key.

        Raises:
            DaemonError: they may not ask that.
        """
        key = "" if peer.key is None else f" (key {self.sockets.check(peer.key, request)})"
        if isinstance(request, Hello):
            if len(self._clients) >= 1000:
                self._clients.clear()  # only names for the log; nobody is turned away
            self._clients[peer] = request.client[:100]
        name = self._clients.get(peer, "client") + key
        self.pulse.asked(name)
        return name

    # -- the end ------------------------------------------------------------------------------

    def go_down(self, leave_runs: bool) -> list[int]:
        """End when the runs have saved, or at once when they are left; those waited for."""
        waited_for = [] if leave_runs else self.queue.go_down()
        self.store.after_commit(lambda: self._begin_to_end(leave_runs))
        return waited_for

    def _begin_to_end(self, leave_runs: bool) -> None:
        self._stopping = self.queue.going_down = True
        self._leave_runs = leave_runs
        if not leave_runs:
            for job in self.queue.active():
                self.runs.steer(job)

    def on_signal(self, number: int, frame: object) -> None:
        """SIGTERM and SIGINT: go, and leave the runs to the next daemon."""
        log.info("%s: going down, the runs train on", signal.Signals(number).name)
        self._stopping = self._leave_runs = self.queue.going_down = True

    def _may_end(self) -> bool:
        return self._stopping and (self._leave_runs or not self.queue.active())

    def _end(self) -> None:
        self.notifier.tell("STOPPING=1")
        self.events.publish(DAEMON_TOPIC, Ending(reason="the daemon was shut down"))
        # A client that is disconnected before it read its last answer never sees it.
        time.sleep(GOODBYE_SECONDS)
        self.gauges.stop()
        self.outlook.stop()
        self.hooks.close()
        self.sockets.close()
        self.supervisor.close()
        self.store.close()
        log.info("daemon is down")
