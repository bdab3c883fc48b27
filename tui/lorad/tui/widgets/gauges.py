"""The machine: each card's load, memory, power and heat, and the box around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lorad.shared.clean import clean_line
from lorad.shared.jobs import Gpu, Host
from lorad.tui.format import bar, fit, memory
from lorad.tui.widgets.painting import Painting, Row, Span, heading, width_of

HOT = 0.9
"""From this share of its limit on, a gauge is worth a look."""
HOTTEST_CELSIUS = 95.0
NAME = 7
"""Cells for `memory` and a gap."""


class Gauge(NamedTuple):
    """One bar."""

    name: str
    share: float | None
    figure: str
    alarm: bool = False


class Gauges(Painting):
    """Shows the machine; where there is little room, a line for each card."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._gpus: tuple[Gpu, ...] = ()
        self._host: Host | None = None

    def show(self, gpus: tuple[Gpu, ...], host: Host | None) -> None:
        """Draw these figures."""
        self._gpus, self._host = gpus, host
        self.repaint()

    def paint(self, width: int, height: int) -> list[Row]:
        """As much as there is room for."""
        if self._host is None:
            return [heading("Machine", "", width, False)]
        if height < 3:
            return [_one_line(self._gpus, self._host, width)]
        head = heading("Machine", "", width, False)
        figured = max(len(gauge.figure) for gauge in self._all(self._host))
        wide = [row for gpu in self._gpus for row in _gpu_rows(gpu, width, figured)]
        wide += _host_rows(self._host, width, figured, bool(self._gpus))
        if len(wide) < height:
            return [head, *wide]
        narrow = [
            _line(f"GPU {gpu.index}", gauges_of(gpu)[:2], width, figured) for gpu in self._gpus
        ]
        narrow.append(_line("host", gauges_of_host(self._host), width, figured))
        return [head, *narrow]

    def _all(self, host: Host) -> list[Gauge]:
        return [*gauges_of_host(host), *(g for gpu in self._gpus for g in gauges_of(gpu))]


def gauges_of(gpu: Gpu) -> list[Gauge]:
    share = gpu.memory_used_bytes / max(1, gpu.memory_total_bytes)
    amount = memory(gpu.memory_used_bytes, gpu.memory_total_bytes)
    load = gpu.utilization_percent
    gauges = [
        Gauge(
            "load", None if load is None else load / 100, "n/a" if load is None else f"{load:.0f} %"
        ),
        Gauge("memory", share, amount, share > HOT),
    ]
    watts, limit, heat = gpu.power_watts, gpu.power_limit_watts, gpu.temperature_celsius
    if watts is not None:
        part = watts / limit if limit else None
        gauges.append(Gauge("power", part, f"{watts:.0f}" + (f"/{limit:.0f} W" if limit else " W")))
    if heat is not None:
        part = heat / HOTTEST_CELSIUS
        gauges.append(Gauge("heat", part, f"{heat:.0f} °C", part > HOT))
    return gauges


def gauges_of_host(host: Host) -> list[Gauge]:
    share = host.memory_used_bytes / max(1, host.memory_total_bytes)
    amount = memory(host.memory_used_bytes, host.memory_total_bytes)
    return [
        Gauge("CPU", host.cpu_percent / 100, f"{host.cpu_percent:.0f} %"),
        Gauge("RAM", share, amount, share > HOT),
    ]


def _gpu_rows(gpu: Gpu, width: int, figured: int) -> list[Row]:
    name = clean_line(gpu.name, 60)
    gauges = gauges_of(gpu)
    title = [Span(f"GPU {gpu.index}", "text"), Span(f"  {name}", "dim")]
    rows = [title, *pairs(gauges, width, figured)]
    if gpu.unusable:
        rows.append([Span("  " + fit(clean_line(gpu.unusable), width - 2), "bad")])
    return rows


def _host_rows(host: Host, width: int, figured: int, titled: bool) -> list[Row]:
    rows: list[Row] = [[Span("host", "text")]] if titled else []
    rows += pairs(gauges_of_host(host), width, figured)
    if host.gpu_note:
        rows.append([Span("  " + fit(clean_line(host.gpu_note), width - 2), "dim")])
    return rows


def pairs(gauges: Sequence[Gauge], width: int, figured: int) -> list[Row]:
    """Two in a line."""
    half = (width - 5) // 2
    rows: list[Row] = []
    for left in range(0, len(gauges), 2):
        row: Row = [Span("  ")]
        for gauge in gauges[left : left + 2]:
            row += [*_gauge(gauge, half, figured), Span("   ")]
        rows.append(row[:-1])
    return rows


def _gauge(gauge: Gauge, width: int, figured: int) -> Row:
    room = width - NAME - figured - 1
    full, rest = bar(gauge.share or 0.0, max(0, room))
    tone = "bad" if gauge.alarm else "accent"
    return [
        Span(fit(gauge.name, NAME), "dim"),
        Span(full, tone),
        Span(rest, "faint"),
        Span(" " + fit(gauge.figure, figured), "text"),
    ]


def _line(name: str, gauges: Sequence[Gauge], width: int, figured: int) -> Row:
    """A name and its gauges in one line."""
    each = (width - NAME) // max(1, len(gauges))
    row: Row = [Span(fit(name, NAME))]
    for gauge in gauges:
        row += _gauge(gauge, each - 1, figured)
        row.append(Span(" "))
    return row


def _one_line(gpus: Sequence[Gpu], host: Host, width: int) -> Row:
    """Everything in figures alone, the less telling ones left out until it fits."""
    row: Row = []
    for telling in (4, 2, 1):
        row = _figures(gpus, host, telling)
        if width_of(row) <= width:
            break
    return row


def _figures(gpus: Sequence[Gpu], host: Host, telling: int) -> Row:
    row: Row = []
    for gpu in gpus:
        words = "  ".join(gauge.figure for gauge in gauges_of(gpu)[:telling] if gauge.figure)
        row += [Span(f"GPU {gpu.index} ", "dim"), Span(f"{words}   ")]
    for gauge in gauges_of_host(host)[:telling]:
        row += [Span(f"{gauge.name} ", "dim"), Span(f"{gauge.figure}   ")]
    return [*row, Span(clean_line(host.gpu_note), "dim")]
