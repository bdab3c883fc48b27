"""The keys of the comparison, and what is known of one of its runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from textual.binding import Binding, BindingType

from lorad.shared.jobs import Job
from lorad.shared.messages import (
    Column,
    Happening,
    Metric,
)
from lorad.tui.compare import Lines, Written
from lorad.tui.widgets.chart import MetricChart
from lorad.tui.widgets.view import View

HINTS = (
    ("[ ]", "figure"),
    ("t", "steps/time/pictures"),
    ("← →", "cursor"),
    ("+ -", "zoom"),
    ("b", "baseline"),
    ("< >", "sort"),
    ("tab", "recipes"),
    ("y", "log"),
    ("r", "reverse"),
    ("esc", "back"),
    ("?", "all keys"),
)
AGAIN_SECONDS = 2.0
"""A run that goes on is asked for again after this long."""
ORDER: tuple[Metric, ...] = (
    "loss", "validation_loss", "learning_rate", "grad_norm", "images_per_second",
    "gpu_utilization", "gpu_memory", "gpu_power", "gpu_temperature",
)  # fmt: skip
CHART_KEYS: list[BindingType] = [
    Binding(one.key, f"on_chart({one.action!r})", one.description, show=False, id=one.id)
    for one in MetricChart.BINDINGS
    if isinstance(one, Binding)
]
"""The chart's keys also where the tables have the keys; they are one with those in the settings."""


BINDINGS: list[BindingType] = [
    Binding(
        "right_square_bracket,m", "metric(1)", "figure", id="compare.next",
        tooltip="Next figure",
    ),
    Binding(
        "left_square_bracket", "metric(-1)", "figure", id="compare.previous",
        tooltip="Previous figure",
    ),
    Binding("j,down", "row(1)", "down", id="compare.down", tooltip="Next run"),
    Binding("k,up", "row(-1)", "up", id="compare.up", tooltip="Previous run"),
    Binding(
        "b", "baseline", "baseline", id="compare.baseline",
        tooltip="Differences to this run, or to none",
    ),
    Binding(
        "greater_than_sign", "sort(1)", "sort", id="compare.sort",
        tooltip="Sort by the next column",
    ),
    Binding(
        "less_than_sign", "sort(-1)", "sort", id="compare.sort_back",
        tooltip="Sort by the column before",
    ),
    Binding("r", "reverse", "reverse", id="compare.reverse", tooltip="The other way round"),
    Binding("tab", "pane(1)", "recipes", id="compare.pane", tooltip="Curves, runs, recipes"),
    Binding("shift+tab", "pane(-1)", "back", id="compare.pane_back", tooltip="Pane before"),
    Binding("escape,c", "dismiss", "back", id="compare.leave", tooltip="Back"),
    *CHART_KEYS,
]  # fmt: skip


@dataclass
class Run:
    """What is known of one run, as its answers come."""

    job: Job
    lines: Lines = field(default_factory=dict)
    """The whole run over its steps."""
    window: Sequence[Column] = ()
    view: View | None = None
    """The view that the window shows."""
    changes: Sequence[Happening] = ()
    recipe: Written | None = None
    seen: tuple[object, ...] = ()
    """What was known of the job when its curve was asked for last."""
    heard: tuple[object, ...] = ()
    """And its recipe and history."""
    gone: bool = False
