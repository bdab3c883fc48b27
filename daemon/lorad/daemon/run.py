"""`python -m lorad.daemon.run`: one run's process, and the only door from the daemon to torch."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import BinaryIO, Literal, TextIO

from lorad.daemon import stacks
from lorad.daemon.uplink import Identity, Uplink
from lorad.shared import failpoints
from lorad.shared.clean import first_line
from lorad.shared.errors import (
    CardFault,
    DataSetUnreachable,
    LoradError,
    ModelConfigUnreachable,
    ModelUnreachable,
    TrainingNotInstalled,
)
from lorad.shared.messages import Assignment, EndReport, PhaseReport
from lorad.shared.redact import redact

ASSIGNMENT_SECONDS = 60.0
UNREACHABLE = (DataSetUnreachable, ModelConfigUnreachable, ModelUnreachable)


def main() -> int:
    """Take the task, train, and say how it ended."""
    sys.stdout = stdout = Redacting(sys.stdout)
    sys.stderr = Redacting(sys.stderr)
    _log_to(stdout)
    for chatty in ("httpx", "filelock", "fsspec"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        failpoints.arm()
    except LoradError as error:
        print(error, flush=True)
        return error.exit_code
    folder = Path(os.environ["LORAD_RUN_FOLDER"])
    stacks.answer(folder)
    uplink = Uplink(
        Identity(
            job_id=int(os.environ["LORAD_JOB_ID"]),
            attempt=int(os.environ["LORAD_ATTEMPT"]),
            token=os.environ.pop("LORAD_TOKEN"),
            endpoint=os.environ["LORAD_RUNS"],
            run_folder=folder,
        )
    )
    signal.signal(signal.SIGTERM, lambda *_: uplink.terminate())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assignment = uplink.wait_assignment(ASSIGNMENT_SECONDS)
    if assignment is None:
        # No last word: the job is queued again when a daemon is back.
        print("No daemon gave this run its task.", flush=True)
        return 1
    try:
        end = _train(assignment, uplink)
    except CardFault as fault:
        # No last word: whoever died is queued again, so often, and on a card that works.
        print(f"ERROR: {fault}", flush=True)
        uplink.close()
        return 1
    failpoints.passed("end.untold")
    uplink.report(end)
    failpoints.passed("end.told")
    if end.reason:
        print(end.reason, flush=True)
    uplink.close()
    return 1 if end.outcome == "failed" else 0


class Redacting(io.TextIOBase):
    """A stream with stars over every secret: what a library prints is kept and shown.

    A log whose disk is full costs words; raised, it would cost the run, and its last word.
    """

    def __init__(self, stream: TextIO) -> None:
        """All but text goes to the stream itself."""
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(redact(text))
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # the base class says None
        return self._stream.encoding

    @property
    def buffer(self) -> BinaryIO:
        return self._stream.buffer


class _Levelled(logging.Formatter):
    """News as they are; what is worse says so first, for whoever looks for it alone."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return f"{record.levelname}: {text}" if record.levelno >= logging.WARNING else text


def _log_to(stream: Redacting) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Levelled())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _train(assignment: Assignment, uplink: Uplink) -> EndReport:
    """The run, with everything that may go wrong turned into one sentence."""
    uplink.report(PhaseReport(phase="loading torch"))
    try:
        from lorad.daemon.training.begin import begin
        from lorad.daemon.training.files import disk_full_told

        with disk_full_told(Path(assignment.folder), 1):  # wherever nobody was ready for it
            return begin(assignment, uplink)
    except CardFault:
        raise
    except LoradError as error:
        outcome: Literal["left", "failed"] = "left" if error.pauses else "failed"
        # A recipe stays as it is, a network comes back.
        retryable = error.exit_code != 2 or isinstance(error, UNREACHABLE)
        return EndReport(outcome=outcome, reason=str(error), retryable=retryable)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("lorad"):
            raise
        return EndReport(outcome="failed", reason=str(TrainingNotInstalled(missing=error.name)))
    except Exception as error:
        traceback.print_exc(file=sys.stdout)
        what = first_line(f"{type(error).__name__}: {error}")
        reason = f"The run broke on something unforeseen ({what}). Its log has the whole trace."
        return EndReport(outcome="failed", reason=reason, retryable=True)


if __name__ == "__main__":
    sys.exit(main())
