"""What nobody reports: a run that says nothing, a disk that fills, a queue that is empty."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Mapping
from typing import NamedTuple

from lorad.shared.config import Hooks, Runs, load_config
from lorad.shared.errors import ConfigError
from lorad.shared.jobs import Active, Job, Queued, Running

log = logging.getLogger(__name__)
LOOK_SECONDS = 10.0
GIB = 1 << 30
ENOUGH = 1.2
"""A disk that was low is told of again only after it had this much more than the limit."""


class Disk(NamedTuple):
    """One file system."""

    path: str
    """One of the folders on it."""
    free: int
    """Bytes."""


class Alarm(NamedTuple):
    """Something to tell, as the log of what happened has it."""

    job_id: int
    event: str
    text: str


class Outlook:
    """Settings and disks, read in a thread: a network disk that hangs must hold up nobody."""

    def __init__(self) -> None:
        """Nothing is known before `start`."""
        self.hooks = Hooks()
        self.runs = Runs()
        self.disks: tuple[Disk, ...] = ()
        self.folders: frozenset[str] = frozenset()
        """Set by the daemon: what to look at."""
        self._trouble = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outlook", daemon=True)

    def start(self) -> None:
        """Look from time to time."""
        self._read_config()
        self._thread.start()

    def stop(self) -> None:
        """Look no more; a hanging disk is not waited for."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS if self.disks else 0.5):
            try:
                self._read_config()
                self.disks = look_at(self.folders)
            except Exception:
                log.exception("the disks could not be looked at")

    def _read_config(self) -> None:
        try:
            config = load_config()
            self.hooks, self.runs = config.hooks, config.runs
            self._trouble = ""
        except ConfigError as error:  # what was valid before goes on being so
            if str(error) != self._trouble:
                log.warning("%s", error)
            self._trouble = str(error)


def look_at(folders: frozenset[str]) -> tuple[Disk, ...]:
    """One of each file system that the folders are on."""
    found: dict[int, Disk] = {}
    for folder in sorted(folders):
        try:
            found.setdefault(os.stat(folder).st_dev, Disk(folder, shutil.disk_usage(folder).free))
        except OSError:
            continue  # it was removed, or its disk is gone: the run itself says so
    return tuple(found.values())


class Watchman:
    """Says each thing once, and again only after it was otherwise. Pure but for its memory."""

    def __init__(self) -> None:
        """Has seen nothing."""
        self._first: dict[int, float] = {}
        self._stalled: set[int] = set()
        self._low: set[str] = set()
        self._busy = False

    def look(
        self, now: float, jobs: list[Job], heard: Mapping[int, float], outlook: Outlook
    ) -> list[Alarm]:
        """What is new. `heard`: when each run reported last, by the same clock as `now`."""
        return [
            *self._look_at_runs(now, jobs, heard, outlook.hooks.stalled_seconds),
            *self._look_at_disks(outlook.disks, outlook.hooks.disk_low_gib * GIB),
            *self._look_at_queue(jobs),
        ]

    def _look_at_runs(
        self, now: float, jobs: list[Job], heard: Mapping[int, float], limit: float
    ) -> list[Alarm]:
        alarms = []
        running = {job.id for job in jobs if isinstance(job.status, Running)}
        self._first = {id: self._first.get(id, now) for id in running}
        self._stalled &= running
        for id in sorted(running):
            silent = now - max(self._first[id], heard.get(id, 0.0))
            if silent <= limit:
                self._stalled.discard(id)
            elif id not in self._stalled:
                self._stalled.add(id)
                text = f"It reported nothing for {_minutes(silent)}."
                alarms.append(Alarm(id, "stalled", text))
        return alarms

    def _look_at_disks(self, disks: tuple[Disk, ...], limit: float) -> list[Alarm]:
        alarms = []
        for disk in disks:
            if disk.free > limit * ENOUGH:
                self._low.discard(disk.path)
            elif disk.free < limit and disk.path not in self._low:
                self._low.add(disk.path)
                text = f"The disk that holds {disk.path} has {disk.free / GIB:.1f} GiB left."
                alarms.append(Alarm(0, "disk_low", text))
        return alarms

    def _look_at_queue(self, jobs: list[Job]) -> list[Alarm]:
        before = self._busy
        self._busy = any(isinstance(job.status, Active | Queued) for job in jobs)
        if before and not self._busy:
            text = "The queue is empty: nothing runs and nothing waits."
            return [Alarm(0, "queue_empty", text)]
        return []


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
