"""Figures and states as words, the same in the dashboard and on the command line."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from itertools import pairwise

from rich.cells import cell_len, set_cell_size

from lorad.shared.clean import clean_line
from lorad.shared.jobs import (
    Active,
    Cancelled,
    Ended,
    Finishing,
    Gpu,
    Host,
    Job,
    Queued,
    State,
)

GIB = 1 << 30

LOOKS: dict[State, tuple[str, str]] = {
    "stashed": ("◌", "dim"),
    "queued": ("○", "text"),
    "starting": ("◔", "accent"),
    "running": ("●", "accent"),
    "held": ("◉", "warn"),
    "pausing": ("◑", "warn"),
    "paused": ("‖", "warn"),
    "finishing": ("◕", "accent"),
    "done": ("✓", "good"),
    "failed": ("✗", "bad"),
    "cancelled": ("⊘", "dim"),
}
"""A state's symbol and colour: never the colour alone, since some see none."""


def duration(seconds: float | None) -> str:
    """As people say it, with at most two units; nothing where it is not known."""
    if seconds is None or not math.isfinite(seconds):
        return ""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{minutes:02d}m"
    days, hours = divmod(hours, 24)
    return f"{days}d{hours:02d}h"


def figure(value: float | None, digits: int = 4, *, fine: bool = False) -> str:
    """A number with this many digits that say something; nothing where there is none.

    With an exponent it has two of them, for columns that are seven wide, unless it is to be `fine`.
    """
    if value is None:
        return ""
    if not math.isfinite(value):
        return "NaN"
    if value != 0 and not 1e-3 <= abs(value) < 1e5:
        mantissa, _, exponent = f"{value:.{digits - 1 if fine else 1}e}".partition("e")
        if "." in mantissa:
            mantissa = mantissa.rstrip("0").rstrip(".")
        return f"{mantissa}e{int(exponent)}"
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 1
    return f"{value:.{max(0, digits - whole)}f}"


def memory(used: int, total: int) -> str:
    """Two amounts in the same unit."""
    digits = 0 if total >= 32 * GIB else 1
    return f"{used / GIB:.{digits}f}/{total / GIB:.{digits}f} GiB"


def steps(job: Job) -> str:
    """Steps taken of steps to take; only those taken where the run has not told its length."""
    if job.max_train_steps is None:
        return f"{job.progress.step}"
    return f"{job.progress.step}/{job.max_train_steps}"


def share(job: Job) -> float:
    """How much of the way is done, 0..1; nothing of one whose length is not known."""
    if job.max_train_steps is None:
        return 0.0
    return min(1.0, max(0.0, job.progress.step / max(1, job.max_train_steps)))


def validation(job: Job) -> str:
    """The loss on what is held out, and where it was lowest."""
    progress = job.progress
    parts = []
    if progress.validation_loss is not None:
        parts.append(f"val {figure(progress.validation_loss)}")
    if progress.best_step is not None:
        parts.append(f"best at {progress.best_step}")
    return ", ".join(parts)


def loss(job: Job) -> str:
    """The newest smoothed loss."""
    return "NaN" if job.progress.loss_nonfinite else figure(job.progress.loss)


def gpu_line(gpu: Gpu) -> str:
    """A card in one line."""
    parts = [f"GPU {gpu.index} {gpu.name}", memory(gpu.memory_used_bytes, gpu.memory_total_bytes)]
    if gpu.utilization_percent is not None:
        parts.append(f"{gpu.utilization_percent:.0f} %")
    if gpu.power_watts is not None:
        parts.append(f"{gpu.power_watts:.0f} W")
    if gpu.temperature_celsius is not None:
        parts.append(f"{gpu.temperature_celsius:.0f} °C")
    return "  ".join(parts)


def host_line(host: Host) -> str:
    """The box in one line."""
    ram = memory(host.memory_used_bytes, host.memory_total_bytes)
    line = f"CPU {host.cpu_percent:.0f} %  RAM {ram}"
    return f"{line}  {host.gpu_note}" if host.gpu_note else line


def fit(text: str, width: int, right: bool = False) -> str:
    """The text in exactly this many cells."""
    if width <= 0:
        return ""
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…"
    return " " * (width - length) + text if right else text + " " * (width - length)


def bar(share: float, width: int) -> tuple[str, str]:
    """The filled and the empty part of a bar, in half cells."""
    halves = round(min(1.0, max(0.0, share if math.isfinite(share) else 0.0)) * width * 2)
    filled = "━" * (halves // 2) + ("╸" if halves % 2 else "")
    return filled, "─" * (width - len(filled))


EIGHTHS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int) -> str:
    """Values as columns of eighths of a cell, oldest first; the lowest is one eighth high."""
    if not values or width <= 0:
        return ""
    groups = min(width, len(values))
    cuts = [len(values) * place // groups for place in range(groups + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(cuts)]
    low, high = min(means), max(means)
    spread = (high - low) or 1.0
    return "".join(EIGHTHS[min(7, int((value - low) / spread * 8))] for value in means)


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `3rd`, `4th`."""
    teens = 10 <= number % 100 <= 20
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def note(job: Job) -> str:
    """What there is to say about its state: a reason, a cause, a phase."""
    if why := job.reason:
        return clean_line(why, 600)
    if isinstance(job.status, Finishing) and job.status.outcome == "cancelled":
        return clean_line(job.progress.phase) or "saving what there is"
    if isinstance(job.status, Active):
        phase = clean_line(job.progress.phase)
        return "" if phase == job.state else phase  # once is enough
    if isinstance(job.status, Cancelled) and job.progress.step:
        return f"stopped at step {job.progress.step}"
    return ""


def terms(job: Job, now: float) -> str:
    """What a job that may start waits for beside its turn, and whether a reboot pauses it.

    Nothing of one that has ended.
    """
    if isinstance(job.status, Ended):
        return ""
    rebooted = "paused after a reboot" if job.after_reboot == "pause" else ""
    if isinstance(job.status, Active):
        return rebooted
    parts = [first] if (first := waits_for(job, now)) else []
    if job.gpus:
        parts.append(f"on {clean_line(', '.join(job.gpus))}")
    if job.retries:
        parts.append(f"{job.retries} retries" if job.retries > 1 else "1 retry")
    if rebooted:
        parts.append(rebooted)
    return "; ".join(parts)


def waits_for(job: Job, now: float) -> str:
    """The jobs and the time before which it does not start, whoever is first in line.

    What the daemon says of it is all; where it says nothing, or stops at the whole queue or group,
    what was asked for.
    """
    turn, parts = job.turn, []
    if turn is None or turn.kind in ("drain", "group") or not isinstance(job.status, Queued):
        parts += [f"after {', '.join(map(str, job.after))}"] if job.after else []
    elif turn.words and turn.kind not in ("slots", "time"):
        parts.append(clean_line(turn.words))
    # Whether its time has come is for the box to say: its clock may be another one than here.
    told = turn is not None and turn.kind == "time" and isinstance(job.status, Queued)
    if job.start_after is not None and (told or job.start_after > now):
        parts.append(f"not before {moment(job.start_after)}")
    return "; ".join(parts)


def moment(seconds: float) -> str:
    """A time by the clock on the wall."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def wrapped(text: str, width: int, most: int) -> list[str]:
    """The text in at most `most` lines, broken between words; the last one may be cut."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if cell_len(longer) <= width or not line:
            line = longer
        else:
            lines.append(line)
            line = word
    lines.append(line)
    if len(lines) > most:
        lines = [*lines[: most - 1], " ".join(lines[most - 1 :])]
    return [fit(line, width) for line in lines if line]
