"""The daemon's own service on its own file, with wires, processes and faults that are values.

What is real: the service's way of answering, all handlers, the queue, the scheduler, the ear for
runs, journals, and SQLite's file on the disk. What stands in: sockets (lists of frames), processes
(`Run`), and a disk that refuses now and then. A kill of the daemon is an exception that nothing
catches: whatever was in memory is gone, and another service opens the same file.
"""

from __future__ import annotations

import itertools
import os
import random
import sqlite3
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lorad.daemon import service as services
from lorad.daemon.journal import Journal, journal_path
from lorad.daemon.server import Peer
from lorad.daemon.service import Service, kept_alive
from lorad.daemon.store.rows import Attempt
from lorad.daemon.telemetry import NoCards
from lorad.shared import codec
from lorad.shared.endpoints import Home
from lorad.shared.jobs import Job, Process
from lorad.shared.messages import (
    Acknowledged,
    Added,
    AddJob,
    AnyReply,
    AnyReport,
    AnyRequest,
    Reports,
    RunHello,
    RunWelcome,
    Steer,
)

FAULTY = 0.08
"""Of the transactions: as many go wrong, in one of five ways."""
FAULTS = ("busy", "full", "uncommitted", "killed", "reply lost")
"""Not begun; refused in the middle; not committed; the daemon is killed in the middle; it is killed
when all was done and nobody was told."""


RECIPE = 'name = "a"\n[data]\npath = "p"\n'


class Killed(BaseException):
    """SIGKILL of the daemon."""


