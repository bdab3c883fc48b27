"""The pictures of a recipe reported on: `lorad check`, and a run's beginning.

A run logs `report_lines(survey.report)`, raises the first of the problems, if any, and hands
`items` and `index` to `hold`, which then reads no file a second time.
"""

from __future__ import annotations

from dataclasses import dataclass

from lorad.daemon.training.data.index import Index
from lorad.daemon.training.data.item import Item
from lorad.daemon.training.data.looking import Found, Looking
from lorad.daemon.training.data.report import (
    BrokenFile,
    DataReport,
    Ports,
    broken_by_fault,
    make_report,
)
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


def survey(recipe: Recipe, looking: Looking, ports: Ports) -> Survey:
    """What was found when every picture was decoded, those for validation included.

    Raises:
        Exception: what ended the search.
    """
    found = looking.found()
    found.findings.problems += broken_by_fault(_broken_held(found))
    report = make_report(recipe, found.items, found.sight, found.findings, ports)
    problems = [*found.findings.problems, *broken_by_fault(report.broken)]
    return Survey(found.items, found.held, report, problems, found.index)


def _broken_held(found: Found) -> list[BrokenFile]:
    return [
        BrokenFile(f"validation picture {item.name}", seen.why)
        for item, seen in zip(found.held, found.held_sight.pictures, strict=True)
        if seen.look is None
    ]
