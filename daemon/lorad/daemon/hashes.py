"""Checksums of large files, in a thread: the daemon's loop has no seconds to give away."""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
from pathlib import Path

from lorad.shared.messages import FileInfo

log = logging.getLogger(__name__)
KEPT = 1000
Key = tuple[Path, int, int]


class Hashes:
    """Asks are answered at once: with the checksum, or with nothing yet."""

    def __init__(self) -> None:
        """The thread begins with the first question."""
        self._known: dict[Key, str] = {}
        self._asked: queue.SimpleQueue[Key] = queue.SimpleQueue()
        self._pending: set[Key] = set()
        self._thread: threading.Thread | None = None

    def of(self, path: Path, file: FileInfo) -> str:
        """The SHA-256 in hexadecimal digits; empty as long as it is being computed."""
        key = (path, file.size, file.modified_ns)
        if key not in self._known and key not in self._pending:
            self._pending.add(key)
            self._asked.put(key)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="hashes", daemon=True)
                self._thread.start()
        return self._known.get(key, "")

    def _run(self) -> None:
        while True:
            key = self._asked.get()
            try:
                with key[0].open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:  # it is gone: whoever asks again is told so
                log.info("%s cannot be read: %s", key[0], error)
            else:
                if len(self._known) >= KEPT:
                    self._known.clear()
                self._known[key] = digest
            self._pending.discard(key)
