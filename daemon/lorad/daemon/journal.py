"""A run's own record: every report it made, numbered by its place, written before it is sent.

The run appends, the daemon reads what a dead run had not delivered. A frame is its length in four
bytes and a report in MessagePack; one that was cut short by a crash is as if it had not been. It
is not flushed to the disk: what a power cut takes, the resumed run makes again.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import msgspec

from lorad.shared import failpoints
from lorad.shared.codec import UNDECODABLE
from lorad.shared.messages import AnyReport
from lorad.shared.redact import redact_bytes

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[AnyReport] = msgspec.msgpack.Decoder(AnyReport)


def journal_path(run_folder: Path, attempt: int) -> Path:
    """One journal a try."""
    return run_folder / f"journal-{attempt}.msgpack"


class Journal:
    """Appends. The first report is number 1."""

    def __init__(self, path: Path) -> None:
        """A new file, whatever an earlier queue left under this name; its folder is there."""
        self._path = path
        path.unlink(missing_ok=True)
        self._file: io.FileIO | None = None  # made with the first report: there may be no room

    def append(self, reports: list[AnyReport]) -> None:
        """Write them in one go.

        Raises:
            OSError: the disk took no more; what it took of the last frame is cut off again.
        """
        frames = [redact_bytes(_encoder.encode(report)) for report in reports]
        block = b"".join(len(frame).to_bytes(4, "little") + frame for frame in frames)
        file = self._file = self._file or self._open()
        before = self._path.stat().st_size
        try:
            written = file.write(failpoints.taken("journal.append", block))
            if written != len(block):
                raise OSError(28, "No space left on device")
        except OSError:
            file.truncate(before)
            raise
        failpoints.passed("journal.appended")

    def close(self) -> None:
        """Write no more."""
        if self._file is not None:
            self._file.close()

    def _open(self) -> io.FileIO:
        # The run has the user's umask, for its output; this is for the user alone.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        return open(os.open(self._path, flags, 0o600), "ab", buffering=0)


def read_journal(path: Path, after: int = 0) -> list[AnyReport]:
    """The reports beyond number `after`; none where there is no journal."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    reports: list[AnyReport] = []
    at = number = 0
    while at + 4 <= len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "little")
        if end > len(data):
            break
        number += 1
        if number > after:
            try:
                reports.append(_decoder.decode(data[at + 4 : end]))
            except UNDECODABLE:
                break  # a power cut leaves zeros, or half a page, where the last frames were
        at = end
    return reports
