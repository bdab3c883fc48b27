"""Runs that hang: what says nothing and does nothing is ended, and goes on from its checkpoint.

The sign of life is a report of the run's loop, a step or a change of phase; the thread that sends
them lives on when the loop does not, and so it says nothing here. How long a phase may be silent is
learned from the run itself. A phase that has not been measured yet gets more time, and whoever
computes, reads or writes meanwhile is slow, which is no fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import psutil

from lorad.shared.jobs import Finishing, Job, Pausing, Process, Running, Starting
from lorad.shared.messages import AnyReport, EndReport, PhaseReport

SLOWER = 10.0
"""A phase may be silent for so many times its longest silence so far."""
FIRST = 5.0
"""A phase that was not measured yet may be silent for so many times `runs.hang_seconds`."""
PATIENCE = {"reading": 30.0, "looking": 30.0}
"""The same where others may be waited for: a network, a model that another run is fetching."""
BUSY = 30.0
"""One that was measured may compute for so many times its limit before it says something; a card
that hangs keeps its process waiting at full speed."""
BUSY_SHARE = 0.05
"""Of one core: the line to the daemon alone takes less."""
BUSY_BYTES = 16 << 10
"""Read or written in a second."""
LOOK_MOST = 10.0
"""Counted at most from one look to the next: who was stopped itself saw no silence."""
STACK_SECONDS = 1.0
"""From the call for the stacks to the end of the process."""


class Work(NamedTuple):
    """What a process and those it started have done so far."""

    cpu_seconds: float
    io_bytes: int


class Hang(NamedTuple):
    """A run that hangs. The first time its stacks are called for, then it is ended."""

    job_id: int
    why: str
    """One sentence."""
    ends: bool


@dataclass
class _Seen:
    process: Process
    kind: str
    last: float
    """When it reported last."""
    worked: float
    """When it was last seen at work, or reported."""
    slowest: dict[str, float] = field(default_factory=dict)
    """The longest silence by kind of phase."""
    work: tuple[float, Work] | None = None
    called: float | None = None
    ended: bool = False


class Hangs:
    """Watches the runs that are to make progress. Pure, but for its memory and the port `work`."""

    def __init__(self, work: Callable[[int], Work | None] | None = None) -> None:
        """`work` tells of a pid what it has done; none where that cannot be told."""
        self._work = work or work_of
        self._runs: dict[int, _Seen] = {}
        self._time = 0.0
        self._read: float | None = None

    def reported(self, job_id: int, reports: Iterable[AnyReport], now: float) -> None:
        """A run said something; `now` by the monotonic clock."""
        time = self._tick(now)
        if (seen := self._runs.get(job_id)) is None:
            return
        measured = set()
        for report in reports:
            measured.add(seen.kind)  # it got on, or came to its end
            if isinstance(report, PhaseReport):
                seen.kind = kind_of(report.phase)
            elif isinstance(report, EndReport):
                seen.ended = True  # what comes now is the daemon's to end, in its own time
        for kind in measured:
            seen.slowest[kind] = max(seen.slowest.get(kind, 0.0), time - seen.last)
        seen.last = seen.worked = time
        seen.work = seen.called = None

    def look(self, now: float, jobs: Sequence[Job], hang_seconds: float) -> list[Hang]:
        """What hangs now; nothing does with 0 seconds."""
        time = self._tick(now)
        watched = {job.id: job for job in jobs if _is_watched(job)}
        self._runs = {id: seen for id, seen in self._runs.items() if id in watched}
        hangs = []
        for job in watched.values():
            assert job.process is not None
            seen = self._runs.get(job.id)
            if seen is None or seen.process != job.process:
                kind = kind_of(_phase(job))
                self._runs[job.id] = _Seen(job.process, kind, time, time)
            elif hang_seconds > 0 and (hang := self._judge(job, seen, time, hang_seconds)):
                hangs.append(hang)
        return hangs

    def _judge(self, job: Job, seen: _Seen, time: float, least: float) -> Hang | None:
        silent, is_new = time - seen.last, seen.kind not in seen.slowest
        limit = max(least, SLOWER * seen.slowest.get(seen.kind, 0.0))
        if is_new:
            limit = max(limit, least * PATIENCE.get(seen.kind, FIRST))
        if silent <= limit / 2 or seen.ended:
            return None
        self._look_at_work(seen, time)
        idle = time - seen.worked > limit
        if not idle and (is_new or silent <= BUSY * limit):
            return None
        what = "and did nothing" if idle else f"after {_seconds(limit / SLOWER)} at most before"
        why = f"It hung: it reported nothing for {_seconds(silent)} while {_phase(job)}, {what}."
        if seen.called is None:
            seen.called = time
            return Hang(job.id, why, ends=False)
        if time - seen.called < STACK_SECONDS:
            return None
        seen.ended = True
        return Hang(job.id, why, ends=True)

    def _look_at_work(self, seen: _Seen, time: float) -> None:
        work, before = self._work(seen.process.pid), seen.work
        if work is None:
            return
        seen.work = time, work
        if before is None:
            return
        seconds, then = time - before[0], before[1]
        cpu, io = work.cpu_seconds - then.cpu_seconds, work.io_bytes - then.io_bytes
        # Less than before: something that it started has come to its end.
        if not (0 <= cpu < BUSY_SHARE * seconds and 0 <= io < BUSY_BYTES * seconds):
            seen.worked = time

    def _tick(self, now: float) -> float:
        """The time that was looked at: what passed while nobody could look does not count."""
        if self._read is not None:
            self._time += min(max(0.0, now - self._read), LOOK_MOST)
        self._read = now
        return self._time


def _is_watched(job: Job) -> bool:
    """Whether it is to get on: one that is held does nothing, as it should."""
    return isinstance(job.status, Starting | Running | Pausing | Finishing)


def _phase(job: Job) -> str:
    """What it does, for a sentence."""
    if job.progress.phase:
        return job.progress.phase
    return "starting" if isinstance(job.status, Starting) else "training"


def kind_of(phase: str) -> str:
    """A phase's first word: `encoding pictures 12/48` is `encoding`; none is `training`."""
    return phase.split(" ", 1)[0] or "training"


def work_of(pid: int) -> Work | None:
    """What a process and those below it have done; none: it cannot be asked."""
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return None
    cpu, size = 0.0, 0
    for process in family:
        try:
            with process.oneshot():
                times, io = process.cpu_times(), process.io_counters()
        except psutil.Error:
            continue
        cpu += times.user + times.system
        # Of mapped files and of the network only the second pair knows, of caches the first.
        size += io.read_chars + io.write_chars + io.read_bytes + io.write_bytes
    return Work(cpu, size)


def _seconds(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
