"""metadata.csv, .jsonl or .parquet: the captions of a folder, by imagefolder's rules.

As `datasets` reads them (packaged_modules/folder_based_builder): they may lie in sub-folders too,
all of one kind; each names files relative to itself, in `file_name` or `<column>_file_name`; what
none of them lists is not trained.
"""

from __future__ import annotations

import csv
import io
import json
import os
import posixpath
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lorad.daemon.training.data.item import Findings, name_some, pick_caption_column, shown
from lorad.daemon.training.data.reading import TABLE_LIMIT, read_whole, to_text
from lorad.daemon.training.data.walk import Inside, Tree
from lorad.shared.clean import clean_line
from lorad.shared.errors import (
    BadMetadata,
    CaptionColumn,
    ListedFileMissing,
    NoPictures,
    OutsideFolder,
)
from lorad.shared.recipe import Data

Row = dict[str, Any]
Captions = dict[str, tuple[str, ...]]
"""By the picture's path below the folder; empty: it has none."""


def read_metadata(folder: Path, tree: Tree, data: Data, findings: Findings) -> Captions:
    """The captions that the metadata files hold; files that are not there go to `findings`.

    Raises:
        DataError: they cannot be used.
    """
    names = tree.metadata
    kinds = {posixpath.basename(name) for name in names}
    if len(kinds) > 1:
        why = f"it holds {' and '.join(sorted(kinds))}; keep one of them"
        raise BadMetadata(metadata=shown(folder), why=why)
    captions: Captions = {}
    for name in names:
        for picture, texts in _captions(folder / name, data, findings).items():
            path = posixpath.join(posixpath.dirname(name), picture)
            if path in captions:
                why = f"it lists {clean_line(path)}, which another one lists too"
                raise BadMetadata(metadata=shown(folder / name), why=why)
            captions[path] = texts
    if not captions:
        raise NoPictures(path=f"{shown(folder)} (its {kinds.pop()} is empty)")
    if not data.follow_links:
        _refuse_outside(folder, names, captions.keys() - set(tree.pictures))
    for name in names:
        _note_missing(folder, name, list(captions), findings)
    return captions


def _captions(metadata: Path, data: Data, findings: Findings) -> Captions:
    rows = _rows(metadata, findings)
    if not rows:
        return {}
    columns = {name: None for row in rows for name in row if isinstance(name, str)}
    file_column = _file_column(metadata, list(columns), data)
    texts = {
        name: all(_is_text(row.get(name)) for row in rows)
        for name in columns
        if name != file_column
    }
    column = _caption_column(texts, data, metadata)
    captions: Captions = {}
    for row in rows:
        name = _file_name(metadata, row.get(file_column))
        if name in captions:
            raise BadMetadata(metadata=shown(metadata), why=f"it lists {clean_line(name)} twice")
        captions[name] = as_captions(row.get(column)) if column is not None else ()
    return captions


def as_captions(value: object) -> tuple[str, ...]:
    """A cell's captions: one string, or a list of which one is drawn each time."""
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(text for text in values if isinstance(text, str) and text.strip())


def _is_text(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(part, str | None) for part in value)
    return isinstance(value, str | None)


def _caption_column(texts: dict[str, bool], data: Data, metadata: Path) -> str | None:
    if not texts and data.caption_column is None:
        return None
    try:
        return pick_caption_column(texts, data.caption_column, shown(metadata))
    except CaptionColumn:
        # With a caption for all, a table that has only names and numbers is as good.
        if data.caption is not None and data.caption_column is None and not any(texts.values()):
            return None
        raise


def _file_column(metadata: Path, columns: list[str], data: Data) -> str:
    if "file_name" in columns:
        return "file_name"
    if f"{data.image_column}_file_name" in columns:
        return f"{data.image_column}_file_name"
    named = [name for name in columns if name.endswith("_file_name")]
    if len(named) == 1:
        return named[0]
    if named:
        names = name_some([name.removesuffix("_file_name") for name in named])
        why = f"each row names several pictures; set `data.image_column` to one of: {names}"
    elif any(name.endswith("file_names") for name in columns):
        why = "its rows list several pictures each; write one row a picture, with `file_name`"
    else:
        why = f"it has no column `file_name`, only {name_some(columns, 10)}"
    raise BadMetadata(metadata=shown(metadata), why=why)


def _file_name(metadata: Path, given: object) -> str:
    """The row's file, below the metadata's folder."""
    if not isinstance(given, str) or not given.strip() or "\0" in given:
        raise BadMetadata(metadata=shown(metadata), why="a row has no usable `file_name`")
    name = posixpath.normpath(given)
    if name.startswith(("/", "../")) or name in ("..", ".") or "://" in given:
        raise OutsideFolder(metadata=shown(metadata), name=clean_line(given))
    return name


def _refuse_outside(folder: Path, metadata: list[str], names: set[str]) -> None:
    """Links out of the folder are named as other paths out of it are."""
    inside = Inside(folder)
    for name in sorted(names):
        if not inside.holds(folder / name):
            own = [one for one in metadata if name.startswith(posixpath.dirname(one))]
            raise OutsideFolder(metadata=shown(folder / own[-1]), name=clean_line(name))


def _note_missing(folder: Path, metadata: str, names: list[str], findings: Findings) -> None:
    below = posixpath.dirname(metadata)
    own = [name for name in names if not below or name.startswith(below + "/")]
    missing = [name for name in own if not os.path.isfile(folder / name)]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        findings.problems.append(
            ListedFileMissing(
                metadata=shown(folder / metadata), names=name_some(missing), verb=verb
            )
        )


# -- the three kinds ------------------------------------------------------------------------------


def _rows(metadata: Path, findings: Findings) -> list[Row]:
    try:
        if metadata.suffix == ".parquet":
            return _read_parquet(metadata)
        text, is_latin = to_text(read_whole(metadata, TABLE_LIMIT))
        if is_latin:
            findings.notes.append(f"{shown(metadata)} is not UTF-8, so it was read as latin-1.")
        return _READERS[metadata.suffix](text)
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        why = clean_line(str(error).rstrip(".\n"), 300)
        raise BadMetadata(metadata=shown(metadata), why=why) from error


def _read_csv(text: str) -> list[Row]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def _read_jsonl(text: str) -> list[Row]:
    # Not splitlines: it also splits at characters that a caption may hold.
    rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("every line must be an object {...}")
    return rows


_READERS: dict[str, Callable[[str], list[Row]]] = {".csv": _read_csv, ".jsonl": _read_jsonl}


def _read_parquet(metadata: Path) -> list[Row]:
    """Only its columns of text: others may hold whole pictures."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(metadata) as table:
            columns = [field.name for field in table.schema_arrow if _holds_text(field.type)]
            if not columns:
                raise ValueError("it has no column of strings")
            rows: list[Row] = table.read(columns).to_pylist()
            return rows
    except pyarrow.ArrowException as error:
        raise ValueError(str(error).splitlines()[0]) from error


def _holds_text(kind: Any) -> bool:
    import pyarrow.types as kinds

    inner = kind.value_type if kinds.is_list(kind) or kinds.is_large_list(kind) else kind
    return bool(kinds.is_string(inner) or kinds.is_large_string(inner))
