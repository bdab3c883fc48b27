"""What `lorad check` finds, once torch is imported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from lorad.daemon.scheduler import memory_needed
from lorad.daemon.training.data.looking import Looking
from lorad.daemon.training.data.report import DataReport
from lorad.daemon.training.data.survey import survey
from lorad.daemon.training.data.told import describe
from lorad.daemon.training.exactness import inexact
from lorad.daemon.training.fit import ports_of, refuse_idle_targets, refuse_unfit
from lorad.daemon.training.optimizer import refuse_optimizer
from lorad.shared.clean import clean_line
from lorad.shared.endpoints import find_home
from lorad.shared.errors import LoradError
from lorad.shared.recipe import Recipe

LARGEST_CARD = 1 << 50
"""The memory that a run needs, whatever card there is."""
NAMED_IN_A_PROBLEM = 20
"""Broken files; where there are more, all are listed."""


class Report(DataReport, kw_only=True):
    """What was found, the recipe and the model included."""

    schema: int = 1
    file: str
    name: str = ""
    base: str = ""


def report_on(file: Path, folder: Path, recipe: Recipe, looking: Looking) -> Report:
    """All that keeps the recipe from being trained, and what it would be trained on."""
    problems = _check_model(recipe, folder)
    ports = ports_of(recipe, folder, find_home().cache, memory_needed(recipe, LARGEST_CARD))
    report = survey(recipe, looking, ports).report
    report.notes += _check_optimizer(recipe)
    report.notes += [f"Not bit for bit: {reason}" for reason in inexact(recipe)]
    report.problems[:0] = problems
    return Report(file=str(file), name=recipe.name, base=recipe.model.base, **_fields(report))


def _fields(report: DataReport) -> dict[str, Any]:
    return {name: getattr(report, name) for name in report.__struct_fields__}


def _check_model(recipe: Recipe, folder: Path) -> list[str]:
    """What the base model and its files cannot do, as far as its configuration tells."""
    problems = []
    refusals: tuple[Callable[[Recipe, Path], object], ...] = (refuse_unfit, refuse_idle_targets)
    for refuse in refusals:
        try:
            refuse(recipe, folder)
        except LoradError as error:
            problems.append(str(error))
    return list(dict.fromkeys(problems))


def _check_optimizer(recipe: Recipe) -> list[str]:
    """What this machine lacks for the optimiser; the recipe may be trained on another one."""
    try:
        refuse_optimizer(recipe, "cuda" if torch.cuda.is_available() else "cpu")
    except LoradError as error:
        return [f"Not on this machine: {error}"]
    return []


def readable(report: Report) -> str:
    """For people."""
    lines = [("Recipe", clean_line(report.name or report.file))]
    if report.base:
        lines.append(("Model", clean_line(report.base)))
    lines += describe(report)
    if len(report.broken) > NAMED_IN_A_PROBLEM:
        lines += [("Broken", clean_line(f"{b.name}: {b.why}", 1000)) for b in report.broken]
    last = "It cannot be trained yet." if report.problems else "It can be trained."
    return "\n".join([*(f"{label:9} {text}" for label, text in lines), last])
