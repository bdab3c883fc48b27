"""Where a daemon lives: its folder, sockets, lock and database."""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lorad.shared.errors import HomeUnknown, HomeUnusable, NoDaemon

if TYPE_CHECKING:
    from lorad.shared.keys import Curve

IPC_PATH_MAX = 107
"""sockaddr_un's limit, in bytes."""


class Place(Protocol):
    """Where a client finds a daemon: a `Home` here, or one that is reached through ssh."""

    @property
    def patience(self) -> float:
        """Seconds without a word after which a connection is given up."""

    @property
    def control(self) -> str:
        """Where clients ask."""

    @property
    def events(self) -> str:
        """Where clients listen."""

    @property
    def curve(self) -> Curve | None:
        """The keys that its sockets want; none where files guard them."""

    def open(self) -> None:
        """Make it reachable, as far as that takes something.

        Raises:
            DaemonError: nobody is there.
        """

    def check(self) -> None:
        """Look whether somebody can still be there; costs nothing and waits for nothing.

        Raises:
            DaemonError: nobody is there.
        """


@dataclass(frozen=True)
class Home:
    """One daemon's folder, one a host: two boxes may share a home over NFS, never a database."""

    folder: Path
    sockets: Path
    """`folder`, or a short one of its own where the path would be too long for a socket."""
    cache: Path
    """Encoded pictures; may be deleted at any time."""
    patience: float = 5.0
    """A daemon beats once a second; after this long without a word it is not there."""
    curve: Curve | None = None
    """Files guard it."""

    @property
    def control(self) -> str:
        """Where clients ask."""
        return f"ipc://{self.sockets / 'control.sock'}"

    @property
    def events(self) -> str:
        """Where clients listen."""
        return f"ipc://{self.sockets / 'events.sock'}"

    @property
    def runs(self) -> str:
        """Where runs report."""
        return f"ipc://{self.sockets / 'runs.sock'}"

    @property
    def lock(self) -> Path:
        """Held by the daemon for life; its text is the pid."""
        return self.folder / "lock"

    @property
    def database(self) -> Path:
        """The queue."""
        return self.folder / "lorad.db"

    @property
    def daemon_log(self) -> Path:
        """What the daemon itself says."""
        return self.folder / "daemon.log"

    def run_folder(self, job_id: int) -> Path:
        """A job's log and journals."""
        return self.folder / "runs" / str(job_id)

    def log(self, job_id: int) -> Path:
        """What a job's run printed."""
        return self.run_folder(job_id) / "log.txt"

    def stacks(self, job_id: int) -> Path:
        """Where a job's runs stood when they hung."""
        return self.run_folder(job_id) / "stacks.txt"

    def make(self) -> None:
        """Create the folders, for their owner alone.

        Raises:
            HomeUnusable: a folder cannot be made, belongs to somebody else, or could be put in
                place of it.
        """
        for folder in (self.folder, self.sockets):
            _make_own(folder)

    def open(self) -> None:
        """Nothing lies between: the same as `check`.

        Raises:
            NoDaemon: none runs.
        """
        self.check()

    def check(self) -> None:
        """The lock says whether one runs; a stranger's lock says nothing.

        Raises:
            NoDaemon: none runs.
            HomeUnusable: what is there belongs to somebody else.
        """
        for folder in {self.folder, self.sockets}:
            _refuse_foreign(folder)
        if self.daemon_pid() is None:
            raise NoDaemon

    def daemon_pid(self) -> int | None:
        """The pid of the daemon that runs here; the lock says it, sockets and files may lie."""
        try:
            with self.lock.open() as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    text = file.read().strip()
                    return int(text) if text.isdigit() else 0
        except OSError:
            return None
        return None


def find_home() -> Home:
    """This user's daemon folder on this host, from the environment; nothing is created."""
    if override := os.environ.get("LORAD_HOME"):
        folder = expanded(override).absolute()
        return Home(folder, _sockets(folder), folder / "cache")
    state = xdg("XDG_STATE_HOME", ".local/state")
    folder = state / "lorad" / socket.gethostname()
    return Home(folder, _sockets(folder), xdg("XDG_CACHE_HOME", ".cache") / "lorad")


def xdg(variable: str, default: str) -> Path:
    """A folder of the XDG specification; `default` is below the user's own."""
    value = os.environ.get(variable, "")
    # The XDG specification: a relative path is to be ignored.
    return Path(value) if value.startswith("/") else expanded("~") / default


def expanded(path: str) -> Path:
    """A path as people write it, which may begin with `~` or `~anna`.

    Raises:
        HomeUnknown: nobody is called that here.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise HomeUnknown(path=path) from error


def make_private(folder: Path) -> None:
    """Have a folder there, and the missing ones above it, for their owner alone.

    pathlib makes those above by the umask, and then others could put another folder in its place.

    Raises:
        OSError: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700)
    except FileNotFoundError:
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError:
        if not folder.is_dir():
            raise


def _make_own(folder: Path) -> None:
    try:
        make_private(folder)
        _refuse_foreign(folder)
        above = folder.parent.stat()
        if above.st_mode & stat.S_IWOTH and not above.st_mode & stat.S_ISVTX:
            why = f"everybody may write in {folder.parent}, and so put another folder in its place"
            raise HomeUnusable(path=folder, why=f"{why}; `chmod o-w` or `chmod +t` ends that")
        if stat.S_IMODE(folder.lstat().st_mode) & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise HomeUnusable(path=folder, why=error.strerror or error) from error


def _refuse_foreign(folder: Path) -> None:
    """Refuse what is there and is no folder of this user's: a link or a stranger's folder.

    Raises:
        HomeUnusable: it is so.
    """
    try:
        about = folder.lstat()
    except OSError:
        return  # nothing there, or nothing to be seen: whoever needs it will say so
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
        raise HomeUnusable(path=folder, why="it is not a folder of yours")


def _sockets(folder: Path) -> Path:
    """The folder itself, unless a socket in it would exceed what the kernel takes."""
    if _fits(folder):
        return folder
    short = hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()
    name = f"lorad-{os.getuid()}-{short}"
    try:
        aside = Path(tempfile.gettempdir()) / name
    except OSError:  # it tries to write, and no disk takes anything
        return Path("/tmp") / name
    # What TMPDIR names may be as long as the folder is.
    return aside if _fits(aside) else Path("/tmp") / name


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / "control.sock")) <= IPC_PATH_MAX
