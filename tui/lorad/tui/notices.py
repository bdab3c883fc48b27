"""Desktop notifications through the terminal: OSC 9 and 777, where it is known to take them."""

from __future__ import annotations

from collections.abc import Mapping

from lorad.shared.clean import clean_line
from lorad.shared.config import Notify
from lorad.shared.messages import Happening
from lorad.tui.happenings import sentence

OSC9 = ("iTerm.app", "WezTerm", "ghostty")
"""By TERM_PROGRAM."""
OSC777 = ("foot", "rxvt-unicode")
"""By the beginning of TERM."""
EVENTS = ("nonfinite", "stalled", "hung", "disk_low", "queue_empty")


def notice(line: Happening, place: str) -> str:
    """What a notification says; empty for what nobody must be called for."""
    ended = line.before != line.after and line.after in ("done", "failed")
    left = line.after == "paused" and line.event in ("left", "died", "rebooted")
    if not (ended or left or line.event in EVENTS):
        return ""
    where = f"{clean_line(place, 60)}: " if place else ""
    return clean_line(where + sentence(line), 200)


def escape(notify: Notify, text: str, environment: Mapping[str, str]) -> str:
    """The bytes that show it; none over a terminal that might print them instead."""
    kind = _known(environment) if notify == "auto" else notify
    # What ends an OSC is taken out by `clean_line`; 777 parts its fields by semicolons.
    return {
        "bell": "\x07",
        "osc9": f"\x1b]9;{text}\x07",
        "osc777": f"\x1b]777;notify;lorad;{text.replace(';', ',')}\x07",
    }.get(kind, "")


def _known(environment: Mapping[str, str]) -> str:
    if environment.get("TMUX") or environment.get("STY"):
        return "off"  # it would stop there
    if environment.get("TERM_PROGRAM") in OSC9:
        return "osc9"
    return "osc777" if environment.get("TERM", "").startswith(OSC777) else "off"
