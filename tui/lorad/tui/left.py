"""When somebody last looked at a daemon, kept for the next time."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path

from lorad.shared.endpoints import find_home
from lorad.shared.messages import DaemonInfo

FILE = "seen.json"
MOST = 200


def default_path() -> Path:
    """Beside the daemon's own state, since a client without a daemon has that folder too."""
    folder = find_home().folder
    return (folder if os.environ.get("LORAD_HOME") else folder.parent) / FILE


class Left:
    """The newest moment that was seen of each daemon, by its own box's clock."""

    def __init__(self, path: Path | None = None) -> None:
        """Nothing is read or written yet; without a path nothing ever is."""
        self._path = path

    def read(self, daemon: DaemonInfo) -> float | None:
        """When this daemon was last looked at; none for the first time."""
        at = self._all().get(_key(daemon))
        return float(at) if isinstance(at, int | float) else None

    def write(self, daemon: DaemonInfo, at: float) -> None:
        """It was looked at until now. A disk that takes nothing costs only this memory."""
        if self._path is None:
            return
        known = self._all()
        known.pop(_key(daemon), None)
        known[_key(daemon)] = at
        text = json.dumps(dict(list(known.items())[-MOST:]))
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=FILE)
            try:
                with os.fdopen(descriptor, "w") as file:
                    file.write(text)
                Path(name).replace(self._path)
            except OSError:
                Path(name).unlink()  # or a full disk would get one more with each try
                raise

    def _all(self) -> dict[str, object]:
        if self._path is None:
            return {}
        try:
            found = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _key(daemon: DaemonInfo) -> str:
    return f"{daemon.hostname}:{daemon.home}"
