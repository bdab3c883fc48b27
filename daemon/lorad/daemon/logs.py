"""The runs' logs: read in pieces, and told as they grow."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from lorad.daemon import bounded
from lorad.daemon.events import Events
from lorad.shared.endpoints import Home
from lorad.shared.messages import Log, LogAppended, job_topic

log = logging.getLogger(__name__)
MAX_TOLD_BYTES = 32 * 1024
"""Of one look; what a run prints beyond it is a gap that a reader may ask for."""


class Logs:
    """Follows the logs of the jobs that have a process."""

    def __init__(self, home: Home, events: Events) -> None:
        """Follows none yet."""
        self._home = home
        self._events = events
        self._told: dict[int, int] = {}
        self._unbounded: set[int] = set()

    def follow(self, job_ids: list[int]) -> None:
        """Tell what was printed since the last look; a job that left the list is looked at again.

        That last look is for the lines that a run prints while it ends.
        """
        for job_id in {*job_ids, *self._told}:
            path = self._home.log(job_id)
            if job_id not in self._told:
                self._told[job_id] = max(0, _size(path) - MAX_TOLD_BYTES)
            self._tell(job_id, path)
            self._bound(job_id, path)
        for job_id in set(self._told) - set(job_ids):
            del self._told[job_id]

    def _tell(self, job_id: int, path: Path) -> None:
        start = max(self._told[job_id], _size(path) - MAX_TOLD_BYTES)
        piece = read_log(path, start, MAX_TOLD_BYTES)
        if piece.next > start:
            event = LogAppended(id=job_id, offset=start, next=piece.next, text=piece.text)
            self._events.publish(job_topic(job_id, "log"), event)
        self._told[job_id] = piece.next

    def _bound(self, job_id: int, path: Path) -> None:
        """A run that prints without end must not fill the disk."""
        if job_id in self._unbounded:
            return
        try:
            relieved = bounded.bound(path)
        except OSError as error:
            self._unbounded.add(job_id)  # said once
            log.warning("job %d: its log grows without bound: %s", job_id, error)
            return
        if relieved:
            log.warning("job %d prints very much: of its log, %d MiB were let go and the newest %d"
                        " MiB are kept", job_id, relieved >> 20, bounded.KEPT >> 20)  # fmt: skip

    def remove(self, job_id: int) -> None:
        """Delete a job's log and journals."""
        shutil.rmtree(self._home.run_folder(job_id), ignore_errors=True)


def read_log(path: Path, offset: int, limit: int) -> Log:
    """A piece of a log; it ends with a whole line unless the line is longer than the piece."""
    size = _size(path)
    start = min(size, offset) if offset >= 0 else max(0, size + offset)
    if start >= size:
        return Log(offset=start, next=start, text="")
    with path.open("rb") as file:
        start = max(start, bounded.begin_of(file.fileno()))
        file.seek(start)
        data = file.read(limit)
    whole = data.rfind(b"\n") + 1
    data = data[:whole] or data
    return Log(offset=start, next=start + len(data), text=data.decode(errors="replace"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
