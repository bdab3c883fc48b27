"""What the app asks of its screens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.screen import ModalScreen, Screen

from lorad.tui.messages import Answered, Declined
from lorad.tui.mirror import Mirror

if TYPE_CHECKING:
    from lorad.tui.app import LoradApp


class LoradScreen(Screen[Any]):
    """Draws mirrors and may wait for answers."""

    @property
    def lorad(self) -> LoradApp:
        """The app by its own type."""
        return self.app  # type: ignore[return-value]

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

    # Screen declares this as an attribute of its instances.
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]  # noqa: RUF012
