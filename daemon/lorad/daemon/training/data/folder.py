"""A folder of pictures: metadata.csv or .jsonl as imagefolder has it, or a .txt beside each."""

from __future__ import annotations

import csv
import json
import logging
import posixpath
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from lorad.daemon.training.data.item import Item, name_some, pick_caption_column
from lorad.shared.clean import clean_line
from lorad.shared.errors import (
    BadMetadata,
    CaptionsMissing,
    FolderMissing,
    ListedFileMissing,
    NoCaptions,
    NoPictures,
    OutsideFolder,
)
from lorad.shared.recipe import Data

log = logging.getLogger(__name__)
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
OTHER_PICTURES = frozenset({".gif", ".tif", ".tiff", ".jfif", ".avif", ".heic"})


def scan_folder(folder: Path, data: Data) -> list[Item]:
    """The folder's pictures with their captions, by name.

    Raises:
        DataError: see the classes for what may be wrong.
    """
    if not folder.is_dir():
        raise FolderMissing(path=folder)
    metadata = [path for name in _READERS if (path := folder / name).is_file()]
    if len(metadata) > 1:
        names = " and ".join(path.name for path in metadata)
        raise BadMetadata(metadata=folder, why=f"it holds {names}; keep one of them")
    files = sorted(
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file() and not _hidden(path.relative_to(folder))
    )
    pictures = [path.as_posix() for path in files if path.suffix.lower() in PICTURES]
    if others := [path.as_posix() for path in files if path.suffix.lower() in OTHER_PICTURES]:
        log.info("Not of a kind that is read, so not used: %s", name_some(others))
    if metadata:
        captions = _listed(metadata[0], folder, data)
        if unlisted := sorted(set(pictures) - set(captions)):
            log.info("Not listed in %s, so not used: %s", metadata[0].name, name_some(unlisted))
    else:
        if not pictures:
            raise NoPictures(path=folder)
        captions = _sidecars(folder, pictures)
    return [
        Item(name=name, caption=caption, read=partial(_read, folder / name))
        for name, caption in sorted(captions.items())
    ]


def _hidden(path: Path) -> bool:
    """What file managers and notebooks leave: `._a.png`, `.ipynb_checkpoints/`, `__MACOSX/`."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _read(path: Path) -> bytes:
    return path.read_bytes()


# -- metadata.csv, metadata.jsonl -----------------------------------------------------------------


def _read_csv(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def _read_jsonl(path: Path) -> list[dict[str, Any]]:
    # Not splitlines: it also splits at characters that a caption may hold.
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    rows = [json.loads(line) for line in lines if line.strip()]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("every line must be an object {...}")
    return rows


_READERS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    "metadata.csv": _read_csv,
    "metadata.jsonl": _read_jsonl,
}


def _listed(metadata: Path, folder: Path, data: Data) -> dict[str, str]:
    """The captions by file name, as the metadata has them."""
    try:
        rows = _READERS[metadata.name](metadata)
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise BadMetadata(metadata=metadata, why=error) from error
    if not rows:
        raise NoPictures(path=f"{folder} (its {metadata.name} is empty)")
    columns = {
        name: all(isinstance(row.get(name), str | None) for row in rows)
        for name in rows[0]
        if name is not None
    }
    if "file_name" not in columns:
        why = f"it has no column `file_name`, only {', '.join(columns)}"
        raise BadMetadata(metadata=metadata, why=why)
    del columns["file_name"]
    if not columns:
        raise NoCaptions(path=folder)
    column = pick_caption_column(columns, data.caption_column, metadata)
    captions: dict[str, str] = {}
    for row in rows:
        name = _file_name(metadata, row)
        if name in captions:
            raise BadMetadata(metadata=metadata, why=f"it lists {clean_line(name)} twice")
        captions[name] = str(row.get(column) or "").strip()
    _refuse_missing(metadata, folder, list(captions))
    _refuse_uncaptioned(folder, captions)
    return captions


def _file_name(metadata: Path, row: dict[str, Any]) -> str:
    """The row's file, below the folder by its words: a link there is the user's own doing."""
    given = row.get("file_name")
    if not isinstance(given, str) or not given.strip() or "\0" in given:
        raise BadMetadata(metadata=metadata, why="a row has no usable `file_name`")
    name = posixpath.normpath(given)
    if name.startswith(("/", "../")) or name == ".." or "://" in given:
        raise OutsideFolder(metadata=metadata, name=clean_line(given))
    return name


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long: most likely the columns are swapped
        return False


def _refuse_missing(metadata: Path, folder: Path, names: list[str]) -> None:
    missing = [name for name in names if not _is_file(folder / name)]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise ListedFileMissing(metadata=metadata, names=name_some(missing), verb=verb)


# -- a .txt beside each ---------------------------------------------------------------------------


def _sidecars(folder: Path, pictures: list[str]) -> dict[str, str]:
    captions = {}
    for name in pictures:
        sidecar = (folder / name).with_suffix(".txt")
        if not sidecar.is_file():  # a pipe of that name would be waited for
            captions[name] = ""
            continue
        try:
            captions[name] = sidecar.read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BadMetadata(metadata=sidecar, why=error) from error
    if not any(captions.values()):
        raise NoCaptions(path=folder)
    _refuse_uncaptioned(folder, captions)
    return captions


def _refuse_uncaptioned(folder: Path, captions: dict[str, str]) -> None:
    empty = [name for name, caption in captions.items() if not caption]
    if len(empty) == len(captions):
        raise NoCaptions(path=folder)
    if empty:
        total = len(captions)
        raise CaptionsMissing(count=len(empty), total=total, path=folder, names=name_some(empty))
