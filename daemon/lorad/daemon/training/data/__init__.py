"""Pictures and captions: found, checked, encoded once, and drawn in batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec

from lorad.daemon.training.data.folder import look_into, scan_folder
from lorad.daemon.training.data.hub import load_hub
from lorad.daemon.training.data.item import Findings, Item
from lorad.shared.errors import DataError
from lorad.shared.recipe import Data, Recipe


def collect(recipe: Recipe, recipe_folder: Path, findings: Findings) -> list[Item]:
    """The pictures and captions that the recipe names, block by block, in a fixed order.

    Every mistake is put into `findings`: a DataError or WrongValue, whose sentence names it.
    """
    blocks = []
    for number, data in enumerate(recipe.data):
        try:
            found = _find(data, recipe_folder, findings)
        except DataError as error:
            findings.problems.append(error)
            found = []
        blocks.append([replace(item, block=number) for item in found])
    return _with_unique_names(blocks)


def find_validation(recipe: Recipe, recipe_folder: Path) -> list[Item]:
    """The pictures of `validate.path`, captioned as the first set that is trained; else none.

    Raises:
        DataError: something about them keeps them from being used.
    """
    if recipe.validate.path is None:
        return []
    number = next(n for n, data in enumerate(recipe.data) if not data.is_reg)
    data = msgspec.structs.replace(
        recipe.data[number],
        path=recipe.validate.path,
        dataset_name=None,
        max_train_samples=None,
        mask_path=None,
        alpha_mask=False,
    )
    findings = Findings()
    items = _find(data, recipe_folder, findings)
    if findings.problems:
        raise findings.problems[0]
    return [replace(item, block=number) for item in items]


def sources(recipe: Recipe, recipe_folder: Path) -> list[str]:
    """What the recipe's pictures come from, alike for every recipe that names the same."""
    return [
        str((recipe_folder / Path(data.path).expanduser()).absolute()) if data.path else data.source
        for data in recipe.data
    ]


def _find(data: Data, recipe_folder: Path, findings: Findings) -> list[Item]:
    if data.path is None:
        assert data.dataset_name is not None
        return load_hub(data.dataset_name, data, recipe_folder, findings)
    folder = recipe_folder / Path(data.path).expanduser()
    tree = look_into(folder, recipe_folder, data)
    if tree.tables and not tree.pictures and not tree.metadata:
        return load_hub(str(folder), data, recipe_folder, findings)
    return scan_folder(folder, recipe_folder, data, tree, findings)


def _with_unique_names(blocks: list[list[Item]]) -> list[Item]:
    """Names as they are in one set; with its number before them where there are several.

    Not with its path: a set may be moved while a run is paused.
    """
    items = [item for block in blocks for item in block]
    if len(blocks) == 1:
        return items
    return [replace(item, name=f"data[{item.block}]/{item.name}") for item in items]
