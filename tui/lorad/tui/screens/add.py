"""A new run: from a recipe's file, from another run, or from another trainer's command."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, OptionList, Static, TabbedContent, TabPane, TextArea
from textual.widgets.option_list import Option

from lorad.shared.clean import clean, clean_line
from lorad.shared.errors import LoradError
from lorad.shared.messages import (
    Added,
    AddJob,
    AnyRequest,
    Batch,
    Batched,
    CopyJob,
    RecipeText,
)
from lorad.shared.recipe import load_recipe, parse_recipe
from lorad.shared.recipe.changes import changed_source
from lorad.tui.imports import import_source
from lorad.tui.messages import Answered
from lorad.tui.screens.change import copy_request, told_names
from lorad.tui.screens.fields import pairs
from lorad.tui.screens.form import Form
from lorad.tui.widgets.checking import CheckReport
from lorad.tui.widgets.path import PathInput, offers, recipe_path, working_folder
from lorad.tui.widgets.tick import Tick

FIRST = {"from-file": "#path", "from-run": "#runs", "from-command": "#command"}
"""The ways to say it, and where each begins."""


class Draft(NamedTuple):
    """A run that could be added now."""

    request: AnyRequest
    recipe: str
    folder: str
    """Where the recipe's relative paths start."""
    said: str = ""
    """What there is to say about where it comes from."""


class Ways(TabbedContent):
    """The ways to say it; a way left does not come back of itself."""

    def on_tab_pane_focused(self, event: TabPane.Focused) -> None:
        # A hidden widget hands the focus to the field beside it, hidden as well, and for that
        # Textual would open their pane again: a ctrl+t that goes nowhere.
        event.prevent_default().stop()


