"""`lorad compare`: runs side by side, and what their recipes differ in."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from lorad.shared.clean import clean_line
from lorad.shared.client import Client
from lorad.shared.messages import METRICS, GetNews, GetRecipe, Metric
from lorad.tui.commands._arguments import add_json, connect, job_id, print_document

if TYPE_CHECKING:
    from lorad.shared.recipe.differences import Difference
    from lorad.tui.compare import Entry, Written

VALUE_WIDTH = 40
"""Of a recipe's value on a line; --json has all of it."""


HEAD = ("ID", "STATE", "NAME", "STEP", "FINAL", "BEST", "AT", "VAL", "AT", "IMG/S", "TRAINED")


class Compared(NamedTuple):
    """What is printed."""

    entries: Sequence[Entry]
    recipes: Sequence[Written]
    differences: Sequence[Difference]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Two jobs or more, and a figure."""
    parser.add_argument("first", metavar="ID", type=job_id, help="a job's number")
    parser.add_argument("ids", metavar="ID", type=job_id, nargs="+", help="other jobs' numbers")
    parser.add_argument("--metric", choices=METRICS, default="loss", help="the figure; else loss")
    parser.add_argument(
        "--baseline", metavar="ID", type=job_id, help="show differences to this one's figures"
    )
    add_json(parser)
    parser.set_defaults(usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Ask for all of them and print."""
    from lorad.tui.compare import check_count

    ids = list(dict.fromkeys([args.first, *args.ids]))
    if len(ids) < 2:
        args.usage_error("say two jobs that are not the same")
    if args.baseline is not None and args.baseline not in ids:
        args.usage_error("the baseline is one of the jobs that are compared")
    check_count(len(ids))
    with connect() as daemon:
        compared = _ask(daemon, ids, args.metric)
    if args.json:
        print_document(**_fields(compared, args.metric))
    else:
        print("\n".join(_lines(compared, args.metric, args.baseline)))
    return 0


def _ask(daemon: Client, ids: Sequence[int], metric: Metric) -> Compared:
    from lorad.tui.compare import CHANGES, differing, entry, whole_run, written

    jobs = [daemon.job(id) for id in ids]  # a wrong number is told at once
    recipes = [written(daemon.ask(GetRecipe(id=id))) for id in ids]
    entries, now = [], daemon.seen or time.time()  # the box's clock may be another one
    for job in jobs:
        lines = daemon.ask(whole_run(job.id, metric)).lines
        changes = daemon.ask(GetNews(id=job.id, limit=CHANGES, newest=True)).happenings
        entries.append(entry(job, metric, lines, changes, now))
    return Compared(entries, recipes, differing(recipes))


def _fields(compared: Compared, metric: Metric) -> dict[str, Any]:
    runs = [
        {
            "id": entry.job.id,
            "name": entry.job.name,
            "state": entry.job.state,
            "step": entry.job.progress.step,
            "max_train_steps": entry.job.max_train_steps,
            "final": entry.final,
            "best": entry.best,
            "best_step": entry.best_step,
            "best_validation_loss": entry.validation,
            "best_validation_step": entry.validation_step,
            "images_per_second": entry.rate,
            "trained_seconds": entry.seconds,
            "recipe": recipe.recipe is not None,
        }
        for entry, recipe in zip(compared.entries, compared.recipes, strict=True)
    ]
    told = [{"key": one.key, "values": list(one.values)} for one in compared.differences]
    return {"metric": metric, "runs": runs, "differences": told}


def _lines(compared: Compared, metric: Metric, baseline: int | None) -> list[str]:
    from lorad.tui.render import columns

    ids = [str(entry.job.id) for entry in compared.entries]
    lines = [columns(_table(compared, metric, baseline)), ""]
    for id, recipe in zip(ids, compared.recipes, strict=True):
        if recipe.recipe is None:
            lines.append(f"The recipe of job {id} cannot be read by this version.")
    if not compared.differences:
        return [*lines, "Their recipes are the same."]
    values = [[one.key, *map(_value, one.values)] for one in compared.differences]
    return [*lines, columns([["KEY", *ids], *values])]


def _table(compared: Compared, metric: Metric, baseline: int | None) -> list[list[str]]:
    """The runs; with a baseline three more columns with the differences to it."""
    from lorad.tui.compare import cells

    base = next((entry for entry in compared.entries if entry.job.id == baseline), None)
    rows = [[*HEAD, *(("FINAL±", "BEST±", "VAL±") if base else ())]]
    for entry in compared.entries:
        told = cells(entry, metric, base)
        row = [told.id, told.state, told.name, told.step, told.final, told.best, told.best_step,
               told.validation, told.validation_step, told.rate, told.seconds]  # fmt: skip
        rows.append([*row, told.final_off, told.best_off, told.validation_off] if base else row)
    return rows


def _value(value: Any) -> str:
    from lorad.tui.compare import value_text

    return clean_line(value_text(value), VALUE_WIDTH)
