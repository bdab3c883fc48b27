"""A job's settings: changed in place, or in a copy of it."""

from __future__ import annotations

from typing import ClassVar

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from lorad.shared.clean import clean_line
from lorad.shared.errors import LoradError
from lorad.shared.jobs import Job
from lorad.shared.messages import (
    Added,
    Batch,
    Batched,
    CopyJob,
    OneRequest,
    RecipeText,
    SetJob,
)
from lorad.shared.recipe import Recipe, parse_recipe
from lorad.shared.recipe.changes import apply_changes, plain_changes
from lorad.shared.recipe.copies import free_name, is_sweep, variants
from lorad.tui.messages import Answered
from lorad.tui.screens.fields import Fields
from lorad.tui.screens.form import Form
from lorad.tui.widgets.tick import Tick

KEYS = "enter do it   tab next   esc close"
KEYS_ELSEWHERE = "ctrl+s do it   tab next   esc close"
"""Where enter does something else: a new line, or a tick."""
SHOWN = 3
"""Names of a sweep that are told; the others are counted."""


class ChangeScreen(Form):
    """Changes a job; yields none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "close", id="change.close", tooltip="Change nothing"),
        Binding("ctrl+s", "submit", "do it", id="change.submit", tooltip="Do it"),
    ]
    NAMES: ClassVar[tuple[str, ...]] = ("rate", "length", "prompts")
    FIRST: ClassVar[str] = "#rate"

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job
        self._recipe: Recipe | None = None

    def compose(self) -> ComposeResult:
        """What it is about, its values, what is wrong, keys."""
        with Vertical(classes="dialogue", id="change"):
            yield Static(clean_line(self.headline, 400), classes="headline", markup=False)
            yield from self.above()
            yield Fields(*self.NAMES)
            yield from self.below()
            yield Static("", id="trouble", classes="trouble", markup=False)
            yield Static(KEYS, classes="keys", id="keys", markup=False)

    @property
    def headline(self) -> str:
        """What the dialogue does."""
        when = " from its next step on" if self._job.process else ""
        return f"Change job {self._job.id} ({self._job.name}){when}"

    def above(self) -> ComposeResult:
        """What comes before the values."""
        yield from ()

    def below(self) -> ComposeResult:
        """What comes behind them."""
        yield from ()

    def on_mount(self) -> None:
        self.query_one(self.FIRST).focus()
        self.want_recipe(self._job.id)

    def on_descendant_focus(self) -> None:
        """A field of several lines keeps enter for itself, and so does a tick."""
        keys = KEYS if isinstance(self.focused, Input) else KEYS_ELSEWHERE
        self.query_one("#keys", Static).update(keys)

    # -- what is typed ------------------------------------------------------------------------

    def filled(self) -> OneRequest | Batch | None:
        """What is other than it was; where nothing is, the form is through.

        Raises:
            RecipeError: the recipe does not take it.
        """
        if self._recipe is None:
            return None
        request = self.request(self._recipe, self.query_one(Fields).changes())
        if request is None:
            self.dismiss(None)
        return request

    def request(self, recipe: Recipe, changes: dict[str, str]) -> OneRequest | Batch | None:
        """What to ask the daemon for; none where nothing is other than it was.

        Raises:
            RecipeError: the recipe does not take it.
        """
        if not changes:
            return None
        apply_changes(recipe, changes)
        return SetJob(id=self._job.id, changes=changes)

    # -- answers ------------------------------------------------------------------------------

    def answered(self, event: Answered) -> bool:
        """The recipe to begin with, or that it is done."""
        if self.wanted_recipe(event.request) and isinstance(event.reply, RecipeText):
            try:
                self._recipe = parse_recipe(event.reply.recipe)
            except LoradError as error:
                self.complain(str(error))
                return True
            self.query_one(Fields).fill(self._recipe)
            return True
        if event.request is self._sent and isinstance(event.request, SetJob):
            told = ", ".join(f"{key} = {value}" for key, value in event.request.changes.items())
            self.lorad.tell(f"Job {self._job.id} has {clean_line(told, 300)}.")
            self.dismiss(None)
            return True
        return False


class CopyScreen(ChangeScreen):
    """Yields the id of the new job, or of a sweep's first."""

    NAMES = ("rate", "length", "rank", "prompts")
    FIRST = "#name"

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._free = ""

    @property
    def headline(self) -> str:
        """What the dialogue does."""
        return f"Copy job {self._job.id} ({self._job.name})"

    def above(self) -> ComposeResult:
        """The new name."""
        # A field shows what is in it as it is.
        name = clean_line(self._job.name)
        self._free = free_name(name, {j.name for j in self.lorad.mirror.jobs.values()})
        note = "Several values, with commas between them, make a job each."
        yield Static(note, classes="quiet", markup=False)
        with Horizontal(classes="row"):
            yield Static("name", classes="label", markup=False)
            yield Input(self._free, id="name", select_on_focus=False)

    def below(self) -> ComposeResult:
        """Whether it waits, and what comes of it."""
        yield Tick("keep out of the queue for now", id="stash")
        yield Static("", id="preview", classes="quiet", markup=False)

    @on(Input.Changed)
    def _preview(self) -> None:
        text = ""
        if self._recipe is not None:
            try:
                changes = self.query_one(Fields).changes()
                if is_sweep(changes):
                    text = told_names(
                        [one.name for one in variants(self._named(self._recipe), changes)]
                    )
            except LoradError:
                pass  # half typed: it is told when somebody says do it
        self.query_one("#preview", Static).update(text)

    def _named(self, recipe: Recipe) -> Recipe:
        """With the name that a sweep's jobs begin with."""
        name = self.query_one("#name", Input).value.strip()
        return recipe if name == self._free else msgspec.structs.replace(recipe, name=name)

    def request(self, recipe: Recipe, changes: dict[str, str]) -> OneRequest | Batch | None:
        """One copy, or a batch of them."""
        stash = self.query_one("#stash", Tick).value
        name = self.query_one("#name", Input).value.strip()
        if is_sweep(changes):
            recipe = self._named(recipe)
        return copy_request(self._job.id, recipe, changes, name=name, stash=stash)[0]

    def answered(self, event: Answered) -> bool:
        """They are in the queue."""
        reply = event.reply
        if event.request is not self._sent:
            return super().answered(event)
        if isinstance(reply, Batched):
            jobs = [one.job for one in reply.replies if isinstance(one, Added)]
            self.lorad.tell(told_names([job.name for job in jobs]))
            self.dismiss(jobs[0].id if jobs else None)
            return True
        if isinstance(reply, Added):
            self.dismiss(reply.job.id)
            return True
        return super().answered(event)


def copy_request(
    job_id: int, recipe: Recipe, changes: dict[str, str], *, name: str = "", stash: bool = False
) -> tuple[CopyJob | Batch, dict[str, str]]:
    """A copy, or a batch of them where a key has several values; and the first one's changes.

    Raises:
        RecipeError: the recipe does not take it.
    """
    if not is_sweep(changes):
        full = plain_changes(recipe, changes, free=True)
        apply_changes(recipe, changes, free=True)
        return CopyJob(id=job_id, changes=changes, name=name, stash=stash), full
    found = variants(recipe, changes)
    copies: list[OneRequest] = [
        CopyJob(id=job_id, changes=one.changes, name=one.name, stash=stash) for one in found
    ]
    return Batch(requests=copies), found[0].changes


def told_names(names: list[str]) -> str:
    """How many jobs there are now, and some of their names."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} jobs: {', '.join(map(clean_line, names[:SHOWN]))}{more}"
