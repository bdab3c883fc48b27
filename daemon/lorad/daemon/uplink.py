"""A run's line to whatever daemon is there: reports up, orders down, in a thread of its own.

The training step only puts a report on a list and reads a plain variable. The thread writes the
reports to the journal, sends them, and sends them again until a daemon says that they are stored.
Without a daemon the run trains on; the next one is greeted within seconds.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq

from lorad.daemon.journal import Journal, journal_path
from lorad.shared import codec
from lorad.shared.errors import BadRequest
from lorad.shared.messages import (
    Acknowledged,
    AnyReport,
    Assignment,
    ChangeRecipe,
    Message,
    NoteReport,
    Order,
    Reports,
    RunHello,
    RunWelcome,
    SampleNow,
    SampleReport,
    SaveNow,
    Steer,
    Wanted,
)
from lorad.shared.redact import redact_bytes

log = logging.getLogger(__name__)
TICK_SECONDS = 0.1
SEND_SECONDS = 0.25
"""Between two batches: a screen is not drawn more often, and each one is flushed to the disk."""
GREET_SECONDS = 2.0
"""A daemon that said nothing for so long is greeted (again)."""
BATCH = 200
BATCH_BYTES = 256 * 1024


@dataclass(frozen=True)
class Identity:
    """Which run this is, as its process was told."""

    job_id: int
    attempt: int
    token: str
    endpoint: str
    run_folder: Path


class Uplink:
    """The line. Its owner calls `report`, `wanted`, and `close` at the end."""

    def __init__(self, identity: Identity) -> None:
        """Begins to greet at once."""
        self._identity = identity
        self._inbox: deque[AnyReport] = deque()
        self._unstored: deque[AnyReport] = deque()  # journalled or sent, not yet acknowledged
        self._unwritten: list[AnyReport] = []  # refused by a full disk, in order
        self._writing = threading.Lock()  # the run may write its reports itself
        self._acknowledged = 0
        self._in_flight = 0  # how many of `_unstored` were sent and wait for their answer
        self._wanted: Wanted = "run"
        self._orders: deque[Order] = deque()
        self._revision = 0  # of the recipe that the run has, or finds in its orders
        self._samples = 0
        self._saves = 0
        self._terminated = False
        self._assigned = threading.Event()
        self._closing = threading.Event()
        self.assignment: Assignment | None = None
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)
        self._thread.start()

    # -- the run's side -----------------------------------------------------------------------

    @property
    def wanted(self) -> Wanted:
        """What somebody wants of the run now; asked between steps."""
        if self._terminated and self._wanted in ("run", "hold"):
            return "pause"
        return self._wanted

    def terminate(self) -> None:
        """SIGTERM, as a reboot sends it: save and go, whatever the daemon says."""
        self._terminated = True

    def orders(self) -> list[Order]:
        """What is to be done between two steps, each once, oldest first; never waits."""
        if not self._orders:
            return []
        return [self._orders.popleft() for _ in range(len(self._orders))]

    def report(self, *reports: AnyReport) -> None:
        """Say it; never waits."""
        self._inbox.extend(reports)

    def settle(self) -> None:
        """Write it to the journal now: a resume behind this step will not report it again."""
        self._take_inbox()

    def wait_assignment(self, seconds: float) -> Assignment | None:
        """The task, or none when no daemon gave one in time."""
        self._assigned.wait(seconds)
        return self.assignment

    def close(self, seconds: float = 5.0) -> None:
        """Write everything down, and give a daemon this long to take it."""
        self._closing.set()
        self._thread.join(seconds)

    # -- the thread's side --------------------------------------------------------------------

    def _run(self) -> None:
        context: zmq.Context[Any] = zmq.Context()
        socket: zmq.Socket[Any] = context.socket(zmq.DEALER)
        socket.linger = 250
        socket.setsockopt(zmq.IMMEDIATE, 1)
        socket.connect(self._identity.endpoint)
        self._socket = socket
        identity = self._identity
        self._journal = Journal(journal_path(identity.run_folder, identity.attempt))
        self._heard = float("-inf")
        self._greeted = float("-inf")
        self._sent = float("-inf")
        while not self._done():
            self._take_inbox()
            self._greet()
            self._send_batch()
            if socket.poll(int(TICK_SECONDS * 1000)):
                self._hear()
        self._journal.close()
        context.destroy(linger=250)

    def _done(self) -> bool:
        return self._closing.is_set() and not self._inbox and not self._unstored

    def _take_inbox(self) -> None:
        with self._writing:
            while self._inbox:
                report = self._inbox.popleft()
                self._unwritten.append(report)
                self._unstored.append(report)
            if self._unwritten:
                try:
                    self._journal.append(self._unwritten)
                    self._unwritten = []
                except OSError as error:
                    log.warning("the journal cannot be written: %s", error)

    def _greet(self) -> None:
        now = time.monotonic()
        if now - max(self._heard, self._greeted) < GREET_SECONDS:
            return
        self._greeted = now
        self._in_flight = 0
        me = self._identity
        self._send(RunHello(id=me.job_id, token=me.token, attempt=me.attempt))

    def _send_batch(self) -> None:
        if self._in_flight or not self._unstored or not self._assigned.is_set():
            return
        now = time.monotonic()
        if now - self._sent < SEND_SECONDS and not self._closing.is_set():
            return
        self._sent = now
        batch: list[AnyReport] = []
        size = 0
        with self._writing:
            first = list(itertools.islice(self._unstored, BATCH))
        for report in first:
            size += _size(report)
            if batch and size > BATCH_BYTES:
                break  # the daemon's socket refuses a message of a MiB, and the line with it
            batch.append(report)
        if self._send(Reports(first=self._acknowledged + 1, reports=batch)):
            self._in_flight = len(batch)

    def _send(self, message: Message) -> bool:
        try:
            header, payload = codec.encode(message)
            self._socket.send_multipart([header, redact_bytes(payload)], zmq.DONTWAIT)
        except zmq.Again:
            return False  # no daemon there, or it does not read
        return True

    def _hear(self) -> None:
        try:
            _, message = codec.decode(self._socket.recv_multipart(), codec.to_run)
        except BadRequest as error:
            log.warning("the daemon said something unknown: %s", error)
            return
        self._heard = time.monotonic()
        if isinstance(message, RunWelcome):
            self._wanted = message.wanted
            self._stored(message.acknowledged)
            self._take_assignment(message.assignment)
        elif isinstance(message, Acknowledged):
            self._stored(message.number)
        elif isinstance(message, Steer):
            self._wanted = message.wanted
        else:
            self._take_order(message)

    def _take_assignment(self, assignment: Assignment) -> None:
        """The task; a later welcome also says which orders were missed since."""
        if self.assignment is None:
            self._revision, self._samples = assignment.revision, assignment.samples
            self._saves = assignment.saves
            self.assignment = assignment
            self._assigned.set()
            return
        self._take_order(ChangeRecipe(recipe=assignment.recipe, revision=assignment.revision))
        self._take_order(SampleNow(number=assignment.samples))
        self._take_order(SaveNow(number=assignment.saves))

    def _take_order(self, order: Order) -> None:
        """Keep it for the run, unless it was given before."""
        if isinstance(order, ChangeRecipe) and order.revision > self._revision:
            self._revision = order.revision
            self._orders.append(order)
        elif isinstance(order, SampleNow) and order.number > self._samples:
            self._samples = order.number
            self._orders.append(order)
        elif isinstance(order, SaveNow) and order.number > self._saves:
            self._saves = order.number
            self._orders.append(order)

    def _stored(self, number: int) -> None:
        self._in_flight = 0
        while self._acknowledged < number and self._unstored:
            self._unstored.popleft()
            self._acknowledged += 1


def _size(report: AnyReport) -> int:
    """About how many bytes it is on the wire."""
    if isinstance(report, SampleReport):
        picture = report.picture
        return 400 + len(picture.thumb) + 4 * (len(picture.prompt) + len(picture.path))
    return 200 + 4 * len(report.text) if isinstance(report, NoteReport) else 200
