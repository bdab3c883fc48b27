"""Who the processes on a card are: their user, their name, and whether they are runs of ours."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import psutil

from lorad.shared.clean import clean_line
from lorad.shared.jobs import GpuProcess

NAME_LIMIT = 60


class Owner(NamedTuple):
    """What does not change while a process lives."""

    user: str = ""
    name: str = ""
    job: int | None = None


class Owners:
    """Names processes, each once."""

    def __init__(self, runs: str) -> None:
        """`runs` is where this daemon's runs report: by it they are known as ours."""
        self._runs = runs
        self._known: dict[tuple[int, float], Owner] = {}

    def named(self, processes: Iterable[GpuProcess]) -> tuple[GpuProcess, ...]:
        """The same processes with their owners; what cannot be seen of one stays empty."""
        told = tuple(self._one(process) for process in processes)
        if len(self._known) > 1000:
            self._known.clear()  # found again when they are asked for
        return told

    def _one(self, process: GpuProcess) -> GpuProcess:
        owner = self._owner(process.pid)
        return GpuProcess(
            pid=process.pid,
            memory_bytes=process.memory_bytes,
            user=owner.user,
            name=owner.name,
            job=owner.job,
        )

    def _owner(self, pid: int) -> Owner:
        try:
            found = psutil.Process(pid)
            key = (pid, found.create_time())
            if key not in self._known:
                self._known[key] = Owner(_user(found), _name(found), self._job(pid))
            return self._known[key]
        except psutil.Error:  # it is gone, or it lives in another container
            return Owner()

    def _job(self, pid: int) -> int | None:
        """The job whose run started it: its environment says so, as for `end_leftovers`."""
        try:
            lines = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:  # another user's
            return None
        said = dict(line.partition(b"=")[::2] for line in lines)
        number = said.get(b"LORAD_JOB_ID", b"")
        ours = said.get(b"LORAD_RUNS") == os.fsencode(self._runs)
        return int(number) if ours and number.isdigit() else None


def _user(process: psutil.Process) -> str:
    try:
        return clean_line(process.username(), NAME_LIMIT)
    except psutil.Error:
        return ""


def _name(process: psutil.Process) -> str:
    """The program, and for Python the script or module that it runs.

    Its words are anybody's: bytes that are no text would end whoever tells them.
    """
    try:
        words = process.cmdline()
    except psutil.Error:
        words = []
    program = os.path.basename(words[0]) if words and words[0] else process.name()
    if program.startswith("python") and len(words) > 1:
        script = words[2] if words[1] == "-m" and len(words) > 2 else os.path.basename(words[1])
        if not script.startswith("-"):
            program = f"{program} {script}"
    return clean_line(program, NAME_LIMIT)
