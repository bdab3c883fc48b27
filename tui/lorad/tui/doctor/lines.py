"""What the doctor says: a line for each thing that was looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

Verdict = Literal["ok", "warning", "wrong"]


class Line(NamedTuple):
    """One thing, and how it is."""

    name: str
    verdict: Verdict
    text: str
    """How it is, in one sentence."""
    todo: str = ""
    """What to do about it; empty where nothing needs doing."""


def ok(name: str, text: str) -> Line:
    """It is as it should be."""
    return Line(name, "ok", text)


def warning(name: str, text: str, todo: str = "") -> Line:
    """It works, and not as well as it could, or it cannot be told."""
    return Line(name, "warning", text, todo)


def wrong(name: str, text: str, todo: str) -> Line:
    """Something will fail for it."""
    return Line(name, "wrong", text, todo)


def summary(lines: Sequence[Line]) -> str:
    """The whole in one sentence."""
    counts = {verdict: sum(line.verdict == verdict for line in lines) for verdict in VERDICTS}
    if not counts["wrong"] and not counts["warning"]:
        return "All is well."
    said = []
    if counts["wrong"]:
        said.append(f"{counts['wrong']} {_things(counts['wrong'])} wrong")
    if counts["warning"]:
        said.append(f"{counts['warning']} {_things(counts['warning'])} worth a look")
    return f"{' and '.join(said)}." if counts["wrong"] else f"Nothing is wrong; {said[0]}."


VERDICTS: tuple[Verdict, ...] = ("ok", "warning", "wrong")


def _things(count: int) -> str:
    return "thing is" if count == 1 else "things are"


def told(lines: Sequence[Line]) -> str:
    """For reading: what to do stands below what it is about."""
    width = max(len(line.name) for line in lines)
    said = []
    for line in lines:
        said.append(f"{line.verdict:<8} {line.name:<{width}}  {line.text}")
        if line.todo:
            said.append(f"{'':<8} {'':<{width}}  → {line.todo}")
    return "\n".join([*said, "", summary(lines)])
