"""The dashboard's connection: one thread that owns the sockets and keeps a mirror.

The thread posts `News` when there is a newer mirror, and nothing more until it was taken, so a
terminal that stalls costs no memory. Commands reach it through a queue and a pipe that wakes it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Protocol

import zmq
from textual.message import Message

from lorad.shared.client import SILENCE_SECONDS, Client, Heard, Watch
from lorad.shared.endpoints import Home
from lorad.shared.errors import DaemonError, DaemonSilent, LoradError, NoDaemon, RequestRefused
from lorad.shared.messages import (
    DAEMON_TOPIC,
    MACHINE_TOPIC,
    QUEUE_TOPIC,
    AnyRequest,
    Attached,
    GetChart,
    GetLog,
    GetMarks,
    GetMetrics,
    GetNotes,
    GetSamples,
    GetStatus,
    Metric,
    Point,
    Status,
    job_topic,
)
from lorad.tui import mirror as reducer
from lorad.tui.curve import CURVE_COLUMNS
from lorad.tui.messages import Answered, Declined, News
from lorad.tui.mirror import EVERYTHING, MAIN_METRICS, NOTHING, Mirror, Needs

ASK_SECONDS = 5.0
RETRY_SECONDS = 0.5
QUIET_SECONDS = 2.0
"""After this long without a beat it is worth a look whether the daemon still lives."""
PATIENCE_SECONDS = 0.5
REDRAW_SECONDS = 5.0
"""How often the daemon draws a growing curve anew: live points are smoothed from one side only."""
REDRAW_PARTS = 100
"""And not before it has grown by this part: what is new is then still within the smoothing."""

Post = Callable[[Message], object]


class Link(Protocol):
    """What the app knows of its connection; tests have one of their own."""

    def start(self, post: Post) -> None:
        """Begin; messages go to `post`, from any thread."""

    def stop(self) -> None:
        """End, and wait for the end."""

    def take(self) -> Mirror:
        """The newest mirror; from here on another `News` may come."""

    def select(self, job_id: int | None) -> None:
        """Follow this job's curve, pictures and log."""

    def chart(self, metrics: tuple[Metric, ...]) -> None:
        """Which of its curves are wanted."""

    def ask(self, request: AnyRequest) -> None:
        """Have the daemon do something: `Answered` or `Declined` will come."""


class DaemonLink:
    """The real one."""

    def __init__(self, home: Home, select: int | None = None) -> None:
        """Nothing happens before `start`."""
        self._home = home
        self._selected = select
        self._metrics = MAIN_METRICS
        self._mirror = Mirror()
        self._posted = threading.Event()
        self._stopping = threading.Event()
        self._wanted: queue.SimpleQueue[AnyRequest] = queue.SimpleQueue()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._post: Post = lambda message: None
        # A daemon thread: a request that waits for its time-out must not keep the shell waiting.
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)

    # -- the app's side -----------------------------------------------------------------------

    def start(self, post: Post) -> None:
        """Begin."""
        self._post = post
        self._thread.start()

    def stop(self) -> None:
        """End; at most two seconds."""
        self._stopping.set()
        self._wake()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def take(self) -> Mirror:
        """The newest mirror."""
        self._posted.clear()
        return self._mirror

    def select(self, job_id: int | None) -> None:
        """Only the newest wish counts: whoever runs down the list asks for its end."""
        self._selected = job_id
        self._wake()

    def chart(self, metrics: tuple[Metric, ...]) -> None:
        """As with `select`, the newest wish counts."""
        self._metrics = metrics
        self._wake()

    def ask(self, request: AnyRequest) -> None:
        """Hand over a request."""
        self._wanted.put(request)
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # the pipe is full of wake-ups already
            os.write(self._wake_write, b".")

    # -- the thread's side --------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    with Client(self._home, "lorad dashboard") as client:
                        Conversation(self, client).hold()
                except LoradError as error:
                    self._show(reducer.gone(self._mirror, time.time(), str(error)))
                    self._decline_all(str(error))
                    self._doze(RETRY_SECONDS)
        except RuntimeError as error:
            # Posting to an app whose loop has closed: it is gone, and so are we.
            if not self._stopping.is_set():
                raise RuntimeError("the dashboard's link died") from error

    def _doze(self, seconds: float) -> None:
        poller = zmq.Poller()
        poller.register(self._wake_read, zmq.POLLIN)
        if poller.poll(int(seconds * 1000)):
            os.read(self._wake_read, 4096)

    def _show(self, mirror: Mirror) -> None:
        if mirror is self._mirror:
            return
        self._mirror = mirror
        if not self._posted.is_set():
            self._posted.set()
            self._post(News())

    def _decline_all(self, sentence: str) -> None:
        """Answer what nobody can hear, so that no dialogue waits for ever."""
        while not self._wanted.empty():
            self._post(Declined(self._wanted.get(), sentence))


