"""The dashboard: it shows what the daemon does and asks it for more. Leaving it changes nothing."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.theme import Theme

from lorad.shared.clean import clean
from lorad.shared.endpoints import Home
from lorad.tui.link import DaemonLink, Link
from lorad.tui.messages import Answered, Declined
from lorad.tui.mirror import Mirror
from lorad.tui.screens.base import LoradScreen
from lorad.tui.screens.main import MainScreen

FRAME_SECONDS = 0.25
"""At least this long from one frame to the next: a slow SSH link carries no more."""
TERMINAL_SECONDS = 5.0

DARK = Theme(
    name="lorad",
    primary="#8fb8de",
    accent="#8fb8de",
    foreground="#dfe3ea",
    background="#11141a",
    surface="#1a1f28",
    panel="#1a1f28",
    success="#8fc29b",
    warning="#e0bf7c",
    error="#e08a8a",
    dark=True,
)
LIGHT = Theme(
    name="lorad-light",
    primary="#2f6497",
    accent="#2f6497",
    foreground="#1d232c",
    background="#fafafa",
    surface="#eceff3",
    panel="#eceff3",
    success="#2f7a42",
    warning="#8f6400",
    error="#b03434",
    dark=False,
)


class LoradApp(App[int]):
    """Owns the link and the frames; the screens draw."""

    CSS_PATH = "app.tcss"
    TITLE = "lorad"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit", id="app.quit", tooltip="Leave the dashboard; jobs go on"),
        # Priority: also where a text field has the keys.
        Binding("ctrl+c", "quit", "quit", show=False, priority=True, id="app.interrupt"),
        Binding("question_mark,f1", "help", "keys", id="app.help", tooltip="This list"),
    ]

    def __init__(self, link: Link, select: int | None = None) -> None:
        super().__init__()
        self.link = link
        self.mirror = Mirror()
        self._select = select
        self._drawn = 0.0
        self._ended = threading.Event()
        self.animation_level = "none"
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        wanted = os.environ.get("TEXTUAL_THEME", "")
        self.theme = wanted if wanted in self.available_themes else DARK.name

    def get_default_screen(self) -> Screen[Any]:
        """The one that is always there."""
        return MainScreen(self._select)

    def on_mount(self) -> None:
        self.link.start(self.post_message)
        if terminal_lives():
            threading.Thread(target=self._guard_terminal, name="terminal", daemon=True).start()

    def on_unmount(self) -> None:
        self._ended.set()
        self.link.stop()

    def _guard_terminal(self) -> None:
        """A terminal that dies without a signal (nohup) would leave this running for ever.

        In a thread and by force: the writer to that terminal is dead, and whoever hands it one
        more byte, as the app does to say good-bye, waits for ever.
        """
        while not self._ended.wait(TERMINAL_SECONDS):
            if not terminal_lives():
                os._exit(1)

    # -- frames -------------------------------------------------------------------------------

    def on_news(self) -> None:
        """Draw on arrival, but not too often. The link waits with more until this was taken."""
        wait = self._drawn + FRAME_SECONDS - time.monotonic()
        if wait <= 0:
            self._draw()
        else:
            self.set_timer(wait, self._draw)

    def _draw(self) -> None:
        self.mirror = self.link.take()
        self._drawn = time.monotonic()
        for screen in self._visible():
            screen.show(self.mirror)

    def _visible(self) -> list[LoradScreen]:
        """The screens that can be seen: those over the topmost that fills the terminal."""
        seen: list[LoradScreen] = []
        for screen in reversed(self.screen_stack):
            if isinstance(screen, LoradScreen):
                seen.append(screen)
            if not screen.is_modal:
                break
        return seen

    def select(self, job_id: int | None) -> None:
        """Another job: what comes of it is drawn at once."""
        self.link.select(job_id)
        self._drawn = 0.0

    # -- answers ------------------------------------------------------------------------------

    def on_answered(self, event: Answered) -> None:
        for screen in list(reversed(self.screen_stack)):
            if isinstance(screen, LoradScreen) and screen.answered(event):
                return

    def on_declined(self, event: Declined) -> None:
        for screen in list(reversed(self.screen_stack)):
            if isinstance(screen, LoradScreen) and screen.declined(event):
                return
        self.tell(event.sentence, "error")

    def tell(self, sentence: str, severity: Any = "information") -> None:
        """A notification. Its text is data, never markup."""
        self.notify(clean(sentence, 1000), severity=severity, markup=False, timeout=8)

    # -- keys ---------------------------------------------------------------------------------

    async def action_quit(self) -> None:
        self.exit(0)

    def action_help(self) -> None:
        from lorad.tui.screens.help import HelpScreen

        self.push_screen(HelpScreen())


def terminal_lives() -> bool:
    """Whether somebody can be there."""
    stdin = sys.__stdin__
    return stdin is not None and not stdin.closed and os.isatty(stdin.fileno())


def run(home: Home, select: int | None = None) -> int:
    """The dashboard on this daemon until somebody leaves it; its exit code."""
    app = LoradApp(DaemonLink(home, select), select)
    app.run()
    return app.return_code or 0