class AddScreen(Form):
    """Yields the new job's id; a sweep's first."""

    AUTO_FOCUS = "#path"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "close", id="add.close", tooltip="Add nothing"),
        Binding("ctrl+s", "submit", "add", id="add.submit", tooltip="Add it to the queue"),
        Binding("ctrl+t", "source", "source", id="add.source", tooltip="File, run or command"),
        Binding("ctrl+r", "check", "check", id="add.check", tooltip="Stop the check, or again"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._recipes: dict[int, RecipeText] = {}
        self._checks = True
        self.report = CheckReport()

    def compose(self) -> ComposeResult:
        """Three ways to say it, and what `lorad check` says of it."""
        keys = "ctrl+s add   ctrl+t source   ctrl+r check or stop   esc close"
        with Vertical(classes="dialogue", id="new-run"):
            yield Static("New run", classes="headline", markup=False)
            with Container(id="halves"):
                with Vertical(id="form"):
                    yield from self._sources()
                    with VerticalScroll(id="said"):
                        yield Static("", id="remarks", classes="quiet", markup=False)
                yield self.report
            yield Input(placeholder="/folder/there", id="folder", select_on_focus=False)
            yield Tick("keep out of the queue for now", id="stash")
            yield Static("", id="trouble", classes="trouble", markup=False)
            yield Static(keys, classes="keys", markup=False)

    def _sources(self) -> ComposeResult:
        with Ways(id="sources"):
            with TabPane("recipe file", id="from-file"):
                yield PathInput(placeholder="recipe.toml", id="path", select_on_focus=False)
                yield Static("", id="offers", classes="quiet", markup=False)
            with TabPane("another run", id="from-run"):
                yield OptionList(*self._runs(), id="runs", markup=False, compact=True)
                more = "changes: learning_rate=5e-5 rank=8,16"
                yield Input(placeholder=more, id="changes", select_on_focus=False)
            with TabPane("command", id="from-command"):
                hint = "paste a diffusers or kohya command, or name a file that holds one"
                yield TextArea(id="command", placeholder=hint, compact=True)

    def _runs(self) -> list[Option]:
        jobs = sorted(self.lorad.mirror.jobs.values(), key=lambda job: -job.id)
        return [
            Option(Content(f"{job.id:>4}  {job.state:<9}  {clean_line(job.name, 60)}"), str(job.id))
            for job in jobs
        ]

    def on_mount(self) -> None:
        self.query_one("#offers", Static).update(offers(""))
        self._changed()

    @property
    def _elsewhere(self) -> str:
        """The other box; empty on this one."""
        return clean_line(self.lorad.mirror.place, 60)

    # -- the form -----------------------------------------------------------------------------

    @property
    def source(self) -> str:
        """The way that is open."""
        return self.query_one(TabbedContent).active or "from-file"

    def action_source(self) -> None:
        """The next way."""
        ways = list(FIRST)
        self.query_one(TabbedContent).active = ways[(ways.index(self.source) + 1) % len(ways)]

    @on(TabbedContent.TabActivated)
    def _open(self) -> None:
        self.query_one(FIRST[self.source]).focus()
        self._changed()

    @on(OptionList.OptionSelected)
    def _chosen(self) -> None:
        """A click means no more than that it is this run: what is to change in it comes next."""
        self.query_one("#changes").focus()

    @on(Input.Changed)
    @on(TextArea.Changed)
    @on(OptionList.OptionHighlighted)
    def _changed(self) -> None:
        """See what it comes to now, and have it looked over where it is something."""
        if self.source == "from-file":
            self.query_one("#offers", Static).update(offers(self.query_one("#path", Input).value))
        self.complain("")
        there = bool(self._elsewhere) and self.source != "from-run"
        self.query_one("#folder", Input).set_class(there, "-open")
        try:
            draft = self.draft()
        except LoradError as error:
            self.report.stop(self._unchecked)
            # A path that is half typed is no mistake yet.
            self._remark("" if self.source == "from-file" else str(error))
            return
        self._remark(draft.said if draft else "")
        if draft is None or self._elsewhere:
            self.report.stop(self._unchecked)
        elif self._checks:
            self.report.look(draft.recipe, draft.folder)

    @property
    def _unchecked(self) -> str:
        """Why nothing can be looked over; empty where it can."""
        if not self._elsewhere:
            return ""
        where = self._elsewhere
        return f"The pictures are on {where}, so nothing is looked over. Run `lorad check` there."

    def _folder(self, here: str) -> str:
        """Where relative paths start: here, or where it was said to be on the other box."""
        return self.query_one("#folder", Input).value.strip() if self._elsewhere else here

    def _remark(self, text: str) -> None:
        self.query_one("#remarks", Static).update(clean(text, 2000))

    def action_check(self) -> None:
        """Look it over, or do so no longer."""
        self._checks = not self._checks
        if self._checks:
            self._changed()
        else:
            self.report.stop("Nothing is looked over; ctrl+r has it done.")

    # -- what it comes to ---------------------------------------------------------------------

    def draft(self) -> Draft | None:
        """The run that could be added now; none where nothing is said yet.

        Raises:
            RecipeError: there is none, or it cannot be used.
        """
        if self.source == "from-file":
            return self._of_file()
        return self._of_run() if self.source == "from-run" else self._of_command()

    @property
    def _stash(self) -> bool:
        return self.query_one("#stash", Tick).value

    def _of_file(self) -> Draft | None:
        typed = self.query_one("#path", Input).value.strip()
        path = recipe_path(typed)
        if path is None:
            return None
        _, text = load_recipe(path)
        folder = self._folder(str(path.parent))
        return Draft(AddJob(recipe=text, folder=folder, stash=self._stash), text, folder)

    def _of_run(self) -> Draft | None:
        option = self.query_one("#runs", OptionList).highlighted_option
        if option is None or option.id is None:
            return None
        id = int(option.id)
        if id not in self._recipes:
            self.want_recipe(id)
            return None
        source = self._recipes[id]
        recipe = parse_recipe(source.recipe)
        changes = pairs(self.query_one("#changes", Input).value)
        request, first = copy_request(id, recipe, changes, stash=self._stash)
        said = ""
        if isinstance(request, Batch):
            said = told_names([one.name for one in request.requests if isinstance(one, CopyJob)])
        text = changed_source(source.recipe, first, free=True)
        return Draft(request, text, source.folder, said)

    def _of_command(self) -> Draft | None:
        typed = self.query_one("#command", TextArea).text.strip()
        if not typed:
            return None
        imported = import_source(typed)
        folder = self._folder(str(working_folder()))
        request = AddJob(recipe=imported.recipe, folder=folder, stash=self._stash)
        start = [f"Its relative paths start at {folder}."] if folder else []
        said = "\n".join([*start, *imported.remarks])
        return Draft(request, imported.recipe, folder, said)

    # -- adding -------------------------------------------------------------------------------

    def filled(self) -> AnyRequest | None:
        """What adds it.

        Raises:
            RecipeError: there is none, or it cannot be used.
        """
        draft = self.draft()
        if draft is None:
            if self.source == "from-file":
                path = self.query_one(PathInput)
                path.action_complete()
                self.complain(f"{path.value or 'This'} is a folder. Choose a recipe in it.")
        elif draft.folder.startswith("/"):
            return draft.request
        else:
            self.query_one("#folder", Input).focus()
            self.complain(
                f"The pictures are on {self._elsewhere}: say from which folder there the"
                " recipe's relative paths start."
            )
        return None

    def answered(self, event: Answered) -> bool:
        """A recipe that was asked for, or it is in the queue."""
        reply = event.reply
        if isinstance(reply, RecipeText) and (id := self.wanted_recipe(event.request)):
            self._recipes[id] = reply
            self._changed()
        elif event.request is not self._sent:
            return False
        elif isinstance(reply, Added):
            self.dismiss(reply.job.id)
        elif isinstance(reply, Batched):
            jobs = [one.job for one in reply.replies if isinstance(one, Added)]
            self.lorad.tell(told_names([job.name for job in jobs]))
            self.dismiss(jobs[0].id if jobs else None)
        else:
            return False
        return True
