"""What may be set once for all, with what it is now."""

from __future__ import annotations

from typing import Any, ClassVar, get_args

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from lorad.shared.config import Dashboard, Images, Notify, config_path, save_setting
from lorad.shared.errors import LoradError
from lorad.tui.screens.base import Dialogue
from lorad.tui.themes import NAMES

CHOICES: dict[str, tuple[tuple[Any, ...], str]] = {
    "theme": (NAMES, "colours"),
    "frame_seconds": ((0.1, 0.25, 0.5, 1.0, 2.0), "seconds between frames"),
    "images": (get_args(Images), "how pictures are drawn *"),
    "notify": (get_args(Notify), "when a job ends"),
    "readonly": ((False, True), "touch nothing *"),
}


class SettingsScreen(Dialogue):
    """Enter takes the next value and writes it down."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,f2", "dismiss", "close", id="settings.close", tooltip="Close"),
    ]

    def compose(self) -> ComposeResult:
        """A line a setting."""
        with Vertical(classes="dialogue"):
            yield Static("Settings", classes="headline", markup=False)
            yield OptionList(*self._options(), id="settings", markup=False)
            yield Static("* from the next start on", classes="quiet", markup=False)
            yield Static(f"kept in {config_path()}", classes="quiet", markup=False)
            yield Static("enter next value   esc close", classes="keys", markup=False)

    def _options(self) -> list[Option]:
        now = self.lorad.config.dashboard
        return [
            Option(f"{name:<14} {_shown(getattr(now, name)):<20} {what}", id=name)
            for name, (_, what) in CHOICES.items()
        ]

    @on(OptionList.OptionSelected)
    def _next(self, event: OptionList.OptionSelected) -> None:
        name = event.option.id or ""
        values, _ = CHOICES[name]
        config = self.lorad.config
        now = getattr(config.dashboard, name)
        value = values[(values.index(now) + 1) % len(values)] if now in values else values[0]
        try:
            save_setting("dashboard", name, value)
        except LoradError as error:
            self.lorad.tell(str(error), "error")
            return
        changed: Dashboard = msgspec.structs.replace(config.dashboard, **{name: value})
        self.lorad.config = msgspec.structs.replace(config, dashboard=changed)
        if name == "theme":
            self.app.theme = value
        event.option_list.replace_option_prompt(name, self._options()[event.option_index].prompt)


def _shown(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value}"
