"""What brings a job's files to another machine, and what happened there."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from lorad.shared.errors import FileNotThere, UnknownJob
from lorad.shared.messages import (
    FileHash,
    FileInfo,
    FilePiece,
    Files,
    GetFile,
    GetNews,
    Happenings,
    HashFile,
    ListFiles,
)

if TYPE_CHECKING:
    from lorad.daemon.service import Service

MAX_PIECE = 1 << 20
MAX_FILES = 10_000


def get_news(service: Service, request: GetNews, actor: str) -> Happenings:
    steps = service.store.steps_since(request.since) if request.since else 0
    happenings = service.store.news(request)
    if request.id and not happenings and not service.store.transitions(request.id):
        raise UnknownJob(id=request.id)
    return Happenings(happenings=happenings, head=service.store.news_head(), steps=steps)


def list_files(service: Service, request: ListFiles, actor: str) -> Files:
    folder = Path(service.store.job(request.id).folder)
    files = []
    for parent, folders, names in os.walk(folder):  # links to folders are not followed
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            try:
                about = path.lstat()
                name.encode()
            except (OSError, UnicodeEncodeError):  # pruned since; or none that can be asked for
                continue
            if stat.S_ISREG(about.st_mode):
                files.append(_info(path.relative_to(folder).as_posix(), about))
        if len(files) >= MAX_FILES:
            break
    return Files(folder=str(folder), files=files[:MAX_FILES])


def get_file(service: Service, request: GetFile, actor: str) -> FilePiece:
    descriptor = _open(service, request.id, request.name)
    try:
        about = os.fstat(descriptor)
        limit = max(1, min(request.limit, MAX_PIECE))
        data = os.pread(descriptor, limit, max(0, request.offset))
    finally:
        os.close(descriptor)
    return FilePiece(file=_info(request.name, about), offset=request.offset, data=data)


def hash_file(service: Service, request: HashFile, actor: str) -> FileHash:
    descriptor = _open(service, request.id, request.name)
    about = os.fstat(descriptor)
    os.close(descriptor)
    file = _info(request.name, about)
    path = Path(service.store.job(request.id).folder, request.name)
    return FileHash(file=file, sha256=service.hashes.of(path, file))


def _open(service: Service, job_id: int, name: str) -> int:
    """A regular file below the job's folder, with no link on the way to it."""
    folder = Path(service.store.job(job_id).folder)
    path = folder / name
    whole = "\0" not in name and os.path.realpath(path) == str(path) and path != folder
    if not whole or not path.is_relative_to(folder):
        raise FileNotThere(id=job_id, name=name)
    try:
        # Nobody is waited for at the other end of a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        raise FileNotThere(id=job_id, name=name) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotThere(id=job_id, name=name)
    return descriptor


def _info(name: str, about: os.stat_result) -> FileInfo:
    return FileInfo(name=name, size=about.st_size, modified_ns=about.st_mtime_ns)
