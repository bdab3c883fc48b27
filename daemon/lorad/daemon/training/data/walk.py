"""What lies in a folder, found without following a loop or opening anything."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"})
OTHER_PICTURES = frozenset({".jfif", ".heic", ".heif", ".jxl", ".svg", ".psd", ".ico"})
METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


@dataclass
class Tree:
    """The regular files of a folder, as sorted paths below it with forward slashes."""

    pictures: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    """Pictures of kinds that are not read."""
    texts: set[str] = field(default_factory=set)
    """`.txt` and `.caption`."""
    metadata: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    """Parquet files that are no metadata."""
    unreadable: list[str] = field(default_factory=list)
    """Folders that may not be looked into."""


def walk(folder: Path, without: Path | None = None) -> Tree:
    """What lies below the folder; nothing below `without`, the folder of its masks.

    Hidden files are left out: `._a.png`, `.ipynb_checkpoints/`, `__MACOSX/`. Links are followed,
    but no folder is entered twice, so a loop ends. Links to folders are entered last, so that a
    file is found under its own name first.
    """
    tree = Tree()
    entered = {_identity(without)} if without is not None and without.is_dir() else set()
    folders, links = [""], list[str]()
    while folders or links:
        below = folders.pop() if folders else links.pop(0)
        try:
            identity = _identity(folder / below)
            if identity in entered:
                continue
            entered.add(identity)
            with os.scandir(folder / below) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            tree.unreadable.append(below)
            continue
        for entry in found:
            _sort_in(entry, below, tree, folders, links)
    for names in (tree.pictures, tree.others, tree.metadata, tree.tables):
        names.sort()
    return tree


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _sort_in(
    entry: os.DirEntry[str], below: str, tree: Tree, folders: list[str], links: list[str]
) -> None:
    if entry.name.startswith(".") or entry.name == "__MACOSX":
        return
    name = f"{below}/{entry.name}" if below else entry.name
    try:
        if entry.is_dir():
            (links if entry.is_symlink() else folders).append(name)
        elif entry.is_file():  # neither pipe, socket nor device
            _sort_file(name, tree)
    except OSError:  # a link that leads round in a circle
        return


def _sort_file(name: str, tree: Tree) -> None:
    path = PurePosixPath(name)
    kind = path.suffix.lower()
    if kind in PICTURES:
        tree.pictures.append(name)
    elif kind in OTHER_PICTURES:
        tree.others.append(name)
    elif kind in (".txt", ".caption"):
        tree.texts.add(name)
    elif path.name in METADATA:
        tree.metadata.append(name)
    elif kind == ".parquet":
        tree.tables.append(name)
