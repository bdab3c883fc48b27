"""The runs' processes: made, watched, ended. One process a run, in a session of its own."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from lorad.daemon.store.rows import Attempt
from lorad.daemon.telemetry import FAKE_UUID
from lorad.shared.clean import clean_line
from lorad.shared.endpoints import Home
from lorad.shared.jobs import Process

log = logging.getLogger(__name__)
PEER = "lorad.daemon.training.peer"
"""The module that the other processes of a run are."""
LAUNCHERS = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "PMI_SIZE", "PMI_RANK")
"""What torchrun and srun leave behind; with it accelerate waits for other processes."""
NO_PROCESS = (errno.ESRCH, errno.ENOENT, errno.EINVAL)
"""What a number that is nobody's says, or by now that of a thread."""


class Supervisor:
    """Knows each run's process by a descriptor that turns readable when it is gone.

    A pid alone may belong to somebody else by now; pid and kernel start time together do not.
    """

    def __init__(self, home: Home, umask: int) -> None:
        """Watches nothing yet; `umask` is for what the runs write."""
        self._home = home
        self._umask = umask
        self._watched: dict[int, int] = {}  # descriptor -> job
        self._pids: dict[int, int] = {}  # job -> pid, as long as it is watched
        self._newest: dict[int, int] = {}  # job -> the descriptor of its newest process
        self._children: dict[int, subprocess.Popen[bytes]] = {}  # by descriptor, if ours
        self._exit_codes: dict[int, int] = {}
        self._whys: dict[int, str] = {}  # job -> why its process was killed

    @property
    def descriptors(self) -> Mapping[int, int]:
        """What to poll, and the job behind each."""
        return self._watched

    def spawn(self, attempt: Attempt, gpus: tuple[str, ...], named: Mapping[str, str]) -> Process:
        """Begin a run; it asks for its task over the socket.

        `named` is what its environment says of the job besides, for whatever the run starts.
        """
        self.end_leftovers(attempt.job_id)  # of a daemon that died before it stored what it began
        folder = self._home.run_folder(attempt.job_id)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._home.log(attempt.job_id).open("ab") as output:
            child = subprocess.Popen(
                # -P: nothing in the working folder can stand in for a library.
                [sys.executable, "-P", "-m", "lorad.daemon.run"],
                cwd=folder,
                env={**self._environment(attempt, gpus), **named},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=self._umask,
            )
        self._exit_codes.pop(attempt.job_id, None)
        self._whys.pop(attempt.job_id, None)
        # Ours cannot be reaped by anybody else, so the pid is its own until then.
        process = Process(pid=child.pid, birth=birth(child.pid) or "", gpus=gpus)
        try:
            self.watch(attempt.job_id, process)
        except OSError:  # no descriptor is left: nobody would know of its end
            _kill_group(child.pid)
            child.wait()
            raise
        self._children[self._newest[attempt.job_id]] = child
        return process

    def _environment(self, attempt: Attempt, gpus: tuple[str, ...]) -> dict[str, str]:
        env = dict(os.environ)
        env.update(
            LORAD_JOB_ID=str(attempt.job_id),
            LORAD_ATTEMPT=str(attempt.number),
            LORAD_TOKEN=attempt.token,
            LORAD_RUNS=self._home.runs,
            LORAD_RUN_FOLDER=str(self._home.run_folder(attempt.job_id)),
            PYTHONUNBUFFERED="1",
            TOKENIZERS_PARALLELISM="false",
            TRANSFORMERS_VERBOSITY="error",  # the log is the user's: only what concerns them
            DIFFUSERS_VERBOSITY="error",
            HF_HUB_VERBOSITY="error",
            HF_HUB_DISABLE_PROGRESS_BARS="1",
            DIFFUSERS_DISABLE_REMOTE_CODE="1",
            # Needed before CUDA starts for deterministic matrix products; harmless otherwise.
            CUBLAS_WORKSPACE_CONFIG=":4096:8",
            CUDA_DEVICE_ORDER="PCI_BUS_ID",
        )
        for name in LAUNCHERS:
            env.pop(name, None)
        if gpus:
            env["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
            if not gpus[0].startswith(FAKE_UUID):
                # To train on the CPU instead would be a silent disaster.
                env["LORAD_GPU"] = ",".join(gpus)
        return env

    def watch(self, job_id: int, process: Process) -> bool:
        """Begin to watch a process, ours or an earlier daemon's; false if it is gone.

        Raises:
            OSError: no descriptor is left for it.
        """
        try:
            descriptor = os.pidfd_open(process.pid)
        except OSError as error:
            if error.errno not in NO_PROCESS:
                raise
            return False
        if birth(process.pid) != process.birth:  # asked while the descriptor holds the pid
            os.close(descriptor)
            return False
        self._watched[descriptor] = job_id
        self._newest[job_id] = descriptor
        self._pids[job_id] = process.pid
        return True

    def gone(self, descriptor: int) -> int | None:
        """Forget a process whose descriptor turned readable; the job that it worked on.

        None where another process has that job by now: this one was killed before it was known.
        """
        job_id = self._watched.pop(descriptor)
        os.close(descriptor)
        # What it started and left behind, one process a card, may hold the memory of its cards.
        code = None
        if child := self._children.pop(descriptor, None):
            _kill_group(child.pid)
            code = child.wait()
        if self._newest.get(job_id) != descriptor:
            return None
        del self._newest[job_id], self._pids[job_id]
        if code is not None:
            self._exit_codes[job_id] = code
        self.end_leftovers(job_id)
        return job_id

    def end_leftovers(self, job_id: int) -> None:
        """End what the run started in another group, or under a daemon that is gone.

        They are known by what their environment says: a group's number may be a stranger's by now.
        """
        for pid, job in of_home(self._home):
            if job == job_id:
                _end_leftover(pid, job)

    def end_strangers(self) -> None:
        """End what runs for a job that no process known here works on.

        A daemon that was killed while it started a run leaves one that nobody gives a task.
        """
        for pid, job in of_home(self._home):
            if job not in self._pids:
                _end_leftover(pid, job)

    def last_words(self, job_id: int) -> str:
        """How the process ended and the last line that it printed, as one sentence."""
        if why := self._whys.get(job_id):
            return why
        code = self._exit_codes.get(job_id)
        if code is None:
            how = "Its process is gone"
        elif code < 0:
            how = f"Its process was killed by {_signal_name(-code)}"
        else:
            how = f"Its process ended with exit code {code}"
        line = _last_line(self._home.log(job_id))
        return f"{how}; the log ends with: {line}" if line else f"{how}."

    def call_for_stacks(self, job_id: int, why: str) -> None:
        """Have the run's processes write where each of their threads stands."""
        with self._home.stacks(job_id).open("a") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {why}\n")
        if pid := self._pids.get(job_id):
            for one in (pid, *_peers(pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one, signal.SIGUSR1)

    def kill(self, job_id: int, why: str = "") -> None:
        """End the process and all that it started, at once; `why` will be its last words."""
        if pid := self._pids.get(job_id):
            if why:
                self._whys[job_id] = why
            _kill_group(pid)  # a session of its own, so the group is all that it started
            log.warning("job %d: its process was killed", job_id)

    def close(self) -> None:
        """Watch no more; the processes live on."""
        for descriptor in self._watched:
            os.close(descriptor)
        for child in self._children.values():
            child.returncode = child.returncode or 0  # it is let go on purpose


def of_home(home: Home) -> Iterator[tuple[int, int]]:
    """Every process that was started for a job of a home: pid, job."""
    mark = os.fsencode(f"LORAD_RUN_FOLDER={home.run_folder(0).parent}{os.sep}")
    for folder in Path("/proc").glob("[0-9]*"):
        # Another user's process, or one that is gone.
        with contextlib.suppress(OSError):
            for entry in (folder / "environ").read_bytes().split(b"\0"):
                job = entry.removeprefix(mark)
                if job != entry and job.isdigit():
                    yield int(folder.name), int(job)


def birth(pid: int) -> str | None:
    """What no other process has: this boot, and the clock ticks into it; none if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name, in brackets, may hold anything; starttime is field 22 of the line, proc(5).
    return f"{boot()}/{stat.rpartition(')')[2].split()[19]}"


def boot() -> str:
    """Which time the machine was started; `LORAD_FAKE_BOOT` stands for another one, for tests."""
    if fake := os.environ.get("LORAD_FAKE_BOOT", ""):
        return fake
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def of_this_boot(process: Process) -> bool:
    """Whether it was made since the machine was started."""
    return process.birth.partition("/")[0] in ("", boot())


def _end_leftover(pid: int, job_id: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        log.warning("job %d: a process that it left behind was killed", job_id)


def _peers(pid: int) -> list[int]:
    """The other processes of a run that has several; whoever else it started knows no signal."""
    found = []
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(pid).children():
            with contextlib.suppress(psutil.Error):
                if PEER in child.cmdline():
                    found.append(child.pid)
    return found


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time ones have no names
        return f"signal {number}"


def _last_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((clean_line(line, 300) for line in reversed(lines) if line.strip()), "")
