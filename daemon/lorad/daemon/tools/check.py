"""`lorad check`: recipe, model and every picture looked over without training."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from msgspec import Struct, to_builtins

from lorad.daemon.training.data import find_items
from lorad.daemon.training.data.item import Item, name_some
from lorad.daemon.training.data.pictures import Broken
from lorad.daemon.training.families.registry import check_model, find_model_index
from lorad.shared.clean import clean_line
from lorad.shared.errors import LoradError
from lorad.shared.recipe import Recipe, load_recipe


class Report(Struct, kw_only=True):
    """What was found. With problems, the run would stop on the first of them."""

    schema: int = 1
    file: str
    name: str = ""
    base: str = ""
    pictures: int = 0
    captions: int = 0
    """How many different ones."""
    smaller: list[str] = []
    """Pictures that are enlarged to the resolution."""
    epochs: float = 0.0
    """How often each picture is seen."""
    problems: list[str] = []


def check(file: Path, *, as_json: bool) -> int:
    """Print the report; 0 if the recipe can be trained, else 2."""
    report = Report(file=str(file))
    try:
        recipe, _ = load_recipe(file)
    except LoradError as error:
        report.problems.append(str(error))
    else:
        report.name, report.base = recipe.name, recipe.model.base
        folder = file.absolute().parent
        _check_model(recipe, folder, report)
        _check_data(recipe, folder, report)
    print(json.dumps(to_builtins(report)) if as_json else _readable(report))
    return 2 if report.problems else 0


def _check_model(recipe: Recipe, folder: Path, report: Report) -> None:
    try:
        check_model(find_model_index(recipe.model, folder), recipe.model.base)
    except LoradError as error:
        report.problems.append(str(error))


def _check_data(recipe: Recipe, folder: Path, report: Report) -> None:
    try:
        items = find_items(recipe, folder)
        report.smaller = _decode_all(items, recipe.train.resolution)
    except LoradError as error:
        report.problems.append(str(error))
        return
    report.pictures = len(items)
    report.captions = len(Counter(item.caption for item in items))
    train = recipe.train
    seen = (train.known_steps or 0) * train.train_batch_size * train.gradient_accumulation_steps
    report.epochs = round(seen / len(items), 1)


def _decode_all(items: list[Item], resolution: int) -> list[str]:
    """Decode every picture to its end; the names of those smaller than the resolution."""
    smaller, broken = [], Broken()
    for item in items:
        picture = broken.try_decode(item.name, item.read)
        if picture is not None and min(picture.size) < resolution:
            smaller.append(item.name)
    broken.refuse()
    return smaller


def _readable(report: Report) -> str:
    lines = [f"Recipe    {clean_line(report.name or report.file)}"]
    if report.base:
        lines.append(f"Model     {clean_line(report.base)}")
    if report.pictures:
        lines.append(f"Pictures  {report.pictures}, with {report.captions} different captions")
        lines.append(f"Training  every picture about {report.epochs:g} times")
    if report.smaller:
        names = name_some(report.smaller)
        lines.append(f"Note      {len(report.smaller)} smaller than the resolution: {names}")
    lines += [f"Problem   {clean_line(problem, 1000)}" for problem in report.problems]
    lines.append("It cannot be trained yet." if report.problems else "It can be trained.")
    return "\n".join(lines)
