"""What a run and the daemon say to each other: reports up, orders down."""

from __future__ import annotations

from typing import Literal

from lorad.shared.messages.base import Message
from lorad.shared.messages.carried import NoteKind, Point, SamplePicture
from lorad.shared.recipe import Recipe

Wanted = Literal["run", "hold", "pause", "cancel"]
"""What somebody wants of a run: to take steps, to wait between two, to save and go."""

# A report is numbered by its run and kept in the run's journal until the daemon acknowledged it,
# so none is lost when the daemon is away, and none counts twice.


class Report(Message, frozen=True):
    """Base of what a run reports."""


class PhaseReport(Report, frozen=True, tag="phase"):
    """What it does now: `loading the model`. Empty: it trains."""

    phase: str


class ReadyReport(Report, frozen=True, tag="ready"):
    """All is loaded, the next step is this one. Said again when the length changed since."""

    step: int
    last_step: int
    """The length of the run, which only it knows where the recipe counts epochs."""


class PointReport(Report, frozen=True, tag="point"):
    """A step was taken."""

    point: Point


class SampleReport(Report, frozen=True, tag="sample"):
    """A picture was drawn."""

    picture: SamplePicture


class ValidationReport(Report, frozen=True, tag="validation"):
    """The loss on the pictures that are held out."""

    step: int
    loss: float
    best: bool
    """Whether none before it was lower."""


class NoteReport(Report, frozen=True, tag="note"):
    """Something happened that people should know of."""

    step: int
    kind: NoteKind
    text: str
    """One sentence."""


class SavedReport(Report, frozen=True, tag="saved"):
    """A checkpoint is whole and on the disk."""

    step: int


class FinishReport(Report, frozen=True, tag="finish"):
    """All steps taken; the last files are being written."""


class EndReport(Report, frozen=True, tag="end"):
    """The run's last word."""

    outcome: Literal["done", "failed", "left", "yielded"]
    reason: str = ""
    """One sentence: why it failed, why it left, or why it is done before its last step."""
    retryable: bool = False
    """Whether one that failed may do better at another try: no mistake in recipe or data."""


AnyReport = (
    PhaseReport
    | ReadyReport
    | PointReport
    | SampleReport
    | ValidationReport
    | NoteReport
    | SavedReport
    | FinishReport
    | EndReport
)


class RunHello(Message, frozen=True, tag="run_hello"):
    """A run's first word to each daemon that it meets."""

    id: int
    token: str
    attempt: int


class Reports(Message, frozen=True, tag="reports"):
    """A batch of reports."""

    first: int
    """The number of the first; the others follow on."""
    reports: list[AnyReport]


FromRun = RunHello | Reports


class Assignment(Message, frozen=True, tag="assignment"):
    """What to train."""

    id: int
    recipe: Recipe
    """With all changes so far."""
    recipe_folder: str
    folder: str
    """Where the output goes."""
    cache: str
    fresh: bool
    """Nobody knows yet that it began: checkpoints without its `life` are of an earlier one."""
    life: float = 0.0
    """When the job was added or begun again, seconds since the epoch; told by its checkpoints."""
    revision: int = 0
    """Counts the changes of the recipe. A welcome with a higher one than the run knows says what a
    `ChangeRecipe` would have said."""
    samples: int = 0
    """Counts what was asked for with `SampleJob`; a higher one says what `SampleNow` says."""
    saves: int = 0
    """The same of `SaveJob` and `SaveNow`."""


class RunWelcome(Message, frozen=True, tag="run_welcome"):
    """Answers `RunHello`."""

    acknowledged: int
    """The newest report that is stored; send from the next."""
    wanted: Wanted
    assignment: Assignment


class Acknowledged(Message, frozen=True, tag="acknowledged"):
    """All reports up to this one are stored."""

    number: int


class Steer(Message, frozen=True, tag="steer"):
    """What somebody wants of the run now."""

    wanted: Wanted


class ChangeRecipe(Message, frozen=True, tag="change_recipe"):
    """Go on by this recipe from the next step."""

    recipe: Recipe
    """All of it, so that the newest is enough."""
    revision: int
    """An order of a revision that is known already says nothing new."""


class SampleNow(Message, frozen=True, tag="sample_now"):
    """Draw the prompts after this step."""

    number: int
    """Counts them, as the revisions of a recipe are counted."""


class SaveNow(Message, frozen=True, tag="save_now"):
    """Write a checkpoint after this step."""

    number: int
    """Counts them."""


Order = ChangeRecipe | SampleNow | SaveNow
"""What a run does between two steps, once; what is wanted of it is a state (`Steer`)."""

ToRun = RunWelcome | Acknowledged | Steer | ChangeRecipe | SampleNow | SaveNow
