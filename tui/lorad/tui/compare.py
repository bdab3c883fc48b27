"""Runs side by side, as values: their figures, their order, what parts them. No Textual here."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from lorad.shared.clean import clean_line
from lorad.shared.errors import RecipeError, TooManyRuns
from lorad.shared.jobs import Job
from lorad.shared.messages import Column, GetChart, Happening, Metric, RecipeText
from lorad.shared.recipe import Recipe, parse_recipe
from lorad.shared.recipe.differences import Difference, differences
from lorad.shared.recipe.writing import as_toml
from lorad.tui.curve import CURVE_COLUMNS
from lorad.tui.format import duration, figure, steps
from lorad.tui.kinds import KINDS
from lorad.tui.widgets.plot import place

MOST = 8
"""Runs that are compared at once: more lines than that nobody can tell apart."""
CHANGES = 10_000
"""Of a job's history, the newest: more than the life of any job has."""
BEST: dict[Metric, Literal["lowest", "highest"]] = {
    "loss": "lowest",
    "validation_loss": "lowest",
    "images_per_second": "highest",
}
"""Which value of a figure is its best; the others have none."""
Lines = Mapping[Metric, Sequence[Column]]

Field = Literal["id", "name", "state", "step", "final", "best", "validation", "rate", "seconds"]
FIELDS: tuple[Field, ...] = get_args(Field)
"""What the table can be sorted by, from left to right."""


@dataclass(frozen=True)
class Entry:
    """One run, with what the table says of it. What is not known is none, what is no number NaN."""

    job: Job
    final: float | None = None
    """Of the figure that is shown: at the newest step, smoothed where its curve is."""
    best: float | None = None
    best_step: int | None = None
    validation: float | None = None
    """The lowest loss on what is held out, and its step."""
    validation_step: int | None = None
    rate: float | None = None
    """Pictures a second, smoothed, at the newest step."""
    seconds: float | None = None
    """In which it trained: without waiting, holding and pausing."""

    def value(self, field: Field) -> float | str | None:
        """What the table is sorted by."""
        match field:
            case "id":
                return self.job.id
            case "name":
                return self.job.name.casefold()
            case "state":
                return self.job.state
            case "step":
                return self.job.progress.step
        found: float | None = getattr(self, field)
        return found


def check_count(count: int) -> None:
    """Whether so many runs can be compared.

    Raises:
        TooManyRuns: they cannot.
    """
    if count > MOST:
        raise TooManyRuns(count=count, most=MOST)


def whole_run(job_id: int, metric: Metric) -> GetChart:
    """The question whose answer `entry` reads."""
    metrics: list[Metric] = [metric, "validation_loss", "images_per_second"]
    return GetChart(id=job_id, width=CURVE_COLUMNS, metrics=list(dict.fromkeys(metrics)))


def entry(
    job: Job, metric: Metric, lines: Lines, changes: Sequence[Happening], now: float
) -> Entry:
    """What the table says of a run.

    `lines` answer `whole_run`, `changes` are the job's history, oldest first; `now` is in seconds
    since the epoch.
    """
    best, best_step = _best(metric, lines, job)
    validation, validation_step = _best("validation_loss", lines, job)
    return Entry(
        job=job,
        final=_final(metric, lines),
        best=best,
        best_step=best_step,
        validation=validation,
        validation_step=validation_step,
        rate=_final("images_per_second", lines),
        seconds=trained_seconds(changes, now),
    )


def drawn(metric: Metric, columns: Sequence[Column]) -> Sequence[Column]:
    """The columns with what is compared alone: of a smoothed figure the average, not its spread."""
    if KINDS[metric].look != "smooth":
        return columns
    return [
        Column(
            step=column.step,
            minimum=value,
            maximum=value,
            last=value,
            smoothed=value,
            nonfinite=column.nonfinite,
            at=column.at,
        )
        for column in columns
        for value in [None if column.last is None else _value(metric, column)]
    ]


def _value(metric: Metric, column: Column) -> float | None:
    smooth = KINDS[metric].look == "smooth" and column.smoothed is not None
    return column.smoothed if smooth else column.last


def _final(metric: Metric, lines: Lines) -> float | None:
    columns = lines.get(metric, ())
    if not columns:
        return None
    return math.nan if columns[-1].last is None else _value(metric, columns[-1])


