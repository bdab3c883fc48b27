"""What `lorad check` says of a recipe, beside the form that it is written in."""

from __future__ import annotations

import codecs
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable

from textual.containers import VerticalScroll
from textual.message import Message
from textual.widgets import Static

from lorad.shared.clean import clean
from lorad.shared.errors import LoradError
from lorad.tui.commands._tools import require_training, tool_command

STILL_SECONDS = 0.7
"""A recipe that is still being changed is not looked over yet."""
MOST = 20_000
"""Characters that are shown."""


class Check:
    """One look at a recipe: a process of its own, and a thread that hears it."""

    def __init__(self, recipe: str, folder: str, tell: Callable[[str], object]) -> None:
        """Begins soon; `tell` is called from its thread with all that was said so far."""
        self._recipe = recipe
        self._folder = folder
        self._tell = tell
        self._stopped = threading.Event()
        self._lock = threading.Lock()  # a process that is being made is not missed by `stop`
        self._process: subprocess.Popen[bytes] | None = None
        threading.Thread(target=self._run, name="check", daemon=True).start()

    def stop(self) -> None:
        """End it with all that it started."""
        self._stopped.set()
        with self._lock:
            if self._process is not None and self._process.returncode is None:
                # A session of its own, so the group is all that it started.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)

    def _run(self) -> None:
        if self._stopped.wait(STILL_SECONDS):
            return
        try:
            require_training()
            process = self._begin()
        except (LoradError, OSError) as error:
            self._tell(str(error))
            return
        if process is not None:
            self._follow(process)

    def _begin(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._stopped.is_set():
                return None
            self._process = subprocess.Popen(
                tool_command("check", "-", "--folder", self._folder),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            return self._process

    def _follow(self, process: subprocess.Popen[bytes]) -> None:
        """Tell what the process says, as it comes."""
        assert process.stdin is not None
        assert process.stdout is not None
        text, decoder = "", codecs.getincrementaldecoder("utf-8")("replace")
        with process.stdout:
            with contextlib.suppress(BrokenPipeError), process.stdin:
                process.stdin.write(self._recipe.encode())
            while piece := os.read(process.stdout.fileno(), 4096):
                text = (text + decoder.decode(piece))[:MOST]
                if not self._stopped.is_set():
                    self._tell(text.rstrip())
        process.wait()
        if not text and not self._stopped.is_set():
            self._tell("The look at it ended without a word; `lorad check` may tell more.")


class CheckReport(VerticalScroll):
    """Looks one recipe over at a time; the look ends with the form."""

    can_focus = False

    class Said(Message):
        """A look has more to say."""

        def __init__(self, seen: tuple[str, str], text: str) -> None:
            super().__init__()
            self.seen = seen
            self.text = text

    def __init__(self, id: str = "report") -> None:
        super().__init__(Static("", id="report-text", markup=False), id=id)
        self._seen: tuple[str, str] | None = None
        self._check: Check | None = None

    def look(self, recipe: str, folder: str) -> None:
        """Look this recipe over, unless it is the one that is looked at."""
        seen = (recipe, folder)
        if seen == self._seen:
            return
        self.stop("It is looked over: model, captions and every picture …")
        self._seen = seen
        self._check = Check(
            recipe, folder, lambda text: self.post_message(CheckReport.Said(seen, text))
        )

    def stop(self, text: str = "") -> None:
        """Look at nothing more, and show this."""
        self._seen = None
        if self._check is not None:
            self._check.stop()
            self._check = None
        self._show(text)

    def on_unmount(self) -> None:
        if self._check is not None:
            self._check.stop()

    def on_check_report_said(self, event: CheckReport.Said) -> None:
        if event.seen == self._seen:
            self._show(event.text)

    def _show(self, text: str) -> None:
        """Show a text; it is data, never markup."""
        self.query_one("#report-text", Static).update(clean(text, MOST))
