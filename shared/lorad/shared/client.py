"""A script's, the command line's and the dashboard's way to the daemon.

    with Client() as daemon:
        job = daemon.ask(AddJob(recipe=text, folder="/data")).job
        for point in daemon.points(job.id):
            print(point.step, point.loss)

A `Client` and its `Watch`es belong to one thread: ZeroMQ's sockets are not to be shared.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple, Self, overload

import zmq

from lorad.shared import codec
from lorad.shared.connection import Connection
from lorad.shared.endpoints import Place, find_home
from lorad.shared.errors import (
    BadRequest,
    DaemonSilent,
    NoAnswerOverTcp,
    RequestRefused,
)
from lorad.shared.jobs import Ended, Job
from lorad.shared.messages import (
    PROTOCOL,
    QUEUE_TOPIC,
    Added,
    AddJob,
    AnyReply,
    AnyRequest,
    Batch,
    Batched,
    Chart,
    CopyJob,
    DaemonInfo,
    GetChart,
    GetHealth,
    GetLog,
    GetLogLines,
    GetMarks,
    GetMetrics,
    GetNews,
    GetNotes,
    GetPicture,
    GetRecipe,
    GetSamples,
    GetStatus,
    GetUndo,
    GroupRequest,
    Groups,
    Happenings,
    Health,
    Hello,
    JobChanged,
    JobRemoved,
    Log,
    LogLines,
    Marks,
    Metrics,
    Notes,
    Picture,
    Point,
    PointsAdded,
    RecipeText,
    Refused,
    Samples,
    Status,
    Undo,
    Undoable,
    Undone,
    Welcome,
    Why,
    WhyJob,
    job_topic,
)
from lorad.shared.person import find_job, person
from lorad.shared.watch import Heard, Watch


class Answer(NamedTuple):
    """One reply as it arrived."""

    id: str
    reply: AnyReply
    size: int
    """Bytes."""


class Client:
    """A conversation with the daemon of this user on this box, or with one elsewhere."""

    def __init__(self, home: Place | None = None, name: str = "lorad.shared.client") -> None:
        """Nothing is sent before the first `ask`."""
        self.home: Place = home or find_home()
        self.name = name
        self._context: zmq.Context[Any] = zmq.Context()
        self._connection: Connection | None = None
        self._daemon: DaemonInfo | None = None
        self.seen: float | None = None
        """When the daemon answered last, by its own clock."""

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Let go of all sockets."""
        self._context.destroy(linger=0)

    @property
    def daemon(self) -> DaemonInfo:
        """The daemon that answers.

        Raises:
            DaemonError: none runs, or it speaks another protocol.
        """
        if self._daemon is None:
            self._daemon = self.greet()
        return self._daemon

    def greet(self) -> DaemonInfo:
        """Say hello, on a fresh connection.

        Raises:
            DaemonError: no daemon runs, it is silent, or it speaks another protocol.
        """
        self.home.open()
        if self._connection is not None:
            self._connection.close()
        self._connection = Connection(self._context, self.home)
        hello = Hello(
            protocol_min=PROTOCOL,
            protocol_max=PROTOCOL,
            client=f"{self.name} {person()}:{os.getpid()}",
        )
        welcome = self._exchange(hello, uuid.uuid4().hex, "", self.home.patience)
        if not isinstance(welcome, Welcome):
            raise BadRequest(why=f"hello was answered by {type(welcome).__name__}")
        self._daemon = welcome.daemon
        return welcome.daemon

    @overload
    def ask(
        self, request: GetStatus, timeout: float = ..., command_id: str | None = ...
    ) -> Status: ...
    @overload
    def ask(self, request: AddJob, timeout: float = ..., command_id: str | None = ...) -> Added: ...
    @overload
    def ask(self, request: WhyJob, timeout: float = ..., command_id: str | None = ...) -> Why: ...
    @overload
    def ask(
        self, request: GetRecipe, timeout: float = ..., command_id: str | None = ...
    ) -> RecipeText: ...
    @overload
    def ask(
        self, request: GetMetrics, timeout: float = ..., command_id: str | None = ...
    ) -> Metrics: ...
    @overload
    def ask(
        self, request: GetChart, timeout: float = ..., command_id: str | None = ...
    ) -> Chart: ...
    @overload
    def ask(
        self, request: GetSamples, timeout: float = ..., command_id: str | None = ...
    ) -> Samples: ...
    @overload
    def ask(
        self, request: GetMarks, timeout: float = ..., command_id: str | None = ...
    ) -> Marks: ...
    @overload
    def ask(
        self, request: GetPicture, timeout: float = ..., command_id: str | None = ...
    ) -> Picture: ...
    @overload
    def ask(
        self, request: GetNotes, timeout: float = ..., command_id: str | None = ...
    ) -> Notes: ...
    @overload
    def ask(
        self, request: GroupRequest, timeout: float = ..., command_id: str | None = ...
    ) -> Groups: ...
    @overload
    def ask(
        self, request: CopyJob, timeout: float = ..., command_id: str | None = ...
    ) -> Added: ...
    @overload
    def ask(
        self, request: Batch, timeout: float = ..., command_id: str | None = ...
    ) -> Batched: ...
    @overload
    def ask(
        self, request: GetNews, timeout: float = ..., command_id: str | None = ...
    ) -> Happenings: ...
    @overload
    def ask(
        self, request: GetUndo, timeout: float = ..., command_id: str | None = ...
    ) -> Undoable: ...
    @overload
    def ask(self, request: Undo, timeout: float = ..., command_id: str | None = ...) -> Undone: ...
    @overload
    def ask(self, request: GetLog, timeout: float = ..., command_id: str | None = ...) -> Log: ...
    @overload
    def ask(
        self, request: GetLogLines, timeout: float = ..., command_id: str | None = ...
    ) -> LogLines: ...
    @overload
    def ask(
        self, request: GetHealth, timeout: float = ..., command_id: str | None = ...
    ) -> Health: ...
    @overload
    def ask(
        self, request: AnyRequest, timeout: float = ..., command_id: str | None = ...
    ) -> AnyReply: ...

    def ask(
        self, request: AnyRequest, timeout: float = 15.0, command_id: str | None = None
    ) -> AnyReply:
        """The daemon's answer.

        A command that got no answer may be sent again with the same `command_id`: it acts once.

        Raises:
            RequestRefused: it said no; the message is the sentence for the user.
            DaemonError: it is not there or does not answer.
        """
        epoch = self.daemon.epoch
        return self._exchange(request, command_id or uuid.uuid4().hex, epoch, timeout)

    # -- without waiting ----------------------------------------------------------------------

    @property
    def control(self) -> zmq.Socket[bytes]:
        """To be polled for answers to `send`. Whoever sends so does not `ask` meanwhile."""
        assert self._connection is not None
        return self._connection.socket

    def send(self, request: AnyRequest, command_id: str, epoch: str) -> None:
        """Ask and go on; the answer comes by `answers`.

        Raises:
            DaemonSilent: the connection takes no more.
        """
        try:
            frames = codec.encode(request, id=command_id, epoch=epoch)
            self.control.send_multipart(frames, zmq.DONTWAIT)
        except zmq.Again:
            self._gone(0.0)

    def answers(self) -> Iterator[Answer]:
        """What has arrived by now."""
        while self.control.poll(0):
            frames = self.control.recv_multipart()
            header, reply = codec.decode(frames, codec.replies)
            yield Answer(header.id, reply, sum(map(len, frames)))

    def _exchange(self, request: AnyRequest, id: str, epoch: str, timeout: float) -> AnyReply:
        connection = self._connection
        assert connection is not None
        deadline = time.monotonic() + timeout
        frames = codec.encode(request, id=id, epoch=epoch)
        if not connection.ready(zmq.POLLOUT, deadline):
            self._gone(timeout)
        connection.socket.send_multipart(frames, zmq.DONTWAIT)
        while connection.ready(zmq.POLLIN, deadline):
            header, reply = codec.decode(connection.socket.recv_multipart(), codec.replies)
            self.seen = header.time
            if header.id != id:
                continue  # the late answer to a question that was given up
            if isinstance(reply, Refused):
                raise RequestRefused(reply.kind, reply.message, reply.exit_code)
            return reply
        return self._gone(timeout)

    def _gone(self, timeout: float) -> AnyReply:
        """Raise what the silence means."""
        self._daemon = None
        self.home.check()
        if self.home.curve is not None:
            raise NoAnswerOverTcp(address=self.home.control, seconds=timeout)
        raise DaemonSilent(seconds=timeout)

    def watch(self, *topics: str) -> Watch:
        """Listen to topics; the caller closes it."""
        watch = Watch(self._context, self.home.events, self.home.curve)
        watch.subscribe(*topics)
        return watch

    def job(self, job_id: int) -> Job:
        """One job as it is now.

        Raises:
            UnknownJob: there is none of that number.
        """
        return find_job(self.ask(GetStatus()), job_id)

    def follow(self, job_id: int, *topics: str) -> Iterator[Heard | Job]:
        """The job as it is now, then each event on `topics` and each change of it as a `Job`.

        Ends after the job ended or was removed.

        Raises:
            DaemonError: the daemon went away.
        """
        watch = self.watch(QUEUE_TOPIC, *topics)
        try:
            early = watch.wait_attached(self.home.patience)
            status = self.ask(GetStatus())
            job = find_job(status, job_id)
            # What was said before the snapshot is in it.
            early = [h for h in early if h.header.seq > status.heads.get(h.topic, 0)]
            head = status.heads.get(QUEUE_TOPIC, 0)
            yield job
            while not isinstance(job.status, Ended):
                heard = early.pop(0) if early else watch.receive(self.home.patience)
                lost = False
                if heard is not None and heard.topic == QUEUE_TOPIC:
                    lost, head = heard.header.seq > head + 1, heard.header.seq
                silent = heard is None or heard.header.epoch != self.daemon.epoch
                if lost or heard is None or silent:
                    # A hole, silence, or another daemon: news may be lost.
                    if silent:
                        self.greet()  # raises when nobody is there
                    job = self.job(job_id)
                    yield job
                elif isinstance(heard.event, JobRemoved) and heard.event.id == job_id:
                    return
                elif isinstance(heard.event, JobChanged):
                    if heard.event.job.id == job_id:
                        job = heard.event.job
                        yield job
                elif heard.topic in topics:
                    yield heard
        finally:
            watch.close()

    def points(self, job_id: int) -> Iterator[Point]:
        """Every step's figures from the first on, live until the job ends, each once.

        Raises:
            DaemonError: the daemon went away.
        """
        last = 0
        for heard in self.follow(job_id, job_topic(job_id, "metrics")):
            points: list[Point] = []
            if isinstance(heard, Job):
                points = self._points_after(job_id, last)
            elif isinstance(heard.event, PointsAdded):
                points = heard.event.points
                if points[0].step > last + 1:
                    points = self._points_after(job_id, last)
            for point in points:
                if point.step > last:
                    last = point.step
                    yield point

    def _points_after(self, job_id: int, step: int) -> list[Point]:
        points: list[Point] = []
        while more := self.ask(GetMetrics(id=job_id, after=step)).points:
            points += more
            step = more[-1].step
        return points
