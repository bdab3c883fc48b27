"""A daemon on another box, through the user's own ssh.

ssh forwards the daemon's two sockets into a private folder here, so that all else works as if the
daemon were on this machine. The command at the far end lives as long as its standard input: when
this process dies, however it does, ssh ends too.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import IO, Any, NamedTuple

from lorad.shared.clean import clean_line
from lorad.shared.errors import (
    DaemonError,
    HostLost,
    HostUnnamed,
    HostUnreachable,
    HostWouldAsk,
    NoDaemonThere,
    NothingThrough,
    NotInstalledThere,
    RefusedThere,
    SshMissing,
    VersionsDiffer,
)
from lorad.shared.messages import PROTOCOL

OPTIONS = (
    # A connection of our own: one that is shared would keep our sockets after us, or end with us.
    "ControlMaster=no",
    "ControlPath=none",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=6",
    "ConnectTimeout=20",
    "ExitOnForwardFailure=yes",
    "StreamLocalBindUnlink=yes",
)
READY_SECONDS = 60.0
PATIENCE_SECONDS = 20.0
SSH_FAILED = 255
NOT_FOUND = 127
WOULD_ASK = (b"Permission denied (", b"Host key verification failed")
"""What ssh says where it may not ask for a password or about a new key."""


class There(NamedTuple):
    """What `lorad proxy` says on the box."""

    control: str
    events: str


class Tunnel:
    """A `Place` on another box."""

    patience = PATIENCE_SECONDS
    """A bad link may be silent for some seconds; ssh itself notices when it is dead."""
    curve = None
    """ssh is the guard."""

    def __init__(self, host: str, *, command: str = "lorad", start: bool = False) -> None:
        """Nothing happens before `open`. `start`: begin a daemon there where none runs.

        Raises:
            HostUnnamed: ssh would take the name for an option.
        """
        if not host or host.startswith("-"):
            raise HostUnnamed(host=clean_line(host))
        self.host = host
        self._command = command
        self._start = start
        self._make_folder()
        self._ssh: subprocess.Popen[bytes] | None = None
        self._opening = threading.Lock()
        self._opened = False
        self.quiet = False
        """Nobody may be asked: a question would be written over the dashboard."""

    def _make_folder(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="lorad-"))  # made for its owner alone
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    @property
    def control(self) -> str:
        """Where clients ask: a socket here."""
        return f"ipc://{self._folder}/control.sock"

    @property
    def events(self) -> str:
        """Where clients listen: a socket here."""
        return f"ipc://{self._folder}/events.sock"

    def open(self) -> None:
        """Connect unless it is connected. The first time ssh may ask for a password.

        Raises:
            DaemonError: why nobody can be reached.
        """
        with self._opening:
            there = self._folder.is_dir()  # what cleans /tmp takes an old one away
            if there and self._ssh is not None and self._ssh.poll() is None and not self._refused():
                return
            self.close()
            try:
                if not there:
                    self._make_folder()
                self._forward(self._find())
            except OSError as error:
                raise HostUnreachable(host=self.host, why=error.strerror or error) from error
            self._opened = True

    def check(self) -> None:
        """Whether ssh still runs.

        Raises:
            DaemonError: it does not, or nothing comes through.
        """
        if self._ssh is None or self._ssh.poll() is not None:
            raise HostLost(host=self.host, why=self._last_words("ssh ended"))
        if self._refused():
            raise NothingThrough(host=self.host)

    def close(self) -> None:
        """End ssh; `open` begins a new one."""
        if self._ssh is not None:
            _end(self._ssh)
            self._ssh = None

    # -- ssh ----------------------------------------------------------------------------------

    def _words(self, *options: str) -> list[str]:
        words = ["ssh", "-T", *(word for option in OPTIONS for word in ("-o", option))]
        if not self._may_ask:
            words += ["-o", "BatchMode=yes"]
        start = " --start" if self._start and not self._opened else ""
        return [*words, *options, "--", self.host, f"{self._command} proxy{start}"]

    @property
    def _may_ask(self) -> bool:
        """Only the first time, and of somebody who is there."""
        return not (self.quiet or self._opened) and _somebody_there()

    def _find(self) -> There:
        """Where the daemon's sockets are on the box."""
        try:
            done = subprocess.run(
                self._words(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=None if self._may_ask else READY_SECONDS,
            )
        except FileNotFoundError:
            raise SshMissing from None
        except subprocess.TimeoutExpired:
            raise HostUnreachable(host=self.host, why="it does not answer") from None
        if done.returncode:
            raise self._failure(done.returncode, done.stderr)
        return self._place(done.stdout)

    def _place(self, output: bytes) -> There:
        about = _document(output)
        if about is None:
            raise RefusedThere(host=self.host, why=_last_line(output) or "nothing.")
        if about.get("protocol") != PROTOCOL:
            version = clean_line(str(about.get("version")), 40)
            theirs = clean_line(str(about.get("protocol")), 20)
            raise VersionsDiffer(host=self.host, version=version, theirs=theirs, ours=PROTOCOL)
        if not about.get("running"):
            raise NoDaemonThere(host=self.host)
        return There(str(about["control"]), str(about["events"]))

    def _forward(self, there: There) -> None:
        """Have ssh carry the sockets, and wait until it does."""
        folder = self._folder
        words = self._words(
            *("-L", forwarding(f"{folder}/control.sock", there.control)),
            *("-L", forwarding(f"{folder}/events.sock", there.events)),
        )
        with self._said.open("wb") as said:
            self._ssh = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said
            )
        weakref.finalize(self, _end, self._ssh)
        assert self._ssh.stdout is not None
        if not _wait_for_document(self._ssh.stdout, READY_SECONDS):
            code = self._ssh.poll()
            self.close()
            if code is None:
                raise HostUnreachable(host=self.host, why="it does not answer")
            raise self._failure(code, self._said.read_bytes())

    def _failure(self, code: int, said: bytes) -> DaemonError:
        why = _last_line(said)
        if code == SSH_FAILED:
            if not self._may_ask and any(refusal in said for refusal in WOULD_ASK):
                return HostWouldAsk(host=self.host, why=why.rstrip("."))
            return HostUnreachable(host=self.host, why=why.rstrip(".") or "ssh failed")
        if code == NOT_FOUND:
            return NotInstalledThere(host=self.host, command=clean_line(self._command))
        return RefusedThere(host=self.host, why=why.removeprefix("lorad: ") or f"exit code {code}.")

    @property
    def _said(self) -> Path:
        """What ssh wrote: its complaints must not get into a dashboard."""
        return self._folder / "ssh.log"

    def _last_words(self, otherwise: str) -> str:
        try:
            return _last_line(self._said.read_bytes()).rstrip(".") or otherwise
        except OSError:
            return otherwise

    def _refused(self) -> bool:
        """Whether the far end did not open a socket: `open` asks there anew why."""
        with contextlib.suppress(OSError):
            return b"open failed" in self._said.read_bytes()
        return False


