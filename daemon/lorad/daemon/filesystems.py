"""On which kind of file system a folder is, as the kernel says."""

from __future__ import annotations

import os
from pathlib import Path

from lorad.shared.errors import HomeOnNetwork

NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs")
"""SQLite's write-ahead log is memory that processes share: over a network it is none, and locks
may be said to be held that are not. https://sqlite.org/wal.html, section 1."""
MOUNTS = Path("/proc/self/mountinfo")


def refuse_network(folder: Path) -> None:
    """A queue lives on a disk of this machine.

    Raises:
        HomeOnNetwork: the folder is on another machine's.
    """
    try:
        mounts = MOUNTS.read_text(errors="surrogateescape")
    except OSError:  # a container that hides it: nothing is known, so nothing is refused
        return
    kind = filesystem_of(folder, mounts)
    if kind in NETWORK:
        raise HomeOnNetwork(path=folder, kind=kind)


def filesystem_of(folder: Path, mounts: str) -> str:
    """The kind of the file system that a folder is on, by the text of `mountinfo`, proc(5).

    Of mounts on one place the last one counts. Empty where none holds the folder.
    """
    real = Path(os.path.realpath(folder))
    best, found = -1, ""
    for line in mounts.splitlines():
        # 36 35 98:0 /root /where options [optional ...] - kind source options
        place, _, about = line.partition(" - ")
        fields = place.split(" ")
        if len(fields) < 5 or not about:
            continue
        where = Path(_plain(fields[4]))
        depth = len(where.parts)
        if depth >= best and real.is_relative_to(where):
            best, found = depth, about.split(" ")[0]
    return found


def _plain(text: str) -> str:
    """Blanks, tabs, line ends and backslashes are written as octal numbers there."""
    for code, plain in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, plain)
    return text
