"""The dashboard: it shows what the daemon does and asks it for more. Leaving it changes nothing."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS
from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.filter import LineFilter
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen

from lorad.shared.clean import clean
from lorad.shared.config import Config
from lorad.shared.endpoints import Place, find_home
from lorad.shared.messages import READING, Metric
from lorad.tui.colourless import Colourless
from lorad.tui.easel import Easel
from lorad.tui.format import fit
from lorad.tui.images import Images, find_images, look, prepare_pixels
from lorad.tui.left import Left, default_path
from lorad.tui.link import DaemonLink, Link
from lorad.tui.messages import Answered, Declined, FromLink, News, Noticed
from lorad.tui.mirror import Mirror
from lorad.tui.notices import escape, notice
from lorad.tui.readonly import ReadOnlyLink
from lorad.tui.screens.base import LoradScreen
from lorad.tui.screens.main import MainScreen
from lorad.tui.themes import SIXTEEN, THEMES, fitting

TERMINAL_SECONDS = 5.0
TIDY_SECONDS = 10.0
"""How often it is seen whether the garbage collector should look over all."""
REST_SECONDS = 5.0
"""So long nobody has pressed a key when it does."""
GARBAGE = 50
"""So many of the collector's lesser rounds make it worth while."""
MOST_GARBAGE = 1000
"""After so many it does even if somebody presses keys all the time."""
TOLD_CELLS = 56
"""Of a line of a notification; app.tcss has its width."""
TOLD_PART = 4
"""A notification has at most this part of the terminal's lines."""


