"""The machine and the daemon in words, the same on their screen and on the command line."""

from __future__ import annotations

import time
from collections.abc import Mapping

from lorad.shared.clean import clean_line
from lorad.shared.jobs import Disk, GpuProcess, Host, Job
from lorad.shared.messages import Health
from lorad.tui.format import duration

PROCESS_HEAD = ("PID", "USER", "MEMORY", "WHOSE", "PROGRAM")
FULL = 0.95
"""From this share of a disk on it is worth a look."""
LATE_SECONDS = 1.0
"""A beat that is later than this was held up by something."""
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size(amount: float) -> str:
    """Bytes in the unit in which they are short."""
    for unit in _UNITS[:-1]:
        if abs(amount) < 1024:
            return f"{amount:.0f} {unit}" if unit in "B KiB" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} {_UNITS[-1]}"


def short_uuid(uuid: str) -> str:
    """As much of it as tells the cards of one box apart."""
    return clean_line(uuid)[:12]


def process_cells(process: GpuProcess, jobs: Mapping[int, Job]) -> tuple[str, ...]:
    """A process on a card, as `PROCESS_HEAD` names the columns."""
    memory = "" if process.memory_bytes is None else size(process.memory_bytes)
    whose = "not ours"
    if process.job is not None:
        job = jobs.get(process.job)
        whose = f"job {process.job}" + (f" ({clean_line(job.name, 32)})" if job else "")
    name = clean_line(process.name) or "not seen from here"
    return str(process.pid), clean_line(process.user) or "?", memory, whose, name


def disk_words(disk: Disk) -> str:
    """How much is left, and where."""
    return f"{size(disk.free_bytes)} free of {size(disk.total_bytes)}  {clean_line(disk.path)}"


def disk_share(disk: Disk) -> float:
    """How full it is, 0..1."""
    return 1 - disk.free_bytes / max(1, disk.total_bytes)


def load_words(host: Host) -> str:
    """What wants to run, beside how many cores there are for it."""
    load = " ".join(f"{mean:.2f}" for mean in host.load)
    return f"{load}  on {host.cpu_count} cores" if host.cpu_count else load


def health_rows(health: Health) -> list[tuple[str, str, bool]]:
    """The daemon's health: name, words, and whether that is worth a look."""
    info = health.daemon
    late = health.beat_late_seconds
    clients = ", ".join(clean_line(name, 40) for name in health.clients) or "nobody"
    return [
        ("daemon", f"{clean_line(info.version)}, pid {info.pid}, on {clean_line(info.hostname)}",
         False),
        ("up", duration(health.uptime_seconds), False),
        ("home", clean_line(info.home, 400), False),
        ("takes", f"{size(health.memory_bytes)}, {health.cpu_percent:.0f} % of a core", False),
        ("database", size(health.database_bytes), False),
        ("events", f"{health.events_per_second:.1f} a second to {health.watchers}"
                   f" watcher{'' if health.watchers == 1 else 's'}", False),
        ("clients", f"{clients}, within a minute", False),
        ("held up", f"{late:.1f} s at the newest beat" if late > LATE_SECONDS else "no",
         late > LATE_SECONDS),
        ("overdue", f"the end of {health.unsettled} run{'' if health.unsettled == 1 else 's'}"
                    " could not be stored yet" if health.unsettled else "nothing",
         bool(health.unsettled)),
    ]  # fmt: skip


def trouble_rows(health: Health) -> list[tuple[str, str, str]]:
    """What it logged as a warning or worse: when, how bad, what; the newest last."""
    return [
        (
            time.strftime("%m-%d %H:%M:%S", time.localtime(trouble.time)),
            trouble.level,
            clean_line(trouble.text, 400),
        )
        for trouble in health.troubles
    ]