def forwarding(near: str, far: str) -> str:
    """Two sockets as `ssh -L` reads them: `:` parts them, a backslash escapes, `%` is a token."""
    marks = str.maketrans({"\\": "\\\\", ":": "\\:", "%": "%%"})
    return f"{near.translate(marks)}:{far.translate(marks)}"


def _end(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(2.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _somebody_there() -> bool:
    """Whether ssh can ask for a password: it does so on the terminal itself."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def _wait_for_document(stream: IO[bytes], seconds: float) -> bool:
    """Whether the far end said where it is, which it does once all is connected."""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        heard = b""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if not selector.select(left):
                return False
            data = stream.read1(4096)  # type: ignore[attr-defined]  # a pipe's reader is buffered
            if not data:
                return False
            heard += data
            if _document(heard) is not None:
                return True
    return False


def _document(output: bytes) -> dict[str, Any] | None:
    """The last line that is JSON: a shell's profile may say more before it."""
    for line in reversed(output.decode(errors="replace").splitlines()):
        if line.startswith("{"):
            with contextlib.suppress(ValueError):
                found = json.loads(line)
                return found if isinstance(found, dict) else None
    return None


def _last_line(output: bytes) -> str:
    lines = [line.strip() for line in output.decode(errors="replace").splitlines()]
    return clean_line(next((line for line in reversed(lines) if line), ""), 300)
