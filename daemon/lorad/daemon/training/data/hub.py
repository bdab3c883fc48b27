"""A Hugging Face data set, from the hub or from a folder in one of its formats."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from lorad.daemon.training.data.item import Item, name_some, pick_caption_column
from lorad.shared.errors import BadMetadata, CaptionsMissing, DataSetUnreachable
from lorad.shared.recipe import Data


def load_hub(data: Data, recipe_folder: Path) -> list[Item]:
    """The data set's pictures with their captions, in its own order.

    Raises:
        DataError: it cannot be had, or lacks pictures or captions.
    """
    from datasets import Image

    table = _load(data, recipe_folder)
    if data.image_column not in table.features:
        why = f"it has no column `{data.image_column}`, only {', '.join(table.features)}"
        raise BadMetadata(metadata=data.dataset_name, why=f"{why}; set `data.image_column`")
    columns = {
        name: getattr(feature, "dtype", "") in ("string", "large_string")
        for name, feature in table.features.items()
        if name != data.image_column
    }
    column = pick_caption_column(columns, data.caption_column, data.dataset_name)
    table = table.cast_column(data.image_column, Image(decode=False))
    captions = [str(caption or "").strip() for caption in table[column]]
    empty = [f"row {row}" for row, caption in enumerate(captions) if not caption]
    if empty:
        raise CaptionsMissing(
            count=len(empty), total=len(captions), path=data.dataset_name, names=name_some(empty)
        )
    return [
        Item(name=f"row {row}", caption=caption, read=partial(_read, table, row, data.image_column))
        for row, caption in enumerate(captions)
    ]


def _load(data: Data, recipe_folder: Path) -> Any:
    from datasets import load_dataset

    assert data.dataset_name is not None
    local = recipe_folder / data.dataset_name
    name = str(local) if local.is_dir() else data.dataset_name
    try:
        return load_dataset(name, data.dataset_config_name, split=data.split)
    # Whatever the library, the hub or the network raise: to the user it is one thing.
    except Exception as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        raise DataSetUnreachable(name=data.dataset_name, why=why[:300]) from error


def _read(table: Any, row: int, column: str) -> bytes:
    picture = table[row][column]
    if picture["bytes"] is not None:
        return bytes(picture["bytes"])
    return Path(picture["path"]).read_bytes()
