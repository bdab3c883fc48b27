"""One daemon's life as the dashboard hears it: attach, listen, ask, fill what is missing."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import zmq

from lorad.shared.client import Client
from lorad.shared.errors import DaemonSilent, RequestRefused
from lorad.shared.messages import (
    DAEMON_TOPIC,
    MACHINE_TOPIC,
    NEWS_TOPIC,
    QUEUE_TOPIC,
    AnyReply,
    Attached,
    GetNews,
    GetStatus,
    Happened,
    Happenings,
    job_topic,
)
from lorad.shared.watch import Heard
from lorad.tui import mirror as reducer
from lorad.tui.asking import Command
from lorad.tui.filling import Filling
from lorad.tui.messages import Answered, Declined, Noticed
from lorad.tui.mirror import EVERYTHING, NOTHING, Needs

if TYPE_CHECKING:
    from lorad.tui.link import DaemonLink

QUIET_SECONDS = 2.0
"""After this long without a beat it is worth a look whether the daemon still lives."""
STALE_SECONDS = 4.0
"""After this long what is shown is called stale, though the connection may only be slow."""
PATIENCE_SECONDS = 0.5
AWAY_SECONDS = 60.0
"""Whoever looked away for longer wants to know what happened."""
REMEMBER_SECONDS = 10.0


class Conversation(Filling):
    """One daemon's life, as this viewer hears it; ends by an error or when the link stops."""

    def __init__(self, link: DaemonLink, client: Client) -> None:
        """`client` has been greeted."""
        super().__init__(link, client)
        self._followed_at = 0.0
        self._remembered = time.monotonic()
        self._came = False
        self._daemon = client.daemon

    def hold(self) -> None:
        """Attach, then listen and ask until the end."""
        epoch = self._daemon.epoch
        topics = (QUEUE_TOPIC, MACHINE_TOPIC, DAEMON_TOPIC, NEWS_TOPIC)
        self._watch = self._client.watch(*topics)
        try:
            self._attach(epoch)
            self._listen(epoch)
        finally:
            self._watch.close()
            self._remember()

    def _attach(self, epoch: str) -> None:
        patience = self._client.home.patience
        early = self._watch.wait_attached(patience)
        status = self._client.ask(GetStatus(), patience)
        self._mirror = reducer.with_status(self._mirror, status, time.time())
        for heard in early:
            self._hear(heard, epoch)
        self._follow(self._link._selected)
        for command in list(self._link.unanswered.values()):
            self._send(command)

    def _listen(self, epoch: str) -> None:
        last = time.monotonic()
        while not self._link._stopping.is_set():
            if self._settled():
                self._link._show(self._mirror)
            if self._wait():
                last = time.monotonic()
                self._drain(epoch)
                self._asking.take()
                self._mirror = reducer.back(self._mirror, time.time())
            elif (silence := time.monotonic() - last) > QUIET_SECONDS:
                self._check_life(silence)
            self._serve()
            self._fill()

    def _settled(self) -> bool:
        """Whether a new selection is complete, or late: half of it would only flicker."""
        detail = self._mirror.detail
        late = time.monotonic() - self._followed_at > PATIENCE_SECONDS
        return detail is None or detail.loaded or detail.id not in self._mirror.jobs or late

    def _wait(self) -> bool:
        """Sleep until something came or is wished; whether something came."""
        poller = zmq.Poller()
        poller.register(self._watch.socket, zmq.POLLIN)
        poller.register(self._client.control, zmq.POLLIN)
        poller.register(self._link._wake_read, zmq.POLLIN)
        ready = dict(poller.poll(1000))
        if self._link._wake_read in ready:
            os.read(self._link._wake_read, 4096)
        return self._watch.socket in ready or self._client.control in ready

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
        self._see(heard.header.time)
        if isinstance(heard.event, Attached):
            return
        if isinstance(heard.event, Happened):
            self._link._post(Noticed(heard.event.happening, self._mirror.place))
        if self._is_held(heard.topic):
            self._held.append(heard)
        else:
            self._apply(heard)

    def _check_life(self, silence: float) -> None:
        self._client.home.check()
        patience = self._client.home.patience
        if silence > patience:
            raise DaemonSilent(seconds=silence)
        self._asking.check(patience)
        if silence > STALE_SECONDS:
            sentence = "Nothing came for some seconds; the connection is still there."
            self._mirror = reducer.gone(self._mirror, time.time() - silence, sentence)

    # -- coming back --------------------------------------------------------------------------

    def _see(self, at: float) -> None:
        """Something that was said at this time, by the box's clock, was heard."""
        if not self._came:
            self._came = True
            since = self._link.seen or self._link.left.read(self._daemon)
            if since is not None and at - since > AWAY_SECONDS:
                self._ask_news(since)
        self._link.seen = max(at, self._link.seen or at)
        if time.monotonic() - self._remembered > REMEMBER_SECONDS:
            self._remember()

    def _remember(self) -> None:
        self._remembered = time.monotonic()
        if self._link.seen is not None:
            self._link.left.write(self._daemon, self._link.seen)

    def _ask_news(self, since: float) -> None:
        def came(news: Happenings) -> None:
            self._mirror = reducer.with_away(self._mirror, since, news)

        self._ask_fill("news", GetNews(since=since, newest=True), Happenings, came)

    # -- wishes -------------------------------------------------------------------------------

    def _serve(self) -> None:
        if self._link._selected != self._followed:
            self._follow(self._link._selected)
        if self._link._metrics != self._metrics:
            self._metrics = self._link._metrics
            self._needs |= Needs(chart=True)
        while not self._link._wanted.empty():
            request = self._link._wanted.get()
            command = Command(request, self._daemon.epoch, time.monotonic())
            self._link.unanswered[command.id] = command
            self._send(command)

    def _send(self, command: Command) -> None:
        def answered(reply: AnyReply) -> None:
            del self._link.unanswered[command.id]
            self._link._post(Answered(command.request, reply))

        def refused(error: RequestRefused) -> None:
            del self._link.unanswered[command.id]
            self._link._post(Declined(command.request, str(error)))

        self._asking.command(command, answered, refused)

    def _follow(self, job_id: int | None) -> None:
        """Listen to another job's streams; what it has so far comes when they are active."""
        if self._followed is not None:
            self._watch.unsubscribe(*_topics(self._followed))
        if self._mirror.detail is None or self._mirror.detail.id != job_id:
            self._mirror = reducer.with_selected(self._mirror, job_id)
        self._followed = job_id
        self._followed_at = time.monotonic()
        self._needs = NOTHING
        self._earlier = []
        if job_id is not None:
            self._watch.subscribe(*_topics(job_id))
            self._needs = EVERYTHING


def _topics(job_id: int) -> tuple[str, ...]:
    return (
        job_topic(job_id, "metrics"),
        job_topic(job_id, "samples"),
        job_topic(job_id, "notes"),
        job_topic(job_id, "log"),
    )