class Faults:
    """Decides what becomes of each transaction."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.chance = 0.0
        self.seen: Counter[str] = Counter()
        self.kind = ""
        self._left = 0

    def begin(self) -> None:
        """A transaction is to begin."""
        self.seen["transactions"] += 1
        self.kind = ""
        if self.random.random() < self.chance:
            self.kind = self.random.choice(FAULTS)
            self.seen[self.kind] += 1
            self._left = self.random.randrange(8)
        if self.kind == "busy":
            raise sqlite3.OperationalError("database is locked")

    def amid(self) -> None:
        """Something is to be written or read in it."""
        self._left -= 1
        if self._left < 0:
            self._strike()

    def commit(self) -> None:
        """It is to be committed; what should have come earlier comes now."""
        if self.kind == "uncommitted":
            raise sqlite3.OperationalError("disk I/O error")
        self._strike()

    def _strike(self) -> None:
        if self.kind == "full":
            raise sqlite3.OperationalError("database or disk is full")
        if self.kind == "killed":
            raise Killed

    def committed(self) -> None:
        """It is on the disk."""
        if self.kind == "reply lost":
            raise Killed


class FaultyConnection:
    """SQLite's, with faults in its transactions."""

    def __init__(self, db: sqlite3.Connection, faults: Faults) -> None:
        self._db, self._faults = db, faults

    def execute(self, sql: str, *more: Any) -> sqlite3.Cursor:
        if sql == "BEGIN IMMEDIATE":
            self._faults.begin()
        elif sql == "COMMIT":
            self._faults.commit()
            self._db.execute(sql)
            self._faults.committed()
            return self._db.cursor()
        elif sql != "ROLLBACK" and self._db.in_transaction:
            self._faults.amid()
        return self._db.execute(sql, *more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


class Wire:
    """A socket whose frames are lists."""

    def __init__(self) -> None:
        self.inbox: deque[list[bytes]] = deque()
        self.outbox: list[list[bytes]] = []

    def poll(self, timeout: int) -> bool:
        return bool(self.inbox)

    def recv_multipart(self) -> list[bytes]:
        return self.inbox.popleft()

    def send_multipart(self, frames: list[bytes], flags: int = 0) -> None:
        self.outbox.append(frames)

    def take(self) -> list[list[bytes]]:
        """What was sent since."""
        sent, self.outbox = self.outbox, []
        return sent


class Wires:
    """In place of `Sockets`."""

    def __init__(self, home: Home) -> None:
        self.control, self.events, self.runs = Wire(), Wire(), Wire()
        self.most = 100

    def send_multipart(self, frames: list[bytes], flags: int = 0) -> None:
        """An event."""
        self.events.send_multipart(frames, flags)

    def close(self) -> None:
        """Nothing is open."""


class Run:
    """A run's process: it says what the test wants, and keeps its journal as a real one does."""

    def __init__(self, pid: int, attempt: Attempt, boot: str, folder: Path) -> None:
        self.process = Process(pid=pid, birth=f"{boot}/{pid}")
        self.attempt = attempt
        self.job_id = attempt.job_id
        self.alive = True
        self.wanted = ""
        """What it was told last; empty before it has its task."""
        self.step = 0
        """0 before it is ready."""
        self.finished = self.ended = False
        self._said: list[AnyReport] = []
        self._acknowledged = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._journal = Journal(journal_path(folder, attempt.number))

    @property
    def identity(self) -> bytes:
        return f"run {self.process.pid}".encode()

    def say(self, *reports: AnyReport) -> None:
        """Report; it goes out when a daemon is there."""
        assert self.alive
        assert self.wanted, "a run that has no task says nothing"
        self._journal.append(list(reports))
        self._said.extend(reports)

    def die(self) -> None:
        """Its process is gone."""
        self.alive = False
        self._journal.close()

    def hello(self) -> RunHello:
        attempt = self.attempt
        return RunHello(id=attempt.job_id, token=attempt.token, attempt=attempt.number)

    def unsent(self) -> list[Reports]:
        """What no daemon stored yet."""
        left = self._said[self._acknowledged :]
        return [Reports(first=self._acknowledged + 1, reports=left)] if left else []

    def hear(self, frames: list[bytes]) -> None:
        """Something from the daemon."""
        _, message = codec.decode(frames, codec.to_run)
        match message:
            case RunWelcome(wanted=wanted, acknowledged=number):
                self.wanted, self._acknowledged = wanted, number
            case Steer(wanted=wanted):
                self.wanted = wanted
            case Acknowledged(number=number):
                self._acknowledged = number


class Processes:
    """In place of `Supervisor`: the machine's processes outlive it."""

    machine: Machine

    def __init__(self, home: Home, umask: int) -> None:
        self.watched: dict[int, Run] = {}
        self._newest: dict[int, int] = {}
        self._numbers = itertools.count(1)

    @property
    def descriptors(self) -> dict[int, int]:
        return {descriptor: run.job_id for descriptor, run in self.watched.items()}

    def spawn(self, attempt: Attempt, gpus: tuple[str, ...], named: Mapping[str, str]) -> Process:
        run = self.machine.new_run(attempt)
        self._watch(run)
        return run.process

    def watch(self, job_id: int, process: Process) -> bool:
        found = [run for run in self.machine.living() if run.process == process]
        for run in found:
            self._watch(run)
        return bool(found)

    def _watch(self, run: Run) -> None:
        descriptor = next(self._numbers)
        self.watched[descriptor] = run
        self._newest[run.job_id] = descriptor

    def gone(self, descriptor: int) -> int | None:
        run = self.watched.pop(descriptor)
        if self._newest[run.job_id] != descriptor:
            return None
        del self._newest[run.job_id]
        self.end_leftovers(run.job_id)
        return run.job_id

    def end_leftovers(self, job_id: int) -> None:
        for run in self.machine.living(job_id):
            run.die()

    def end_strangers(self) -> None:
        for run in self.machine.living():
            if run.job_id not in self._newest:
                run.die()

    def last_words(self, job_id: int) -> str:
        return "Its process is gone."

    def kill(self, job_id: int) -> None:
        if (descriptor := self._newest.get(job_id)) and self.watched[descriptor].alive:
            self.watched[descriptor].die()

    def close(self) -> None:
        """The processes live on."""


class Machine:
    """A box with a daemon that is there or not, its processes, and its disk."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.home = Home(folder / "home", folder / "home", folder / "cache")
        self.home.folder.mkdir()
        self.recipes = folder / "recipes"
        self.recipes.mkdir()
        self.faults = Faults(seed)
        self.boot = "boot 1"
        self.runs: list[Run] = []
        self.service: Service | None = None
        self.starts = 0
        self.restarts = 0
        self._pids = itertools.count(1000)
        self._ids = itertools.count(1)
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(services, "Sockets", Wires)
        self.patch.setattr(services, "Supervisor", Processes)
        # As answered by no thread of theirs: each daemon would leave one behind.
        self.patch.setattr(services, "LateCards", lambda _find: NoCards("none"))
        self.patch.setattr(Processes, "machine", self, raising=False)
        self.patch.setenv("LORAD_FAKE_BOOT", self.boot)

    # -- processes ----------------------------------------------------------------------------

    def new_run(self, attempt: Attempt) -> Run:
        self.starts += 1
        folder = self.home.run_folder(attempt.job_id)
        self.runs = self.living()
        self.runs.append(Run(next(self._pids), attempt, self.boot, folder))
        return self.runs[-1]

    def living(self, job_id: int | None = None) -> list[Run]:
        return [run for run in self.runs if run.alive and job_id in (None, run.job_id)]

    def working(self) -> list[Run]:
        """The runs that have a task: nobody gives one to those that were killed while starting."""
        return [run for run in self.living() if run.wanted]

    # -- the daemon ---------------------------------------------------------------------------

    def start(self) -> None:
        """A daemon, its look at what is there, and the greetings of the runs."""
        while self.service is None:
            self.service = Service(self.home, 0o022)
            store = self.service.store
            store._db = FaultyConnection(store._db, self.faults)
            with self.mortal():
                self.service._ended |= set(self.service.queue.wake())
                self.turn()

    def kill(self) -> None:
        """Of the daemon: what it had in memory is gone."""
        if self.service is not None:
            service, self.service = self.service, None
            self.restarts += 1
            service.store.close()
            # What the end of its process would close; histories are long.
            service.hooks.close()
            os.close(service.errands.descriptor)
            os.close(service.errands._wake)

    @contextmanager
    def mortal(self) -> Iterator[None]:
        """Where the daemon may be killed by a fault."""
        try:
            yield
        except Killed:
            self.kill()

    def reboot(self) -> None:
        """The machine is started again: every process is gone."""
        self.kill()
        for run in self.living():
            run.die()
        self.boot = f"boot {int(self.boot.split()[1]) + 1}"
        self.patch.setenv("LORAD_FAKE_BOOT", self.boot)

    def turn(self) -> None:
        """The daemon's loop until nothing is left to do, as `Service.run` has it."""
        service = self.service
        assert service is not None
        for _ in range(200):
            busy = self._exchange(service)
            for descriptor, run in list(service.supervisor.watched.items()):
                if not run.alive:
                    service._process_gone(descriptor)
            if service._ended:
                service._settle()
                busy = True
            before, wrong = self.starts, True
            with kept_alive("scheduling"):
                service.queue.schedule()
                wrong = False  # else the next beat comes back to it
            if not (busy or wrong or service._ended or self.starts != before):
                return
        raise AssertionError("the daemon does not come to rest")

    def _exchange(self, service: Service) -> bool:
        """All that runs have to say, and what they are told; whether there was anything."""
        wire = service.sockets.runs
        for run in self.living():
            known = run.identity in service.runs._jobs
            for message in run.unsent() if known else [run.hello()]:
                wire.inbox.append([run.identity, *codec.encode(message)])
        said = len(wire.inbox)
        service.runs.hear()
        sent = wire.take()
        by_identity = {run.identity: run for run in self.living()}
        for identity, *frames in sent:
            if run := by_identity.get(identity):
                run.hear(frames)
        strangers = sum(run.identity not in service.runs._jobs for run in self.living())
        return bool(sent) or said > strangers

    # -- a client -----------------------------------------------------------------------------

    def add(self, **more: Any) -> Job:
        """A job of a plain recipe; `more` as in `AddJob`."""
        reply = self.ask(AddJob(recipe=RECIPE, folder=str(self.recipes), **more))
        assert isinstance(reply, Added)
        return reply.job

    def ask(self, request: AnyRequest, *, twice: bool = False) -> AnyReply:
        """What a patient client hears in the end: it repeats a command whose answer is lost.

        `twice`: it sends the command again although it was answered.
        """
        command = f"command {next(self._ids)}"
        self.start()
        assert self.service is not None
        epoch = self.service.info.epoch
        for _ in range(100):
            reply = self._send(request, command, epoch)
            kind = getattr(reply, "kind", "")
            if kind == "StaleEpoch":
                epoch = self.service.info.epoch
            elif reply is not None and kind not in ("StoreBusy", "StoreFull"):
                break
        else:
            raise AssertionError("never answered")
        if twice and not kind:
            again = None
            while again is None or getattr(again, "kind", "") in ("StoreBusy", "StoreFull"):
                again = self._send(request, command, "")
            assert again == reply
        self.rest()
        return reply

    def rest(self) -> None:
        """Let the daemon do what is to do, through as many deaths as it takes."""
        while True:
            self.start()
            with self.mortal():
                self.turn()
                return

    def _send(self, request: AnyRequest, command: str, epoch: str) -> AnyReply | None:
        """The answer; none where the daemon was killed before it said one."""
        self.start()
        assert self.service is not None
        with self.mortal():
            frames = codec.encode(request, id=command, epoch=epoch)
            self.service._answer(Peer(self.service.sockets.control, b"client"), frames)
            ((_, *answer),) = self.service.sockets.control.take()
            header, reply = codec.decode(answer, codec.replies)
            assert header.id == command
            return reply
        return None

    def close(self) -> None:
        """Put everything back."""
        self.kill()
        for run in self.living():
            run.die()
        self.patch.undo()
