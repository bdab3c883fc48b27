"""`python -m lorad.daemon`: one daemon a user and host, in the foreground."""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import signal
import sys
import time
from logging.handlers import RotatingFileHandler
from typing import TextIO

from lorad.daemon.filesystems import refuse_network
from lorad.daemon.health import TROUBLED
from lorad.daemon.service import Service
from lorad.daemon.store.database import begin_anew
from lorad.shared import failpoints
from lorad.shared.endpoints import Home, find_home
from lorad.shared.errors import DaemonRunning, LoradError
from lorad.shared.redact import redact

NEW_QUEUE = "--new-queue"
"""As `lorad up` takes it: a queue that cannot be read is kept aside."""


def main() -> int:
    """Serve until somebody ends it; the exit code."""
    umask = os.umask(0o077)  # for all that the daemon writes; the runs' output is the user's
    home = find_home()
    try:
        failpoints.arm()
        home.make()
        refuse_network(home.folder)
        lock = take_lock(home)
        _log_to(home)
        if NEW_QUEUE in sys.argv[1:]:
            begin_anew(home.database)
        service = Service(home, umask)
    except LoradError as error:
        print(f"lorad: {error}", file=sys.stderr)
        return error.exit_code
    signal.signal(signal.SIGTERM, service.on_signal)
    signal.signal(signal.SIGINT, service.on_signal)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal that started it may close
    gc.freeze()
    service.run()
    lock.close()
    return 0


def take_lock(home: Home) -> TextIO:
    """The home's lock, held until the file is closed or the process is gone.

    Raises:
        DaemonRunning: another daemon has it.
    """
    file = home.lock.open("a+")
    for patience in (0.05,) * 20 + (0.0,):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:  # a client that looks whether a daemon runs holds it for a moment
            if not patience:
                file.seek(0)
                pid = file.read().strip() or "unknown"
                file.close()
                raise DaemonRunning(pid=pid) from None
            time.sleep(patience)
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


class Redacting(logging.Formatter):
    """Stars over every secret, also one in a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def _log_to(home: Home) -> None:
    handler = RotatingFileHandler(home.daemon_log, maxBytes=4 << 20, backupCount=2)
    handler.setFormatter(Redacting("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler, TROUBLED])


if __name__ == "__main__":
    sys.exit(main())
