"""What the app asks of its screens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from textual.screen import ModalScreen, Screen

from lorad.tui.messages import Answered, Declined
from lorad.tui.mirror import Mirror

if TYPE_CHECKING:
    from lorad.tui.app import LoradApp


# Screen declares its breakpoints as attributes of its instances, so they are lists.
WIDTHS: list[tuple[int, str]] = [(0, "-tiny"), (60, "-narrow"), (100, "-medium"), (160, "-wide")]
HEIGHTS: list[tuple[int, str]] = [(0, "-short"), (32, "-tall")]
"""The classes by which app.tcss lays a screen out, from these sizes on."""


class LoradScreen(Screen[Any]):
    """Draws mirrors and may wait for answers."""

    every_box = False
    """Whether it shows what is known of the other boxes, too."""

    @property
    def lorad(self) -> LoradApp:
        """The app by its own type."""
        return self.app  # type: ignore[return-value]

    @property
    def now(self) -> float:
        """By the box's clock, which may be another one than here, once it was heard."""
        return self.lorad.link.seen or time.time()

    def show(self, mirror: Mirror) -> None:
        """Draw this."""

    def answered(self, event: Answered) -> bool:
        """Whether this screen asked for it."""
        return False

    def declined(self, event: Declined) -> bool:
        """Whether this screen tells the person about it."""
        return False

    def on_screen_resume(self) -> None:
        """What happened meanwhile."""
        self.show(self.lorad.mirror)


class Dialogue(ModalScreen[Any], LoradScreen):
    """A box over what is there."""

    VERTICAL_BREAKPOINTS = HEIGHTS
