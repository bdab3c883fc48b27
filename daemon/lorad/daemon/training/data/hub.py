"""A Hugging Face data set, from the hub or from a folder in one of its formats."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from lorad.daemon.training.data.folder import fill_captions
from lorad.daemon.training.data.item import Findings, Item, name_some, pick_caption_column, shown
from lorad.daemon.training.data.metadata import as_captions
from lorad.daemon.training.data.reading import read_whole
from lorad.daemon.training.data.walk import Inside
from lorad.shared.clean import first_line
from lorad.shared.errors import (
    BadMetadata,
    CaptionColumn,
    DataSetOutside,
    DataSetUnreachable,
    NoPictures,
)
from lorad.shared.recipe import Data

Read = Callable[[], bytes]


def load_hub(name: str, data: Data, recipe_folder: Path, findings: Findings) -> list[Item]:
    """The data set's pictures with their captions, in its own order.

    Raises:
        DataError: it cannot be had, or lacks pictures; missing captions go to `findings`.
    """
    from datasets import Image

    table = _load(name, data, recipe_folder)
    if data.image_column not in table.features:
        why = f"it has no column `{data.image_column}`, only {name_some(list(table.features), 10)}"
        raise BadMetadata(metadata=shown(name), why=f"{why}; set `data.image_column`")
    if data.max_train_samples is not None:
        table = table.select(range(min(data.max_train_samples, len(table))))
    if not len(table):
        raise NoPictures(path=shown(name))
    try:
        table = table.cast_column(data.image_column, Image(decode=False))
    # Arrow's errors for a column of numbers or of strings.
    except Exception as error:
        why = f"its column `{data.image_column}` holds no pictures; set `data.image_column`"
        raise BadMetadata(metadata=shown(name), why=why) from error
    column = _caption_column(name, table.features, data)
    cells = table[column] if column is not None else [None] * len(table)
    found = {f"row {row}": as_captions(cell) for row, cell in enumerate(cells)}
    captions = fill_captions(found, data, name, findings)
    pictures = table.select_columns([data.image_column])
    roots = _roots(recipe_folder / Path(name).expanduser())
    reads = [partial(_read, pictures, row, data.image_column, roots) for row in range(len(table))]
    return [_item(reads[row], row, texts, data) for row, texts in enumerate(captions.values())]


def _roots(folder: Path) -> tuple[Path, ...]:
    """Where the files of a data set lie: in its folder, or in the caches of the libraries."""
    if folder.is_dir():
        return (Path(os.path.realpath(folder)),)
    from datasets import config
    from huggingface_hub.constants import HF_HUB_CACHE

    caches = (config.HF_CACHE_HOME, config.HF_DATASETS_CACHE, HF_HUB_CACHE)
    return tuple(Path(os.path.realpath(cache)) for cache in caches)


def _item(read: Read, row: int, captions: tuple[str, ...], data: Data) -> Item:
    mask = read if data.alpha_mask else None
    return Item(name=f"row {row}", captions=captions, read=read, read_mask=mask)


def _caption_column(name: str, features: Any, data: Data) -> str | None:
    columns = {
        column: _holds_text(feature)
        for column, feature in features.items()
        if column != data.image_column
    }
    try:
        return pick_caption_column(columns, data.caption_column, shown(name))
    except CaptionColumn:
        # With a caption for all, a table without any is as good.
        if data.caption is not None and data.caption_column is None and not any(columns.values()):
            return None
        raise


def _holds_text(feature: Any) -> bool:
    inner = getattr(feature, "feature", feature)  # of a list
    return getattr(inner, "dtype", "") in ("string", "large_string")


def _load(name: str, data: Data, recipe_folder: Path) -> Any:
    from datasets import load_dataset_builder

    local = recipe_folder / Path(name).expanduser()
    where = str(local) if local.is_dir() else name
    try:
        builder = load_dataset_builder(where, data.dataset_config_name)
        refuse_outside(name, builder.config.data_files, local, data.follow_links)
        builder.download_and_prepare()
        return builder.as_dataset(split=data.split)
    except DataSetOutside:
        raise
    # Whatever the library, the hub or the network raise: to the user it is one thing.
    except Exception as error:
        why = first_line(f"{type(error).__name__}: {error}")
        raise DataSetUnreachable(name=shown(name), why=why) from error


def refuse_outside(
    name: str, files: dict[str, list[str]] | None, local: Path, follow_links: bool
) -> None:
    """Its README.md may name any file of this machine or of the network for its own.

    Raises:
        DataSetOutside: it names one.
    """
    folder, holds = Path(os.path.realpath(local)), Inside(local).holds
    plain = name.removeprefix("hf://").removeprefix("datasets/")
    there = (f"hf://datasets/{plain}@", f"hf://{plain}/")
    for file in sorted({file for names in (files or {}).values() for file in names}):
        place = file.rpartition("::")[2]  # of an archive, where it is in one
        if not local.is_dir():
            own = place.startswith(there) and "/.." not in place
        elif follow_links:
            own = Path(os.path.normpath(place)).is_relative_to(folder)
        else:
            own = "://" not in place and holds(Path(place))
        if not own:
            raise DataSetOutside(name=shown(name), file=shown(file))


def _read(table: Any, row: int, column: str, roots: tuple[Path, ...]) -> bytes:
    picture = table[row][column]
    if picture is None:
        raise ValueError("the row holds no picture")
    if picture["bytes"] is not None:
        return bytes(picture["bytes"])
    path = Path(os.path.realpath(picture["path"]))
    if not any(path.is_relative_to(root) for root in roots):
        raise ValueError("its file lies outside the data set")  # a table may name any
    return read_whole(path)
