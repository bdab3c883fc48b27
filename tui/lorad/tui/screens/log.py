"""The log of one job, or of the daemon, over the whole terminal."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from lorad.shared.clean import clean_line
from lorad.shared.jobs import Job
from lorad.shared.levels import LEVELS, Level
from lorad.shared.messages import GetLogLines, LogLines
from lorad.tui.logwindow import LogWindow, extended, opened
from lorad.tui.messages import Answered, Declined
from lorad.tui.mirror import Mirror
from lorad.tui.screens.base import LoradScreen
from lorad.tui.widgets.header import Header, Hints
from lorad.tui.widgets.logpages import LogPages

HINTS = (
    ("j k", "scroll"),
    ("g G", "begin, end"),
    ("/", "search"),
    ("n N", "next, previous"),
    ("f", "follow"),
    ("L", "levels"),
    ("esc", "back"),
)
REMARKS: dict[Level, str] = {
    "info": "",
    "warning": "warnings and errors",
    "error": "errors alone",
}
PIECE = 500
"""Lines that are asked for at once."""
POLL_SECONDS = 1.0
"""How often the daemon's log is looked at: no event tells that it grew."""


class LogScreen(LoradScreen):
    """Follows until it is scrolled. One question is on its way at a time."""

    AUTO_FOCUS = "LogPages"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "search", id="log.search", tooltip="Search upwards"),
        Binding("n", "find(False)", "next", id="log.next", tooltip="Next place with that text"),
        Binding("N", "find(True)", "previous", id="log.previous", tooltip="Previous one"),
        Binding("g,home", "begin", "begin", id="log.begin", tooltip="To the first line"),
        Binding("G,end", "end", "end", id="log.end", tooltip="To the last line, and follow"),
        Binding("f", "follow", "follow", id="log.follow", tooltip="Follow the end, or stay here"),
        Binding("L", "cycle", "levels", id="log.cycle", tooltip="Warnings alone, errors, or all"),
        Binding("1", "level('info')", "all", id="log.all", tooltip="All lines"),
        Binding("2", "level('warning')", "warnings", id="log.warnings", tooltip="From warnings on"),
        Binding("3", "level('error')", "errors", id="log.errors", tooltip="Errors alone"),
        Binding("escape,l", "back", "back", id="log.back", tooltip="Back"),
    ]

    def __init__(self, job: Job | None) -> None:
        """`job`: none means the daemon."""
        super().__init__()
        self._job_id = job.id if job else 0
        whose = f"job {job.id} · {clean_line(job.name, 64)}" if job else "the daemon"
        self.header = Header(id="header")
        self.pages = LogPages(f"Log of {whose}", id="whole-log")
        self.field = Input(id="search", placeholder="text to find", select_on_focus=False)
        self._level: Level = "info"
        self._asked: GetLogLines | None = None
        self._search: GetLogLines | None = None
        """The question that looks for text; it goes on where an answer leaves off."""
        self._turned = False
        """Whether the search went over the end already."""
        self._at: int | None = None
        """Where the place stands that was found last."""

    def compose(self) -> ComposeResult:
        """The log, and a field for searching when it is wanted."""
        yield self.header
        yield self.pages
        yield self.field
        yield Hints(HINTS, id="hints")

    def on_mount(self) -> None:
        self.action_end()
        if not self._job_id:
            self.set_interval(POLL_SECONDS, self._poll)

    # -- asking -------------------------------------------------------------------------------

    def _ask(self, offset: int, back: bool) -> None:
        """For a piece; the answer to an earlier question is of no use any more."""
        self._asked = GetLogLines(
            id=self._job_id, offset=offset, back=back, limit=PIECE, level=self._level
        )
        self.lorad.link.ask(self._asked)

    @on(LogPages.Wanted)
    def _more(self, event: LogPages.Wanted) -> None:
        if self._asked is None:
            window = self.pages.window
            self._ask(window.begin if event.back else window.end, event.back)

    def _poll(self) -> None:
        if self._asked is not None:
            return
        if not self.pages.window.loaded:
            self.action_end()  # nobody answered when it was opened
        elif self.pages.window.at_end:
            self._ask(self.pages.window.end, back=False)

    def show(self, mirror: Mirror) -> None:
        """Draw this; where the log has grown beyond what is held, ask on."""
        self.header.show(mirror)
        detail = mirror.detail
        if (
            detail is not None
            and detail.id == self._job_id
            and detail.log.next > self.pages.window.size
        ):
            self._poll()

    def answered(self, event: Answered) -> bool:
        """A piece of the log, or a place in it."""
        if not isinstance(event.reply, LogLines):
            return False
        if event.request is self._search:
            self._found(self._search, event.reply)
        elif event.request is self._asked:
            asked, self._asked = self._asked, None
            self._take(asked, event.reply)
        return True

    def declined(self, event: Declined) -> bool:
        """The next news asks again."""
        ours = event.request is self._asked or event.request is self._search
        if ours:
            self._asked = self._search = None
        return isinstance(event.request, GetLogLines)

    def _take(self, asked: GetLogLines, reply: LogLines) -> None:
        window = self.pages.window
        fits_on = window.loaded and asked.offset == (window.begin if asked.back else window.end)
        shrunk = reply.size < window.size  # it was rotated, or the job began again
        if fits_on and not shrunk:
            self.pages.show(extended(window, reply, asked.back))
        elif shrunk and fits_on:
            self.pages.show(LogWindow())
            self.action_end()
        else:
            self.pages.show(opened(reply))

    # -- places -------------------------------------------------------------------------------

    def action_end(self) -> None:
        self.pages.follow()
        if not self.pages.window.at_end:
            self.pages.show(LogWindow())
            self._ask(-1, back=True)

    def action_begin(self) -> None:
        self.pages.following = False
        if self.pages.window.at_begin:
            self.pages.go_to(0)
        else:
            self.pages.show(LogWindow())
            self._ask(0, back=False)

    def action_follow(self) -> None:
        if self.pages.following:
            self.pages.following = False
            self.pages.repaint()
        else:
            self.action_end()

    def action_level(self, level: Level) -> None:
        self._level = level
        self.pages.remark = REMARKS[level]
        self.pages.show(LogWindow())
        self.action_end()

    def action_cycle(self) -> None:
        self.action_level(LEVELS[(LEVELS.index(self._level) + 1) % len(LEVELS)])

    # -- searching ----------------------------------------------------------------------------

    def action_search(self) -> None:
        self.field.add_class("-open")
        self.field.focus()

    @on(Input.Submitted, "#search")
    def _submitted(self, event: Input.Submitted) -> None:
        self._close_search()
        self.pages.found = event.value
        if event.value:
            self._begin_search(back=True, whole_view=True)
        else:
            self.pages.repaint()

    def action_find(self, back: bool) -> None:
        if self.pages.found:
            self._begin_search(back, whole_view=False)
        else:
            self.action_search()

    def _begin_search(self, back: bool, whole_view: bool) -> None:
        begin, end = self.pages.view()
        self._turned = False
        at = self._at
        if whole_view or at is None or not begin <= at < end:
            at = end if back else begin
        elif not back:
            at += 1  # within that line, so from the next one on
        self._look(at, back)

    def _look(self, offset: int, back: bool) -> None:
        self._search = GetLogLines(
            id=self._job_id,
            offset=offset,
            back=back,
            limit=1,
            level=self._level,
            find=self.pages.found,
        )
        self.lorad.link.ask(self._search)

    def _found(self, asked: GetLogLines, reply: LogLines) -> None:
        """Go there, or look on: in the next part, and once over the end of the log."""
        self._search = None
        if reply.lines:
            self._go_to(reply.lines[0].offset)
        elif reply.begin > 0 if asked.back else reply.end > asked.offset:
            self._look(reply.begin if asked.back else reply.end, asked.back)
        elif not self._turned:
            self._turned = True
            self._look(-1 if asked.back else 0, asked.back)
        else:
            self.lorad.tell(f"`{self.pages.found}` is not in this log.", "warning")
            self.pages.repaint()

    def _go_to(self, offset: int) -> None:
        self._at = offset
        window = self.pages.window
        held = window.line_at(offset)
        if held < len(window.lines) and window.lines[held].offset == offset:
            self.pages.go_to(offset)
            return
        self.pages.following = False
        self.pages.show(LogWindow())
        self._ask(offset, back=False)

    def _close_search(self) -> None:
        self.field.remove_class("-open")
        self.pages.focus()

    def action_back(self) -> None:
        if self.field.has_focus:
            self._close_search()
        else:
            self.dismiss()
