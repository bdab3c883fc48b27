"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def write_whole(path: Path, text: str, mode: int = 0o600) -> None:
    """Another text in place of a file's, at once, with these permissions whatever the umask.

    Raises:
        OSError: it cannot be written; what was there is there still.
    """
    data = text.encode()
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.part-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
