"""What the user wants done when something happens: a program, a webhook. In a thread of its own."""

from __future__ import annotations

import http.client
import json
import logging
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from lorad.shared.clean import clean_line
from lorad.shared.config import HookName, Hooks
from lorad.shared.messages import Happening
from lorad.shared.redact import redact

log = logging.getLogger(__name__)
COMMAND_SECONDS = 60.0
WEBHOOK_SECONDS = 10.0
PAUSES = (1.0, 5.0)
"""Between the tries of a webhook, in seconds."""
MOST, MOST_SECONDS = 20, 60.0
"""So many in so long: beyond it a loop of failures would flood whoever is told."""
WAITING = 100
GOODBYE_SECONDS = 3.0


class Notice(NamedTuple):
    """A happening that a hook may want."""

    event: HookName
    sentence: str
    happening: Happening


def notice_of(line: Happening) -> Notice | None:
    """What hooks call this; none for what no hook is about."""
    name = f" ({clean_line(line.name, 60)})" if line.name else ""
    who = f"Job {line.id}{name}" if line.id else ""
    text = clean_line(line.text, 500)
    moved = line.before != line.after
    if moved and line.after == "done":
        return Notice("done", f"{who} is done" + (f": {text}" if text else "."), line)
    if moved and line.after == "failed":
        return Notice("failed", f"{who} failed: {text}", line)
    if line.after == "paused" and line.event in ("left", "died", "rebooted"):
        return Notice("paused", f"{who} was paused: {text}", line)
    events: dict[str, HookName] = {
        "nonfinite": "nan",
        "stalled": "stalled",
        "hung": "hung",
        "disk_low": "disk_low",
        "queue_empty": "queue_empty",
    }
    if event := events.get(line.event):
        return Notice(event, f"{who}: {text}" if who else text, line)
    return None


class Limit:
    """At most so many in so many seconds."""

    def __init__(self, most: int = MOST, seconds: float = MOST_SECONDS) -> None:
        """Nothing was done yet."""
        self._most = most
        self._seconds = seconds
        self._done: deque[float] = deque()

    def allows(self, now: float) -> bool:
        """Whether one more may be done; if so it counts."""
        while self._done and now - self._done[0] > self._seconds:
            self._done.popleft()
        if len(self._done) >= self._most:
            return False
        self._done.append(now)
        return True


class Runner:
    """Takes happenings from the loop and acts on them; the loop never waits."""

    def __init__(self, wanted: Callable[[], Hooks], hostname: str, umask: int) -> None:
        """`wanted` says what the settings are now; `umask` is for what a program writes."""
        self._wanted = wanted
        self._hostname = hostname
        self._umask = umask
        self._limit = Limit()
        self._waiting: queue.Queue[Notice | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None

    def put(self, line: Happening) -> None:
        """Something happened."""
        notice = notice_of(msgspec.structs.replace(line, text=redact(line.text)))
        if notice is None:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="hooks", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(notice)
        except queue.Full:
            log.warning("hook %s is left out: too many wait", notice.event)

    def close(self) -> None:
        """Let the last ones be told, for a moment."""
        if self._thread is not None:
            try:
                self._waiting.put_nowait(None)
            except queue.Full:
                return
            self._thread.join(GOODBYE_SECONDS)

    def _run(self) -> None:
        while (notice := self._waiting.get()) is not None:
            try:
                self._act(notice, self._wanted())
            except Exception:  # one hook must not end all later ones
                log.exception("hook %s went wrong", notice.event)

    def _act(self, notice: Notice, hooks: Hooks) -> None:
        if notice.event not in hooks.on or not (hooks.command or hooks.webhook):
            return
        if not self._limit.allows(time.monotonic()):
            log.warning("hook %s is left out: more than %d a minute", notice.event, MOST)
            return
        if hooks.command:
            self._command(notice, hooks.command)
        if hooks.webhook:
            self._webhook(notice, hooks.webhook)

    def _command(self, notice: Notice, command: tuple[str, ...]) -> None:
        line = notice.happening
        facts = {
            "LORAD_EVENT": notice.event,
            "LORAD_SENTENCE": notice.sentence,
            "LORAD_JOB_ID": str(line.id or ""),
            "LORAD_JOB_NAME": clean_line(line.name),
        }
        with tempfile.TemporaryFile() as said:
            try:
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    env={**os.environ, **facts},
                    start_new_session=True,
                    umask=self._umask,
                )
            except OSError as error:
                log.warning("hook %s: %s cannot be run: %s", notice.event, command[0], error)
                return
            try:
                code = child.wait(COMMAND_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                log.warning("hook %s: %s took too long and was ended", notice.event, command[0])
                return
            if code:
                said.seek(0)
                words = clean_line(said.read(2000).decode(errors="replace"), 500)
                log.warning("hook %s: %s ended with %d: %s", notice.event, command[0], code, words)

    def _webhook(self, notice: Notice, url: str) -> None:
        """The address may hold a secret: of it only the host is ever written down."""
        try:
            scheme, host = urlsplit(url).scheme, urlsplit(url).hostname
        except ValueError:
            scheme, host = "", None
        if scheme not in ("http", "https"):
            log.warning("hook %s: a webhook begins with https://", notice.event)
            return
        line = notice.happening
        facts = {"schema": 1, "event": notice.event, "sentence": notice.sentence,
                 "id": line.id or None, "name": line.name or None, "seq": line.number,
                 "time": line.time, "hostname": self._hostname}  # fmt: skip
        head = {"Content-Type": "application/json", "User-Agent": "lorad"}
        request = urllib.request.Request(url, json.dumps(facts).encode(), head)
        why = ""
        for pause in (*PAUSES, None):
            try:
                with urllib.request.urlopen(request, timeout=WEBHOOK_SECONDS):
                    return
            except urllib.error.HTTPError as error:
                error.close()
                why = f"it answered {error.code}"
                if error.code < 500 and error.code != 429:
                    break  # it would say so again
            except (urllib.error.URLError, OSError) as error:
                why = str(getattr(error, "reason", error))
            except (http.client.InvalidURL, ValueError):  # they tell the address
                why = "its address has blanks, a name before @, or no number as port"
                break
            except http.client.HTTPException as error:
                why = f"its answer is not HTTP ({type(error).__name__})"
            if pause is not None:
                time.sleep(pause)
        log.warning("hook %s: %s was not told: %s", notice.event, host, why)
