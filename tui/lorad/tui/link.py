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

from lorad.shared.clean import clean_line
from lorad.shared.client import Client
from lorad.shared.endpoints import Home, Place
from lorad.shared.errors import ConnectionBroke, LoradError, NoDaemon
from lorad.shared.messages import AnyRequest, Metric
from lorad.tui import mirror as reducer
from lorad.tui.asking import UNKNOWN_ROOM, Command, Pace
from lorad.tui.conversation import Conversation
from lorad.tui.left import Left
from lorad.tui.messages import Declined, News
from lorad.tui.mirror import MAIN_METRICS, Mirror
from lorad.tui.tunnel import Tunnel

RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 8.0
"""A box that is away for hours is asked for less often: each time is a whole ssh."""
COMMAND_SECONDS = 30.0
"""So long a command outlives a broken connection; later nobody expects it to be done."""

Post = Callable[[Message], object]


class Link(Protocol):
    """What the app knows of its connection; tests have one of their own."""

    @property
    def seen(self) -> float | None:
        """The newest moment that was heard of, by the box's clock."""

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

    def __init__(
        self, home: Place, select: int | None = None, name: str = "", left: Left | None = None
    ) -> None:
        """Nothing happens before `start`. `name` is the other box's; `left` remembers visits."""
        self._home = home
        self._selected = select
        self._metrics = MAIN_METRICS
        self._mirror = Mirror(place=name)
        self.left = left or Left()
        self.seen: float | None = None
        """The newest moment that was heard of, by the box's clock."""
        self.pace = Pace(1 << 20 if isinstance(home, Home) else UNKNOWN_ROOM)
        self.unanswered: dict[str, Command] = {}
        self.whole_samples: int | None = None
        """The job whose pictures were all asked for."""
        self._posted = threading.Event()
        self._posted_gauges = threading.Event()
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
        if isinstance(self._home, Tunnel):
            # The dashboard has the terminal by now, which ssh takes to be free.
            self._home.quiet = True
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
        self._posted_gauges.clear()
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
        wait = RETRY_SECONDS
        try:
            while not self._stopping.is_set():
                try:
                    with Client(self._home, "lorad dashboard") as client:
                        client.greet()
                        wait = RETRY_SECONDS
                        Conversation(self, client).hold()
                except LoradError as error:
                    wait = self._away(error, wait)
                except RuntimeError:
                    raise
                except Exception as error:  # a thread that ended would say so to nobody
                    what = f"{type(error).__name__}: {clean_line(str(error), 200)}"
                    wait = self._away(ConnectionBroke(what=what), wait)
        except RuntimeError as error:
            # Posting to an app whose loop has closed: it is gone, and so are we.
            if not self._stopping.is_set():
                raise RuntimeError("the dashboard's link died") from error

    def _away(self, error: LoradError, wait: float) -> float:
        """Show it, answer what waits, and rest; so long the next rest is."""
        none = isinstance(error, NoDaemon)
        self._show(reducer.gone(self._mirror, time.time(), str(error), none_runs=none))
        self._decline(error)
        self._doze(wait)
        return wait if isinstance(self._home, Home) else min(LONGEST_RETRY_SECONDS, wait * 2)

    def _doze(self, seconds: float) -> None:
        poller = zmq.Poller()
        poller.register(self._wake_read, zmq.POLLIN)
        if poller.poll(int(seconds * 1000)):
            os.read(self._wake_read, 4096)

    def _show(self, mirror: Mirror) -> None:
        if mirror is self._mirror:
            return
        gauges = reducer.only_gauges(self._mirror, mirror)
        self._mirror = mirror
        if self._posted.is_set() or (gauges and self._posted_gauges.is_set()):
            return
        (self._posted_gauges if gauges else self._posted).set()
        self._post(News(gauges=gauges))

    def _decline(self, error: LoradError) -> None:
        """Answer what nobody can hear, so that no dialogue waits for ever.

        What was sent may have been heard: it is asked for once more, by the same id.
        """
        while not self._wanted.empty():
            self._post(Declined(self._wanted.get(), str(error)))
        # What broke here may have done so for the very command, and would do so again.
        lost = isinstance(error, NoDaemon | ConnectionBroke)
        for id, command in list(self.unanswered.items()):
            if lost or time.monotonic() - command.at > COMMAND_SECONDS:
                del self.unanswered[id]
                self._post(Declined(command.request, str(error)))
