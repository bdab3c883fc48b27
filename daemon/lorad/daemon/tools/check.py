"""`lorad check`: recipe, model and every picture looked over without training."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from msgspec import to_builtins

from lorad.daemon.training.begin import without_collecting
from lorad.daemon.training.data.looking import Looking
from lorad.shared.endpoints import find_home
from lorad.shared.errors import LoradError
from lorad.shared.recipe import load_recipe, parse_recipe


def check(file: Path, *, as_json: bool, folder: Path | None = None) -> int:
    """Print the report; 0 if the recipe can be trained, else 2.

    With a folder the recipe comes from stdin, and its relative paths start there.
    """
    problem, looking = "", None
    where = folder or file.absolute().parent
    try:
        recipe = parse_recipe(sys.stdin.read()) if folder else load_recipe(file)[0]
        # What is looked at here is not looked at again by a run.
        looking = Looking(recipe, where, find_home().cache)
    except LoradError as error:
        problem = str(error)
    with without_collecting():  # what reads captions is imported when the model is known
        from lorad.daemon.tools.checking import Report, readable, report_on

        if looking is None:
            report = Report(file=str(file), problems=[problem])
        else:
            report = report_on(file, where, recipe, looking)
    print(json.dumps(to_builtins(report)) if as_json else readable(report))
    return 2 if report.problems else 0
