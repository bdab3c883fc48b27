"""Pictures and captions: found, checked, encoded once, and drawn in batches."""

from __future__ import annotations

from pathlib import Path

from lorad.daemon.training.data.folder import scan_folder
from lorad.daemon.training.data.hub import load_hub
from lorad.daemon.training.data.item import Item
from lorad.shared.recipe import Recipe


def find_items(recipe: Recipe, recipe_folder: Path) -> list[Item]:
    """The pictures and captions that the recipe names, in a fixed order.

    Raises:
        DataError: something about them keeps them from being used; the sentence names it.
    """
    (data,) = recipe.data
    if data.path is not None:
        return scan_folder(recipe_folder / Path(data.path).expanduser(), data)
    return load_hub(data, recipe_folder)
