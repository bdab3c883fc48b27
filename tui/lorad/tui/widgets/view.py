"""What part of a run's axis is in view, as a value: zooming and panning make another one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lorad.shared.messages import Axis
from lorad.tui.widgets.plot import axis_end

ZOOM = 2.0
PAN = 0.25
"""Of what is in view."""
LEAST_STEPS = 8.0
LEAST_SECONDS = 1.0
AHEAD = 0.25
"""Of a window that follows the newest step: room for what comes, so that it moves rarely."""


@dataclass(frozen=True)
class View:
    """A window of an axis, the whole of it at first."""

    first: float | None = None
    """None: the whole run, growing."""
    last: float | None = None
    axis: Axis = "step"

    @property
    def whole(self) -> bool:
        """Whether all of the run is in view."""
        return self.first is None or self.last is None

    def span(self, reach: Reach) -> tuple[float, float]:
        """Where it begins and ends."""
        if self.first is None or self.last is None:
            return 0.0, axis_end(reach.last, reach.total)
        return self.first, self.last


@dataclass(frozen=True)
class Reach:
    """How far the runs in view are, and how far they will go, on the axis."""

    last: float = 0.0
    total: float = 0.0


def whole(view: View) -> View:
    """All of the run."""
    return replace(view, first=None, last=None)


def zoomed(view: View, reach: Reach, by: float, at: float | None = None) -> View:
    """A window of another width around a place; none: around the newest part of what is seen."""
    first, last = view.span(reach)
    end = max(1.0, axis_end(reach.last, reach.total))
    seen = min(last, max(first, reach.last))
    at = seen if at is None else min(last, max(first, at))
    least = LEAST_SECONDS if view.axis == "time" else LEAST_STEPS
    span = max(min(least, end), (last - first) / by)
    if span >= end:
        return whole(view)
    share = (at - first) / max(1e-9, last - first)
    return _inside(view, at - share * span, span, end)


def panned(view: View, reach: Reach, by: float) -> View:
    """The window moved by a part of itself; the whole run stays where it is."""
    if view.whole:
        return view
    first, last = view.span(reach)
    end = max(1.0, axis_end(reach.last, reach.total))
    return _inside(view, first + by * (last - first), last - first, end)


def _inside(view: View, first: float, span: float, end: float) -> View:
    first = min(max(0.0, first), max(0.0, end - span))
    return replace(view, first=first, last=first + span)


def following(view: View, before: Reach, now: Reach) -> View:
    """A window in which the newest step was goes on with it."""
    if view.first is None or view.last is None or not view.first <= before.last <= view.last:
        return view
    if now.last <= view.last:
        return view
    span = view.last - view.first
    last = now.last + AHEAD * span
    return replace(view, first=last - span, last=last)