class LoradApp(App[int]):
    """Owns the link and the frames; the screens draw."""

    CSS_PATH = "app.tcss"
    TITLE = "lorad"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit", id="app.quit", tooltip="Leave the dashboard; jobs go on"),
        # Priority: also where a text field has the keys.
        Binding("ctrl+c", "quit", "quit", show=False, priority=True, id="app.interrupt"),
        Binding("u", "happened", "happened", id="app.happened", tooltip="What happened"),
        Binding("o", "hosts", "hosts", id="app.hosts", tooltip="Other boxes"),
        Binding("question_mark,f1", "help", "keys", id="app.help", tooltip="This list"),
        Binding(
            "colon,ctrl+p",
            "command_palette",
            "commands",
            id="app.commands",
            tooltip="Find a command, a job or a theme by its name",
        ),
        Binding("ctrl+o", "jump", "jump", id="app.jump", tooltip="Jump to a pane by its letter"),
        Binding("f2", "settings", "settings", id="app.settings", tooltip="Settings"),
    ]

    # Not to be painted itself: the whole screen would be sent again with every move.
    cursor_step: reactive[int | None] = reactive(None, repaint=False)
    """The step under the chart's cursor, also on other screens; none: the newest."""

    def __init__(
        self,
        link: Link,
        select: int | None = None,
        config: Config | None = None,
        hosts: Mapping[str, Link] | None = None,
        images: Images | None = None,
        remarks: Sequence[str] = (),
    ) -> None:
        """`link` is looked at first; `hosts` is all that may be, by name: "" is this machine.

        `remarks` are told once it is open.
        """
        self._remarks = list(remarks)
        self.images = images = images or Images()
        plain = "NO_COLOR" in os.environ  # which Textual takes out of there
        driver = late_driver() if images.late else None
        super().__init__(driver_class=driver, ansi_color=True if plain else None)
        self.config = config or Config()
        hosts = hosts or {"": link}
        first = next(name for name, one in hosts.items() if one is link)
        if self.config.dashboard.readonly:
            hosts = {name: ReadOnlyLink(one) for name, one in hosts.items()}
        self.hosts = hosts
        self.link = hosts[first]
        self._begun: list[Link] = []
        self.mirror = Mirror()
        self._select = select
        self._drawn = 0.0
        self._touched = 0.0
        """When a key was pressed or the mouse moved."""
        self._ended = threading.Event()
        self.animation_level = "none"
        for theme in THEMES:
            self.register_theme(theme)
        wanted = os.environ.get("TEXTUAL_THEME", self.config.dashboard.theme)
        self.theme = SIXTEEN.name if plain else self._fitting(wanted)
        self.set_keymap(self.config.keys)
        self._colourless = [Colourless()] if plain else []
        system, dark = self.console.color_system, self.current_theme.dark
        self.easel = Easel(look(images, system, self.no_color, dark), colour_system(system))

    def _fitting(self, theme: str) -> str:
        return fitting(theme, set(self.available_themes), self.console.color_system)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Ours alone where there are no colours."""
        return self._colourless or super().get_line_filters()

    def get_default_screen(self) -> Screen[Any]:
        """The one that is always there."""
        return MainScreen(self._select)

    def on_mount(self) -> None:
        self.begin(self.link)
        if self.config.keys:
            from lorad.tui.bindings import doubled, strange, unknown

            keys = self.config.keys
            self._remarks += [*unknown(keys), *strange(keys), *doubled(keys)]
        for sentence in self._remarks:
            self.tell(sentence, "warning")
        if not self.is_headless:  # also where it died before this
            threading.Thread(target=self._guard_terminal, name="terminal", daemon=True).start()
        self.set_interval(TIDY_SECONDS, self._tidy)

    def on_unmount(self) -> None:
        self._ended.set()
        self.easel.stop()
        for link in self._begun:
            link.stop()

    def _guard_terminal(self) -> None:
        """A terminal that dies without a signal (nohup) would leave this running for ever.

        In a thread and by force: the writer to that terminal is dead, and whoever hands it one
        more byte, as the app does to say good-bye, waits for ever.
        """
        while not self._ended.wait(TERMINAL_SECONDS):
            if not terminal_lives():
                os._exit(1)

    async def on_event(self, event: events.Event) -> None:
        """As Textual does; besides it is noted when somebody was here."""
        if isinstance(event, events.InputEvent):
            self._touched = time.monotonic()
        await super().on_event(event)

    def _tidy(self) -> None:
        """What `calm_collector` puts off, at a time when it makes no frame late."""
        rounds = gc.get_count()[2]
        rests = time.monotonic() - self._touched > REST_SECONDS
        if rounds >= MOST_GARBAGE or (rests and rounds >= GARBAGE):
            gc.collect()

    # -- hosts --------------------------------------------------------------------------------

    def begin(self, link: Link) -> None:
        """Have a link listen, unless it does."""
        if link not in self._begun:
            self._begun.append(link)
            link.start(lambda message: self._post(link, message))

    def _post(self, link: Link, message: Message) -> None:
        """From the link's thread."""
        if isinstance(message, FromLink):
            message.link = link
        self.post_message(message)

    def switch(self, name: str) -> None:
        """Look at another box."""
        link = self.hosts[name]
        self.begin(link)
        other, self.link = link is not self.link, link
        while len(self.screen_stack) > 1:
            self.pop_screen()
        screen = self.screen
        if other and isinstance(screen, MainScreen):
            screen.forget()
        self._draw()
        if isinstance(screen, MainScreen):
            screen.follow_selected()

    def action_hosts(self) -> None:
        from lorad.tui.screens.hosts import HostsScreen

        self.push_screen(HostsScreen())

    def action_happened(self) -> None:
        from lorad.tui.screens.happened import HappenedScreen

        self.push_screen(HappenedScreen())

    def on_noticed(self, event: Noticed) -> None:
        """Tell whoever looks at another window, through the terminal."""
        if self._driver is not None and (text := notice(event.happening, event.place)):
            self._driver.write(escape(self.config.dashboard.notify, text, os.environ))

    # -- frames -------------------------------------------------------------------------------

    @property
    def frame_seconds(self) -> float:
        """At least this long from one frame to the next."""
        return self.config.dashboard.frame_seconds

    def on_news(self, event: News) -> None:
        """Draw on arrival, but not too often. The link waits with more until this was taken.

        Gauges come with the next frame, and a frame of theirs alone holds up no other.
        """
        wait = self._drawn + self.frame_seconds - time.monotonic()
        if event.gauges:
            self.set_timer(self.frame_seconds, self._draw)
        elif wait <= 0:
            self._draw_now()
        else:
            self.set_timer(wait, self._draw_now)

    def _draw_now(self) -> None:
        self._drawn = time.monotonic()
        self._draw()

    def _draw(self) -> None:
        mirror = self.link.take()
        same, self.mirror = mirror is self.mirror, mirror
        if not same:
            for screen in self.screen_stack:
                screen.set_class(self.mirror.stale_since is not None, "-stale")
        for screen in self._visible():
            if not same or screen.every_box:  # the news may be another box's
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

    def sees(self, screen: Screen[Any]) -> bool:
        """Whether any of it is in view; what is not is shown anew when it comes back."""
        return screen in self._visible()

    def select(self, job_id: int | None) -> None:
        """Another job: what comes of it is drawn at once."""
        self.link.select(job_id)
        self._drawn = 0.0

    def chart(self, metrics: tuple[Metric, ...]) -> None:
        """Other curves of the selected job: they are drawn at once."""
        self.link.chart(metrics)
        self._drawn = 0.0

    # -- answers ------------------------------------------------------------------------------

    def on_answered(self, event: Answered) -> None:
        if event.link is not self.link:
            return  # its screens are gone, and the same numbers are other jobs here
        for screen in list(reversed(self.screen_stack)):
            if isinstance(screen, LoradScreen) and screen.answered(event):
                return

    def on_declined(self, event: Declined) -> None:
        if event.link is not self.link:
            if isinstance(event.request, READING):
                return
        else:
            for screen in list(reversed(self.screen_stack)):
                if isinstance(screen, LoradScreen) and screen.declined(event):
                    return
        self.tell(event.sentence, "error")

    def tell(self, sentence: str, severity: Any = "information") -> None:
        """A notification. Its text is data, never markup.

        It leaves most of the terminal in view: what is longer is cut.
        """
        width = min(TOLD_CELLS, self.size.width * 9 // 10 - 4)
        lines = max(2, self.size.height // TOLD_PART)
        text = "\n".join(clean(sentence, 1000).split("\n")[:lines])
        # Words that are not broken leave a tenth of each line empty, about.
        if cell_len(text) > (most := max(20, lines * width * 9 // 10)):
            text = fit(text, most)
        self.notify(text, severity=severity, markup=False, timeout=8)

    # -- keys ---------------------------------------------------------------------------------

    async def action_quit(self) -> None:
        self.exit(0)

    def action_help(self) -> None:
        from lorad.tui.screens.help import HelpScreen

        self.push_screen(HelpScreen(self.screen))

    def action_jump(self) -> None:
        from lorad.tui.screens.jump import JumpScreen

        self.push_screen(JumpScreen(self.screen))

    def action_settings(self) -> None:
        from lorad.tui.screens.settings import SettingsScreen

        self.push_screen(SettingsScreen())

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What the palette finds: all that a key does here, the jobs, the themes."""
        from lorad.tui.palette import commands

        return commands(self, screen)

    def action_select(self, job_id: int) -> None:
        """Go to a job, from wherever one is."""
        while len(self.screen_stack) > 1:
            self.pop_screen()
        if isinstance(self.screen, MainScreen):
            self.screen.queue.select(job_id)


def colour_system(name: str | None) -> ColorSystem | None:
    """Rich's, by the name it gives."""
    return COLOR_SYSTEMS.get(name or "")


def late_driver() -> type[Driver]:
    """One that drops a terminal's late answers."""
    from lorad.tui.late import LateDriver

    return LateDriver


def calm_collector() -> None:
    """Have the garbage collector leave alone what is there for life, and never look over all.

    A picture's cells are many objects and no cycles: walking over them all makes a frame late by
    a tenth of a second. `LoradApp` has it done while nobody presses a key.
    """
    gc.freeze()
    gc.set_threshold(700, 10, 1_000_000)
    gc.enable()


def terminal_lives() -> bool:
    """Whether somebody can be there."""
    stdin = sys.__stdin__
    return stdin is not None and not stdin.closed and os.isatty(stdin.fileno())


def run(
    ways: Mapping[str, Place],
    select: int | None = None,
    config: Config | None = None,
    remarks: Sequence[str] = (),
) -> int:
    """The dashboard on the first of these daemons until somebody leaves it; its exit code.

    Raises:
        ImagesMissing: these pictures are wanted, and what draws them is not installed.
    """
    config = config or Config()
    images = find_images(config.dashboard.images, find_home())
    prepare_pixels(images)
    left = Left(default_path())
    links = {
        name: DaemonLink(home, None if at else select, name, left)
        for at, (name, home) in enumerate(ways.items())
    }
    app = LoradApp(next(iter(links.values())), select, config, links, images, remarks)
    calm_collector()
    app.run()
    return app.return_code or 0
