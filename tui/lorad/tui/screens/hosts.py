"""The boxes that may be looked at, and how each of them is."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import OptionList, Static

from lorad.shared.clean import clean_line
from lorad.tui.mirror import Mirror
from lorad.tui.screens.base import Dialogue
from lorad.tui.totals import Totals, count, count_words

HERE = "this machine"
MORE = "Another one: `lorad config hosts.gpu1=ann@gpu1` writes it into the settings' [hosts]."


class HostsScreen(Dialogue):
    """Switches to the one that is chosen."""

    every_box = True

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,o,q", "dismiss", "close", id="hosts.close", tooltip="Close"),
        Binding("j", "app.simulate_key('down')", "next", show=False, id="hosts.down"),
        Binding("k", "app.simulate_key('up')", "previous", show=False, id="hosts.up"),
    ]

    def compose(self) -> ComposeResult:
        """A list."""
        with Vertical(classes="dialogue"):
            yield Static("Hosts", classes="headline", markup=False)
            yield OptionList(id="hosts")
            yield Static(MORE, classes="quiet", markup=False)
            yield Static("enter look at it   esc close", classes="keys", markup=False)

    def on_mount(self) -> None:
        for link in self.lorad.hosts.values():
            self.lorad.begin(link)
        options = self.query_one(OptionList)
        options.add_options(list(self._lines()))
        options.highlighted = list(self.lorad.hosts.values()).index(self.lorad.link)

    def show(self, mirror: Mirror) -> None:
        """Draw what is known of each now."""
        if self.is_mounted:
            for at, line in enumerate(self._lines()):
                self.query_one(OptionList).replace_option_prompt_at_index(at, line)

    def _lines(self) -> list[Text]:
        width = max(len(name or HERE) for name in self.lorad.hosts)
        lines = []
        for name, link in self.lorad.hosts.items():
            current = link is self.lorad.link
            text = Text(f"{'●' if current else ' '} {clean_line(name or HERE, 60):<{width}}  ")
            text.append(state(self.lorad.mirror if current else link.take()))
            lines.append(text)
        return lines

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.lorad.switch(list(self.lorad.hosts)[event.option_index])


def state(mirror: Mirror) -> str:
    """A box in some words."""
    if mirror.stale_since is not None:
        return clean_line(mirror.trouble, 200) or "does not answer"
    if mirror.daemon is None:
        return "connecting"
    found = Totals(count(mirror.jobs.values()))
    busy = bool(found.training) + bool(found.waiting)
    return ", ".join(count_words(found)[:busy]) or "idle"
