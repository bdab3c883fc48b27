"""A daemon of one's own in a folder of one's own, which ends and takes all of it along."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from lorad.daemon.supervisor import birth, of_home
from lorad.daemon.tools.outcome import Outcome, outcome
from lorad.shared.client import Client
from lorad.shared.endpoints import Home, find_home
from lorad.shared.errors import DaemonError, SelfTestStuck
from lorad.shared.jobs import Job
from lorad.shared.messages import AddJob, GetMetrics, GetSamples

T = TypeVar("T")
START_SECONDS = 60.0
END_SECONDS = 10.0
PATIENCE_SECONDS = 600.0
"""For anything that is waited for; on a box that does other things as well."""
LOOK_SECONDS = 0.02
MANY = 5000


class Trial:
    """The daemon, and a line to it."""

    def __init__(self, folder: Path) -> None:
        """Begin it there and wait until it answers."""
        self.folder = folder
        self.kept = False
        """Whether its folder is left there, for whoever looks into it."""
        os.environ["LORAD_HOME"] = str(folder / "home")
        self.home: Home = find_home()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "lorad.daemon"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self.wait(self._answers, "its daemon to answer", START_SECONDS)
            self.client = Client(self.home, name="selftest")
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise

    def _answers(self) -> bool:
        try:
            with Client(self.home, name="selftest") as client:
                client.greet()
        except DaemonError:
            return False
        return True

    def wait(self, ask: Callable[[], T | None], what: str, seconds: float = PATIENCE_SECONDS) -> T:
        """What `ask` answers once that is truthy.

        Raises:
            SelfTestStuck: it never is.
        """
        deadline = time.monotonic() + seconds
        while not (answer := ask()):
            if time.monotonic() > deadline:
                raise SelfTestStuck(what=what, seconds=seconds, folder=self.folder)
            time.sleep(LOOK_SECONDS)
        return answer

    def add(self, recipe: str) -> Job:
        """Queue one."""
        return self.client.ask(AddJob(recipe=recipe, folder=str(self.folder))).job

    def job(self, job_id: int) -> Job:
        """As it is now."""
        return self.client.job(job_id)

    def outcome(self, job: Job) -> Outcome:
        """What a job that is done leaves behind."""
        metrics = self.client.ask(GetMetrics(id=job.id, limit=MANY))
        pictures = self.client.ask(GetSamples(id=job.id, limit=MANY)).pictures
        return outcome(Path(job.folder), metrics.points, metrics.validations, pictures)

    def kill_run(self, job: Job) -> bool:
        """SIGKILL of the job's process; false where it has ended by itself."""
        if job.process is None:
            return False
        try:
            descriptor = os.pidfd_open(job.process.pid)
        except ProcessLookupError:
            return False
        try:
            if birth(job.process.pid) != job.process.birth:
                return False
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True

    def end(self) -> None:
        """End the daemon and every run of its.

        Raises:
            SelfTestStuck: one of them cannot be ended.
        """
        # First the daemon: it would begin again what is killed.
        self.client.close()
        self._process.terminate()  # killed amid the start of a run, it would leave it unmarked
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.wait(self._no_run, "its runs to end", END_SECONDS)

    def _no_run(self) -> bool:
        """Whether none is left; kills those that are, whether or not the daemon knew of them."""
        left = [pid for pid, _ in of_home(self.home)]
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left


@contextlib.contextmanager
def trial() -> Iterator[Trial]:
    """One for the time of a block; its folder is left where the block fails."""
    folder = Path(tempfile.mkdtemp(prefix="lorad-selftest-"))
    made = None
    try:
        made = Trial(folder)
        yield made
    finally:
        failed = sys.exc_info()[0] not in (None, KeyboardInterrupt, SystemExit)
        # Whoever is impatient must not leave a daemon that trains behind.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if made is not None:
            made.end()
        if not failed and not (made and made.kept):
            shutil.rmtree(folder, ignore_errors=True)
