"""Gathers the doctor's facts; nothing here judges them."""

from __future__ import annotations

import contextlib
import getpass
import importlib.metadata
import json
import locale
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from lorad.shared.endpoints import Home, xdg
from lorad.tui.commands._tools import tool_command
from lorad.tui.doctor.facts import Box, Folder, Hub, Install, Session, Terminal
from lorad.tui.doctor.port import Port
from lorad.tui.unit import unit_path

BASE = ("msgspec", "psutil", "pyzmq", "rich", "textual")
TRAIN = (
    "torch", "diffusers", "transformers", "peft", "accelerate", "safetensors", "datasets", "pillow",
    "nvidia-ml-py",
)  # fmt: skip
BOX_SECONDS = 90.0
"""For torch, which takes some on a cold disk, and the hashes of the checkpoints."""


def look_at_install() -> Install:
    """What is installed with this interpreter."""
    major, minor, micro = sys.version_info[:3]
    return Install(
        python=(major, minor, micro),
        lorad=_version("lorad"),
        base={name: _version(name) for name in BASE},
        train={name: _version(name) for name in TRAIN},
    )


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def look_at_folder(path: Path, mounts: str) -> Folder:
    """One folder; of one that is not there yet, the file system that it would be made on.

    `mounts` is the text of /proc/mounts.
    """
    try:
        return _looked_at(path, mounts)
    except OSError as error:  # it is below a folder that this user may not enter
        return Folder(str(path), why=error.strerror or str(error))


def _looked_at(path: Path, mounts: str) -> Folder:
    nearest = next((p for p in (path, *path.parents) if p.exists()), Path("/"))
    free = None
    with contextlib.suppress(OSError):
        about = os.statvfs(nearest)
        free = about.f_bavail * about.f_frsize
    kind = filesystem(nearest, mounts)
    if nearest != path:
        return Folder(str(path), there=False, filesystem=kind, free_bytes=free)
    stat = path.stat()
    return Folder(
        str(path),
        owned=stat.st_uid == os.getuid(),
        mode=stat.st_mode & 0o777,
        writable=os.access(path, os.W_OK | os.X_OK),
        filesystem=kind,
        free_bytes=free,
    )


def filesystem(path: Path, mounts: str) -> str:
    """The kind of the file system under a path: of the longest mount point that holds it."""
    real, best, kind = path.resolve(), -1, "unknown"
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point = Path(_mount_point(fields[1]))
        if real.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind


def _mount_point(escaped: str) -> str:
    """As it is on the disk: the kernel has a space and its like as octal numbers."""
    data = escaped.encode("utf-8", "surrogateescape")
    data = re.sub(rb"\\([0-3][0-7]{2})", lambda found: bytes([int(found[1], 8)]), data)
    return data.decode("utf-8", "surrogateescape")


def look_at_session(port: Port, folder: Path) -> Session:
    """logind, limits and clocks."""
    user = _user()
    linger = port.ask("loginctl", "show-user", user, "--property=Linger", "--value")
    if linger is None and port.ask("loginctl", "show-session", "--property=KillUserProcesses"):
        linger = "no"  # logind is there, and does not know of this user: cron, a container
    kills = port.ask("loginctl", "show-session", "--property=KillUserProcesses", "--value")
    ntp = port.ask("timedatectl", "show", "--property=NTPSynchronized", "--value")
    return Session(
        user=user,
        linger=_yes(linger),
        kills=_yes(kills),
        unit=os.path.exists(unit_path(port.environment)),
        files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        clock_synchronized=_yes(ntp),
        skew_seconds=_skew(folder),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return str(os.getuid())


def _yes(said: str | None) -> bool | None:
    return {"yes": True, "no": False}.get(said or "")


def _skew(folder: Path) -> float:
    """The clock of the folder's disk less this box's: a network's may differ."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(b".")
            file.flush()
            return os.fstat(file.fileno()).st_mtime - time.time()
    except OSError:
        return 0.0


def look_at_terminal(port: Port) -> Terminal:
    """This terminal, and what lies between it and us."""
    environment = port.environment
    width, height = shutil.get_terminal_size()
    term = environment.get("TERM", "")
    tmux = passthrough = ""
    if environment.get("TMUX"):
        tmux = port.ask("tmux", "-V") or "tmux"
        passthrough = port.ask("tmux", "show-options", "-gv", "allow-passthrough") or "off"
    return Terminal(
        tty=sys.stdin.isatty() and sys.stdout.isatty(),
        term=term,
        colours=_colours(term, environment.get("COLORTERM", "")),
        no_colour=bool(environment.get("NO_COLOR")),
        encoding=locale.getpreferredencoding(False),
        width=width,
        height=height,
        tmux=tmux,
        passthrough=passthrough,
        ssh=(port.ask("ssh", "-V") or "").split(",")[0],
        over_ssh=bool(environment.get("SSH_CONNECTION")),
    )


def _colours(term: str, colorterm: str) -> int:
    if colorterm in ("truecolor", "24bit"):
        return 1 << 24
    return 256 if "256color" in term or term in ("xterm-kitty", "alacritty") else 16


def look_at_hub(port: Port) -> Hub:
    """Where models are kept, and whether a token is found: its text is looked at by nobody."""
    environment = port.environment
    home = Path(environment.get("HF_HOME") or xdg("XDG_CACHE_HOME", ".cache") / "huggingface")
    cache = Path(environment.get("HF_HUB_CACHE") or home / "hub")
    named = environment.get("HF_TOKEN") or environment.get("HUGGING_FACE_HUB_TOKEN")
    files = [Path(environment.get("HF_TOKEN_PATH") or home / "token"), home / "stored_tokens"]
    offline = environment.get("HF_HUB_OFFLINE", "").lower() in ("1", "on", "yes", "true")
    hub = Hub(cache=str(cache), token=bool(named), offline=offline)
    try:
        held = any(file.is_file() and file.stat().st_size > 0 for file in files)
        return replace(hub, there=cache.exists(), token=hub.token or held)
    except OSError as error:
        return replace(hub, why=error.strerror or str(error))


def look_at_box(home: Home, seconds: float = BOX_SECONDS) -> Box:
    """What needs the daemon's rooms, in a process that is ended when it takes too long."""
    environment = {**os.environ}
    if "LORAD_HOME" in environment:
        environment["LORAD_HOME"] = str(home.folder)
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        try:
            child = subprocess.Popen(
                tool_command("box"),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=complained,
                env=environment,
            )
        except OSError as error:
            return Box(why=str(error))
        why = ""
        try:
            if code := child.wait(seconds):
                complained.seek(0)
                lines = complained.read().decode(errors="replace").strip().splitlines()
                why = lines[-1] if lines else f"the process ended with {code}"
        except subprocess.TimeoutExpired:
            why = f"it took more than {seconds:g} s"
        finally:
            child.kill()
            child.wait()
        said.seek(0)
        return box_of(said.read().decode(errors="replace").splitlines(), why)


def box_of(lines: Iterable[str], why: str) -> Box:
    """What was printed up to the end, whenever that came."""
    found = {}
    for line in lines:
        with contextlib.suppress(ValueError):  # the end of it was cut off
            one = json.loads(line)
            found[one.pop("name")] = one
    return Box(**found, why=why)
