"""Files of a job, brought here piece by piece: checked, and gone on with where it broke off."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from lorad.shared.client import Client
from lorad.shared.errors import FileChanged, FileDamaged, FileInTheWay, NotWritable
from lorad.shared.messages import FileHash, FileInfo, FilePiece, Files, GetFile, HashFile, ListFiles

FIRST_PIECE = 64 * 1024
LARGEST_PIECE = 1 << 20
PIECE_SECONDS = 1.0
"""What a piece should take: a slow link gets smaller ones, so that none runs into its time-out."""
ANSWER_SECONDS = 120.0
TRIES = 3
POLL_SECONDS = 0.1
ASIDE = ("checkpoint-*", "incidents", "logs")
"""Folders of a job that are for going on with it, not for taking along."""

RECORD = ".lorad-get.json"
"""In a folder: digests of what was brought into it, which may be replaced by what is newer."""

MOST_RECORDED = 10_000

Progress = Callable[[int], object]


@dataclass(frozen=True)
class Brought:
    """One file that is here now."""

    path: Path
    size: int
    fresh: bool
    """False: it was here already."""


def chosen(files: list[FileInfo], everything: bool, patterns: list[str]) -> list[FileInfo]:
    """The files that are wanted; one whose name would leave the folder is never."""
    found = [file for file in files if _inside(file.name)]
    if patterns:
        return [file for file in found if any(fnmatch(file.name, one) for one in patterns)]
    if everything:
        return found
    return [file for file in found if not _aside(file.name)]


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and bool(path.parts)


def _aside(name: str) -> bool:
    top, _, below = name.partition("/")
    hidden = top.startswith(".")
    return hidden or (bool(below) and any(fnmatch(top, one) for one in ASIDE))


def list_files(daemon: Client, job_id: int) -> list[FileInfo]:
    """All files of a job's folder."""
    reply = daemon.ask(ListFiles(id=job_id), ANSWER_SECONDS)
    assert isinstance(reply, Files), reply
    return reply.files


class Fetcher:
    """Brings files of one job into a folder."""

    def __init__(self, daemon: Client, job_id: int, folder: Path, *, force: bool = False) -> None:
        """Nothing is made before the first `fetch`; `force` replaces whatever is in the way."""
        self._force = force
        self._daemon = daemon
        self._id = job_id
        self._folder = folder
        self._piece = FIRST_PIECE

    def fetch(self, file: FileInfo, progress: Progress = lambda size: None) -> Brought:
        """One file. A run may write it anew meanwhile: then it is begun again.

        Raises:
            FileChanged: it kept changing.
            FileInTheWay: there is another one that was not brought.
            FileDamaged: it arrived otherwise than it was sent.
            NotWritable: the disk here does not take it.
            DaemonError: the daemon went away, or has no such file any more.
        """
        path = self._folder / file.name
        try:
            return self._fetch(file, path, progress)
        except OSError as error:
            raise NotWritable(path=path, why=error.strerror or error) from error

    def _fetch(self, file: FileInfo, path: Path, progress: Progress) -> Brought:
        here = _digest(path) if path.is_file() else ""
        if here and path.stat().st_size == file.size and here == self._hash(file).sha256:
            return Brought(path, file.size, fresh=False)
        if here and not self._force and here not in self._brought():
            raise FileInTheWay(path=path, id=self._id)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        damaged = False
        for _ in range(TRIES):
            newest = self._pieces(file, part, progress)
            if newest == file:
                digest = self._hash(file)
                newest = digest.file
                if newest == file and _digest(part) == digest.sha256:
                    os.utime(part, ns=(file.modified_ns, file.modified_ns))
                    self._note(digest.sha256)
                    part.replace(path)
                    return Brought(path, file.size, fresh=True)
            # Written anew meanwhile; or the part was of an earlier version.
            damaged, file = newest == file, newest
            part.unlink(missing_ok=True)
        raise (FileDamaged if damaged else FileChanged)(name=file.name, id=self._id)

    def _brought(self) -> list[str]:
        """Digests of what was brought into the folder."""
        with contextlib.suppress(OSError, ValueError):
            found = json.loads((self._folder / RECORD).read_text())
            return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
        return []

    def _note(self, digest: str) -> None:
        digests = dict.fromkeys([*self._brought(), digest])
        (self._folder / RECORD).write_text(json.dumps([*digests][-MOST_RECORDED:]))

    def _pieces(self, file: FileInfo, part: Path, progress: Progress) -> FileInfo:
        """Go on where the part ends; the file as it is at the end."""
        # A part of another version is found out by the checksum, or here when it is longer.
        mode = "ab" if part.exists() and part.stat().st_size <= file.size else "wb"
        with part.open(mode) as out:
            while out.tell() < file.size:
                piece = self._ask_piece(file.name, out.tell())
                if piece.file != file or not piece.data:
                    return piece.file
                out.write(piece.data)
                progress(len(piece.data))
            out.flush()
            os.fsync(out.fileno())
        return file

    def _ask_piece(self, name: str, offset: int) -> FilePiece:
        begun = time.monotonic()
        request = GetFile(id=self._id, name=name, offset=offset, limit=self._piece)
        reply = self._daemon.ask(request, ANSWER_SECONDS)
        assert isinstance(reply, FilePiece), reply
        took = max(time.monotonic() - begun, 1e-3)
        fitting = int(self._piece * min(2.0, PIECE_SECONDS / took))
        self._piece = max(4096, min(LARGEST_PIECE, fitting))
        return reply

    def _hash(self, file: FileInfo) -> FileHash:
        """The checksum at the box, which takes it some time."""
        while True:
            reply = self._daemon.ask(HashFile(id=self._id, name=file.name), ANSWER_SECONDS)
            assert isinstance(reply, FileHash), reply
            if reply.sha256 or reply.file != file:
                return reply
            time.sleep(POLL_SECONDS)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
