"""The verbs that need torch: a process of its own does them, so that all others stay quick."""

from __future__ import annotations

import contextlib
import importlib.util
import signal
import subprocess
import sys
from collections.abc import Iterator

from lorad.shared.errors import TrainingNotInstalled


def require_training() -> None:
    """Say early that this is the thin client.

    Raises:
        TrainingNotInstalled: there is no torch.
    """
    if importlib.util.find_spec("torch") is None:
        raise TrainingNotInstalled(missing="torch")


def tool_command(*words: str) -> list[str]:
    """The command line of a heavy verb.

    It is typed beside data sets of strangers: with `-P` no file of theirs is taken for a module.
    """
    return [sys.executable, "-P", "-m", "lorad.daemon.tools", *words]


def run_tool(*words: str) -> int:
    """Run `lorad.daemon.tools` on this terminal; its exit code.

    Raises:
        TrainingNotInstalled: there is no torch.
    """
    require_training()
    sys.stdout.flush()
    process = subprocess.Popen(tool_command(*words))
    with _passed_on(process):
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.wait()  # the terminal told it too; its last words come before our prompt
            raise
    if code == -signal.SIGINT:
        raise KeyboardInterrupt
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def _passed_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """What would end this process alone ends that one, too, and is waited for."""
    endings = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(one, lambda n, frame: process.send_signal(n)) for one in endings]
    try:
        yield
    finally:
        for one, handler in zip(endings, before, strict=True):
            signal.signal(one, handler)
