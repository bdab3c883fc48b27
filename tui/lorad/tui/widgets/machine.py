"""The whole machine: each card with who computes on it, the box, and the daemon's health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from lorad.shared.clean import clean_line
from lorad.shared.jobs import Gpu, Host, Job
from lorad.shared.messages import Health
from lorad.tui import machine
from lorad.tui.format import bar, fit
from lorad.tui.mirror import Mirror
from lorad.tui.widgets.gauges import NAME, gauges_of, gauges_of_host, pairs
from lorad.tui.widgets.painting import Row, Span, centred, heading
from lorad.tui.widgets.scrolling import Scrolling

FIGURES = 14
"""Cells of the longest figure beside a bar."""
PID, USER, MEMORY, WHOSE = 9, 12, 11, 22
"""Columns of the processes, with the gap behind each; the last grows with the terminal."""
TROUBLE = {"info": "dim", "warning": "warn", "error": "bad"}


class MachineView(Scrolling, can_focus=True):
    """Everything there is to say, in lines that scroll where there are too many."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll(1)", "down", show=False, id="machine.down"),
        Binding("k,up", "scroll(-1)", "up", show=False, id="machine.up"),
        Binding("pagedown,ctrl+d", "scroll(10)", "page down", show=False, id="machine.page_down"),
        Binding("pageup,ctrl+u", "scroll(-10)", "page up", show=False, id="machine.page_up"),
        Binding("g,home", "scroll(-9999)", "begin", show=False, id="machine.begin"),
        Binding("G,end", "scroll(9999)", "end", show=False, id="machine.end"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._gpus: Sequence[Gpu] = ()
        self._host: Host | None = None
        self._jobs: Mapping[int, Job] = {}
        self._health: Health | None = None
        self._top = 0

    def show(self, mirror: Mirror) -> None:
        """Draw these cards and this box."""
        self._gpus, self._host, self._jobs = mirror.gpus, mirror.host, mirror.jobs
        self.repaint()

    def tell(self, health: Health) -> None:
        """Draw this health."""
        self._health = health
        self.repaint()

    def paint(self, width: int, height: int) -> list[Row]:
        """The lines in view."""
        if self._host is None:
            return centred([[Span("nobody has said anything of this machine yet", "dim")]],
                           width, height)  # fmt: skip
        rows = [row for gpu in self._gpus for row in card_rows(gpu, self._jobs, width)]
        rows += host_rows(self._host, width)
        if self._health is not None:
            rows += health_rows(self._health, width)
        self._top = min(self._top, max(0, len(rows) - height))
        return rows[self._top : self._top + height]

    def action_scroll(self, lines: int) -> None:
        self._top = max(0, self._top + lines)
        self.repaint()


def card_rows(gpu: Gpu, jobs: Mapping[int, Job], width: int) -> list[Row]:
    """A card's gauges, and a line for each process on it."""
    title = f"GPU {gpu.index}  {clean_line(gpu.name, 40)}"
    rows = [heading(title, machine.short_uuid(gpu.uuid), width, False)]
    rows += pairs(gauges_of(gpu), width, FIGURES)
    if gpu.unusable:
        rows.append([Span("  " + fit(clean_line(gpu.unusable), width - 2), "bad")])
    if not gpu.processes:
        return [*rows, [Span("  nobody computes on it", "dim")], []]
    wide = WHOSE + max(0, width - 78) // 3
    pid, user, memory, whose, name = (cell.lower() for cell in machine.PROCESS_HEAD)
    head = fit(pid, PID) + fit(user, USER) + fit(memory, MEMORY) + fit(whose, wide) + name
    rows.append([Span("  " + head, "faint")])
    for process in gpu.processes:
        pid, user, memory, whose, name = machine.process_cells(process, jobs)
        tone = "warn" if process.job is None else "accent"
        rows.append([
            Span("  " + fit(pid, PID) + fit(user, USER - 1) + " " + fit(memory, MEMORY)),
            Span(fit(whose, wide - 2) + "  ", tone),
            Span(fit(name, width - 2 - PID - USER - MEMORY - wide), "dim"),
        ])  # fmt: skip
    return [*rows, []]


def host_rows(host: Host, width: int) -> list[Row]:
    """The box: processor, memory, load, and each disk that is written to."""
    rows = [heading("Host", "", width, False), *pairs(gauges_of_host(host), width, FIGURES)]
    rows.append([Span("  " + fit("load", NAME), "dim"), Span(machine.load_words(host))])
    for disk in host.disks:
        share = machine.disk_share(disk)
        full, rest = bar(share, 20)
        rows.append([
            Span("  " + fit("disk", NAME), "dim"),
            Span(full, "bad" if share > machine.FULL else "accent"),
            Span(rest + " ", "faint"),
            Span(fit(machine.disk_words(disk), width - NAME - 23)),
        ])  # fmt: skip
    if host.gpu_note:
        rows.append([Span("  " + fit(clean_line(host.gpu_note), width - 2), "dim")])
    return [*rows, []]


def health_rows(health: Health, width: int) -> list[Row]:
    """The daemon: what it is, what it takes, what went wrong last."""
    rows = [heading("Daemon", "", width, False)]
    for name, words, alarm in machine.health_rows(health):
        text = fit(words, width - 13)
        rows.append([Span("  " + fit(name, 10), "dim"), Span(text, "warn" if alarm else "text")])
    troubles = machine.trouble_rows(health)
    rows.append([])
    if not troubles:
        return [*rows, [Span("  It has logged no warning and no error.", "dim")]]
    for at, level, text in troubles[::-1]:
        rows.append([
            Span(f"  {at}  ", "dim"),
            Span(fit(level, 9), TROUBLE[level]),
            Span(fit(text, width - 27)),
        ])  # fmt: skip
    return rows
