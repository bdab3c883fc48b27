"""What the dashboard knows, as a value: replies and events go in, the next mirror comes out.

Nothing here waits, draws or keeps time. Where an event shows that something was missed, the
reducer says what must be asked for again (`Needs`); the link asks.
"""

from __future__ import annotations

from lorad.tui.mirror.events import apply
from lorad.tui.mirror.order import Listing, Section, in_order, listed, places, sifted, waiting
from lorad.tui.mirror.replies import (
    back,
    gone,
    only_gauges,
    with_away,
    with_chart,
    with_log,
    with_marks,
    with_more_samples,
    with_notes,
    with_points,
    with_samples,
    with_selected,
    with_status,
    with_validations,
)
from lorad.tui.mirror.state import (
    EVERYTHING,
    LOG_LINE_LIMIT,
    LOG_LINES,
    LOG_TAIL,
    MAIN_METRICS,
    MARKS,
    NOTES,
    NOTHING,
    PICTURES,
    Absence,
    Away,
    Detail,
    Mirror,
    Needs,
    Tail,
)

__all__ = [
    "EVERYTHING",
    "LOG_LINES",
    "LOG_LINE_LIMIT",
    "LOG_TAIL",
    "MAIN_METRICS",
    "MARKS",
    "NOTES",
    "NOTHING",
    "PICTURES",
    "Absence",
    "Away",
    "Detail",
    "Listing",
    "Mirror",
    "Needs",
    "Section",
    "Tail",
    "apply",
    "back",
    "gone",
    "in_order",
    "listed",
    "only_gauges",
    "places",
    "sifted",
    "waiting",
    "with_away",
    "with_chart",
    "with_log",
    "with_marks",
    "with_more_samples",
    "with_notes",
    "with_points",
    "with_samples",
    "with_selected",
    "with_status",
    "with_validations",
]