def _best(metric: Metric, lines: Lines, job: Job) -> tuple[float | None, int | None]:
    """The best value and its step, which is the last of its column where that has several."""
    if metric not in BEST:
        return None, None
    columns, sign = lines.get(metric, ()), -1 if BEST[metric] == "highest" else 1
    single = metric == "validation_loss"  # the looks themselves: nothing is smoothed
    told = [
        (value, number)
        for number, column in enumerate(columns)
        if (value := column.minimum if single else _value(metric, column)) is not None
    ]
    if not told:
        return None, None
    value, number = min(told, key=lambda one: sign * one[0])
    step = columns[number].step
    known = job.progress.best_step
    before = columns[number - 1].step if number else -1
    if single and known is not None and before < known < step:
        step = known
    return value, step


def trained_seconds(changes: Sequence[Happening], now: float) -> float | None:
    """How long a job was in the state `running`, since it was begun or restarted.

    None of one that has not been there.
    """
    total, since, begun = 0.0, None, False
    for change in changes:
        if since is not None and change.after != "running":
            total, since = total + max(0.0, change.time - since), None
        elif since is None and change.after == "running":
            since, begun = change.time, True
        if change.event == "restart":
            total, begun = 0.0, False
    if since is not None:
        total += max(0.0, now - since)
    return total if begun else None


# -- the table ---------------------------------------------------------------------------------


def ordered(entries: Sequence[Entry], field: Field, reverse: bool = False) -> list[Entry]:
    """The rows from the lowest value on; those of which it is not known come last either way."""
    known = [entry for entry in entries if _known(entry.value(field))]
    unknown = [entry for entry in entries if not _known(entry.value(field))]
    by = [(entry.value(field), entry) for entry in known]
    by.sort(key=lambda one: one[0], reverse=reverse)  # type: ignore[arg-type, return-value]
    return [*(entry for _, entry in by), *unknown]


def _known(value: float | str | None) -> bool:
    return value is not None and (isinstance(value, str) or math.isfinite(value))


def against(value: float | None, base: float | None, scale: float = 1.0) -> str:
    """The difference to the baseline's value with its sign; nothing where one is not known."""
    if value is None or base is None or not math.isfinite(value) or not math.isfinite(base):
        return ""
    difference = (value - base) * scale
    return f"{'-' if difference < 0 else '+'}{figure(abs(difference))}" if difference else "="


class Cells(NamedTuple):
    """A row of the table as text; `…_off` are the differences to the baseline's figures."""

    id: str
    name: str
    state: str
    step: str
    final: str
    final_off: str
    best: str
    best_off: str
    best_step: str
    validation: str
    validation_off: str
    validation_step: str
    rate: str
    seconds: str


def cells(entry: Entry, metric: Metric, base: Entry | None = None) -> Cells:
    """What the table shows of a run."""
    job, scale = entry.job, KINDS[metric].scale
    other = Entry(job) if base is None or base.job.id == job.id else base
    return Cells(
        id=str(job.id),
        name=clean_line(job.name, 60),
        state=job.state,
        step=steps(job),
        final=_figure(entry.final, scale),
        final_off=against(entry.final, other.final, scale),
        best=_figure(entry.best, scale),
        best_off=against(entry.best, other.best, scale),
        best_step="" if entry.best_step is None else str(entry.best_step),
        validation=figure(entry.validation),
        validation_off=against(entry.validation, other.validation),
        validation_step="" if entry.validation_step is None else str(entry.validation_step),
        rate=figure(entry.rate, 3),
        seconds=duration(entry.seconds),
    )


def _figure(value: float | None, scale: float) -> str:
    return figure(None if value is None else value * scale)


def value_at(columns: Sequence[Column], at: float) -> float | None:
    """A line's value at a place of its axis; none after it ends."""
    number = bisect_left(columns, at, key=place)
    return columns[number].last if number < len(columns) else None


# -- recipes -----------------------------------------------------------------------------------


class Written(NamedTuple):
    """A job's recipe as it is kept."""

    recipe: Recipe | None
    """None: this version cannot read it."""
    folder: str
    """Where its relative paths begin."""


def written(told: RecipeText) -> Written:
    """A recipe as the daemon tells it."""
    try:
        return Written(parse_recipe(told.recipe), told.folder)
    except RecipeError:  # another version of lorad took it
        return Written(None, told.folder)


def differing(recipes: Sequence[Written | None]) -> list[Difference]:
    """The keys that are not the same in all of them; where none is known yet, its values are none.

    The folder from which paths go on is one of them: `(folder)`.
    """
    found = differences([None if one is None else one.recipe for one in recipes])
    folders = [None if one is None else one.folder for one in recipes]
    if len({folder for folder in folders if folder is not None}) > 1:
        found.insert(0, Difference("(folder)", tuple(folders)))
    return found


def value_text(value: Any) -> str:
    """A recipe's value on one line, as TOML has it; what a terminal would obey is escaped."""
    return as_toml(value)