class Conversation:
    """One daemon's life, as this viewer hears it; ends by an error or when the link stops."""

    def __init__(self, link: DaemonLink, client: Client) -> None:
        self._link = link
        self._client = client
        self._watch: Watch
        self._mirror = link._mirror
        self._followed: int | None = None
        self._metrics = link._metrics
        self._followed_at = 0.0
        self._needs = NOTHING
        self._redrawn = 0.0

    def hold(self) -> None:
        """Attach, then listen and ask until the end."""
        epoch = self._client.daemon.epoch
        self._watch = self._client.watch(QUEUE_TOPIC, MACHINE_TOPIC, DAEMON_TOPIC)
        try:
            self._attach(epoch)
            self._listen(epoch)
        finally:
            self._watch.close()

    def _attach(self, epoch: str) -> None:
        early = self._watch.wait_attached(SILENCE_SECONDS)
        self._mirror = reducer.with_status(self._mirror, self._status())
        for heard in early:
            self._hear(heard, epoch)
        self._follow(self._link._selected)

    def _listen(self, epoch: str) -> None:
        last = time.monotonic()
        while not self._link._stopping.is_set():
            if self._settled():
                self._link._show(self._mirror)
            if self._wait():
                last = time.monotonic()
                self._drain(epoch)
            elif time.monotonic() - last > QUIET_SECONDS:
                self._check_life(time.monotonic() - last)
            self._serve()
            self._fill()

    def _settled(self) -> bool:
        """Whether a new selection is complete, or late: half of it would only flicker."""
        detail = self._mirror.detail
        late = time.monotonic() - self._followed_at > PATIENCE_SECONDS
        return detail is None or detail.loaded or detail.id not in self._mirror.jobs or late

    def _wait(self) -> bool:
        """Sleep until there is an event or a wish; whether it is an event."""
        poller = zmq.Poller()
        poller.register(self._watch.socket, zmq.POLLIN)
        poller.register(self._link._wake_read, zmq.POLLIN)
        ready = dict(poller.poll(1000))
        if self._link._wake_read in ready:
            os.read(self._link._wake_read, 4096)
        return self._watch.socket in ready

    def _drain(self, epoch: str) -> None:
        """Take what has arrived; a bounded amount, so that a flood cannot hold up a command."""
        for _ in range(500):
            heard = self._watch.receive(0)
            if heard is None:
                return
            self._hear(heard, epoch)

    def _hear(self, heard: Heard, epoch: str) -> None:
        if heard.header.epoch and heard.header.epoch != epoch:
            raise DaemonSilent(seconds=0)  # another daemon speaks: begin anew with that one
        if isinstance(heard.event, Attached):
            return
        topic, seq, event = heard.topic, heard.header.seq, heard.event
        self._mirror, needs = reducer.apply(self._mirror, topic, seq, event)
        self._needs |= needs

    def _check_life(self, silence: float) -> None:
        if self._link._home.daemon_pid() is None:
            raise NoDaemon
        if silence > SILENCE_SECONDS:
            raise DaemonSilent(seconds=silence)

    # -- wishes -------------------------------------------------------------------------------

    def _serve(self) -> None:
        if self._link._selected != self._followed:
            self._follow(self._link._selected)
        if self._link._metrics != self._metrics:
            self._metrics = self._link._metrics
            self._needs |= Needs(chart=True)
        while not self._link._wanted.empty():
            request = self._link._wanted.get()
            try:
                self._link._post(Answered(request, self._client.ask(request, ASK_SECONDS)))
            except RequestRefused as refused:
                self._link._post(Declined(request, str(refused)))
            except DaemonError as error:
                self._link._post(Declined(request, str(error)))
                raise

    def _status(self) -> Status:
        return self._client.ask(GetStatus(), ASK_SECONDS)

    def _follow(self, job_id: int | None) -> None:
        """Listen to another job's streams; what it has so far comes when they are active."""
        if self._followed is not None:
            self._watch.unsubscribe(*_topics(self._followed))
        if self._mirror.detail is None or self._mirror.detail.id != job_id:
            self._mirror = reducer.with_selected(self._mirror, job_id)
        self._followed = job_id
        self._followed_at = time.monotonic()
        self._needs = NOTHING
        if job_id is not None:
            self._watch.subscribe(*_topics(job_id))
            self._needs = EVERYTHING

    # -- what is missing ----------------------------------------------------------------------

    def _fill(self) -> None:
        """Ask for what is missing, once the streams that continue it are active."""
        if self._redraw_due():
            self._needs |= Needs(chart=True)
        if not self._needs or not self._watch.attached:
            return
        needs, self._needs = self._needs, NOTHING
        if needs.status:
            self._mirror = reducer.with_status(self._mirror, self._status())
        if self._followed is None or self._followed not in self._mirror.jobs:
            return
        try:
            self._fill_job(self._followed, needs)
        except RequestRefused:
            # It was removed a moment ago: the news of that is on its way.
            self._needs = Needs(status=True)

    def _fill_job(self, id: int, needs: Needs) -> None:
        if needs.chart:
            self._fill_chart(id)
        elif needs.points_after is not None:
            metrics = self._client.ask(GetMetrics(id=id, after=needs.points_after), ASK_SECONDS)
            self._mirror = reducer.with_points(self._mirror, id, metrics.points)
            self._mirror = reducer.with_validations(self._mirror, id, metrics.validations)
        if needs.samples:
            pictures = self._client.ask(GetSamples(id=id), ASK_SECONDS).pictures
            self._mirror = reducer.with_samples(self._mirror, id, pictures)
        if needs.notes:
            self._fill_notes(id)
        if needs.log_from is not None:
            log = self._client.ask(GetLog(id=id, offset=needs.log_from), ASK_SECONDS)
            self._mirror = reducer.with_log(self._mirror, id, log)
            if log.text and needs.log_from >= 0:
                self._needs |= Needs(log_from=log.next)

    def _fill_notes(self, id: int) -> None:
        """What happened so far."""
        notes = self._client.ask(GetNotes(id=id, limit=reducer.NOTES), ASK_SECONDS).notes
        self._mirror = reducer.with_notes(self._mirror, id, notes)
        marks = self._client.ask(GetMarks(id=id), ASK_SECONDS).marks
        self._mirror = reducer.with_marks(self._mirror, id, marks)

    def _fill_chart(self, id: int) -> None:
        wanted = self._metrics
        request = GetChart(id=id, width=CURVE_COLUMNS, metrics=list(wanted))
        chart = self._client.ask(request, ASK_SECONDS)
        newest: list[Point] = []
        if columns := chart.lines.get("loss"):
            newest = self._client.ask(
                GetMetrics(id=id, after=columns[-1].step - 1), ASK_SECONDS
            ).points
        self._mirror = reducer.with_chart(self._mirror, id, chart, newest, wanted)
        self._redrawn = time.monotonic()

    def _redraw_due(self) -> bool:
        if self._mirror.detail is None:
            return False
        curve = self._mirror.detail.curve("loss")
        enough = max(CURVE_COLUMNS // 20, curve.last_step // REDRAW_PARTS)
        return curve.grown >= enough and time.monotonic() - self._redrawn > REDRAW_SECONDS


def _topics(job_id: int) -> tuple[str, ...]:
    return (
        job_topic(job_id, "metrics"),
        job_topic(job_id, "samples"),
        job_topic(job_id, "notes"),
        job_topic(job_id, "log"),
    )
