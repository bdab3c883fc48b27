"""What happened, as people say it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from lorad.shared.clean import clean_line
from lorad.shared.messages import Happening
from lorad.shared.words import counted
from lorad.tui.mirror import Absence, Away

TOLD = ("done", "failed", "paused", "cancelled")
"""States that are news to whoever was away."""
WORDS = {"add": "added", "rm": "removed", "nonfinite": "loss is no number"}
QUIET = frozenset(
    {"move", "priority", "sample", "save", "start", "ready", "finish", "pause", "cancel"}
    | {"add_group", "set_group", "remove_group", "pause_group", "resume_group", "drain"}
    | {"shut_down", "refused"}
)
"""What somebody asked for, or what only leads to something."""


def is_news(line: Happening) -> bool:
    """Whether it is worth a line to somebody who was away."""
    return line.event not in QUIET


def away_line(away: Away) -> str:
    """All of it in one line; empty where nothing happened."""
    counts = Counter(
        line.after for line in away.happenings if line.before != line.after and line.after in TOLD
    )
    parts = [f"{counts[state]} {state}" for state in TOLD if counts[state]]
    added = sum(line.event == "add" for line in away.happenings)
    if added:
        parts.append(f"{added} added")
    looked = ("nonfinite", "stalled", "hung", "disk_low")
    stalled = sum(line.event in looked for line in away.happenings)
    if stalled:
        parts.append(f"{stalled} to look at")
    if away.steps:
        parts.append(counted(away.steps, "step"))
    return f"since {clock(away.since)}: {', '.join(parts)}" if parts else ""


def clock(at: float) -> str:
    """The time of day; with the day where it is another one."""
    then, now = time.localtime(at), time.localtime()
    return time.strftime("%H:%M" if then[:3] == now[:3] else "%d %b %H:%M", then)


def sentence(line: Happening) -> str:
    """One line of the list."""
    if line.event == "undo" and not line.id:
        return f"Undone: {clean_line(line.text, 400)}"
    name = f" ({clean_line(line.name, 40)})" if line.name else ""
    who = f"Job {line.id}{name}" if line.id else "The daemon"
    what = line.after if line.before != line.after and line.after else line.event
    what = WORDS.get(line.event, what)
    if (line.event, line.after) == ("left", "paused"):
        what = "was paused"  # by nobody
    text = f": {clean_line(line.text, 400)}" if line.text else ""
    return f"{who} {what.replace('_', ' ')}{text}"


def newest_first(lines: Sequence[Happening]) -> list[Happening]:
    """As a list is read, without what is no news."""
    return [line for line in reversed(lines) if is_news(line)]


def absence_lines(absences: Sequence[Absence]) -> list[tuple[float, str]]:
    """When the daemon was gone and when it was back, as lines of the list."""
    lines = []
    for one in absences:
        lines.append((one.since, f"The daemon was gone: {clean_line(one.trouble, 400)}"))
        if one.until is not None:
            anew = ", started anew" if one.other else ""
            lines.append((one.until, f"The daemon was back{anew}"))
    return lines
