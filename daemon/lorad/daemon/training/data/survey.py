"""The pictures of a recipe found, looked at and reported on: `lorad check`, and a run's beginning.

A run logs `report_lines(survey.report)`, raises the first of the problems, if any, and hands
`items` and `index` to `hold`, which then reads no file a second time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lorad.daemon.training.data import collect, find_validation, sources
from lorad.daemon.training.data.index import Index, open_index
from lorad.daemon.training.data.item import Findings, Item
from lorad.daemon.training.data.report import (
    BrokenFile,
    DataReport,
    Ports,
    broken_by_fault,
    make_report,
)
from lorad.daemon.training.data.seen import look_over
from lorad.shared.errors import LoradError
from lorad.shared.recipe import Recipe


@dataclass(frozen=True)
class Survey:
    """What was found."""

    items: list[Item]
    held: list[Item]
    """Those of `validate.path`."""
    report: DataReport
    problems: list[LoradError]
    """Each keeps the run from starting; the report has their sentences."""
    index: Index


def survey(
    recipe: Recipe,
    recipe_folder: Path,
    cache: Path,
    ports: Ports,
    tell: Callable[[int], None] = lambda done: None,
) -> Survey:
    """Find and decode every picture of the recipe, those for validation included.

    `tell` hears how many are decoded, and may end it by raising.
    """
    findings = Findings()
    items = collect(recipe, recipe_folder, findings)
    index = open_index(cache, sources(recipe, recipe_folder))
    sight = look_over(items, index, tell)
    held = _look_at_validation(recipe, recipe_folder, findings, index)
    report = make_report(recipe, items, sight, findings, ports)
    return Survey(items, held, report, [*findings.problems, *broken_by_fault(report.broken)], index)


def _look_at_validation(
    recipe: Recipe, recipe_folder: Path, findings: Findings, index: Index
) -> list[Item]:
    try:
        items = find_validation(recipe, recipe_folder)
    except LoradError as error:
        findings.problems.append(error)
        return []
    broken = [
        BrokenFile(f"validation picture {item.name}", seen.why)
        for item, seen in zip(items, look_over(items, index).pictures, strict=True)
        if seen.look is None
    ]
    findings.problems += broken_by_fault(broken)
    return items
