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
    outside: list[str] = field(default_factory=list)
    """Links that lead out of the folder."""
    odd: list[str] = field(default_factory=list)
    """Pipes, sockets, devices, and links that lead nowhere."""


def walk(folder: Path, without: Path | None = None, *, follow: bool = False) -> Tree:
    """What lies below the folder; nothing below `without`, the folder of its masks.

    Hidden files are left out: `._a.png`, `.ipynb_checkpoints/`, `__MACOSX/`. Links are followed,
    those out of the folder only with `follow`: whoever made it may mean files that are not theirs.
    No folder is entered twice, so a loop ends. Links to folders are entered last, so that a file is
    found under its own name first.
    """
    tree = Tree()
    inside = None if follow else Inside(folder)
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
            name = f"{below}/{entry.name}" if below else entry.name
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                continue
            if inside is not None and entry.is_symlink() and not inside.holds(Path(entry.path)):
                tree.outside.append(name)
                continue
            _sort_in(entry, name, tree, folders, links)
    for names in (tree.pictures, tree.others, tree.metadata, tree.tables, tree.odd, tree.outside):
        names.sort()
    return tree


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


class Inside:
    """What a folder holds, however the links in it lead round."""

    def __init__(self, folder: Path) -> None:
        """The snapshots of the hub's cache are links to the files beside them."""
        root = Path(os.path.realpath(folder))
        snapshot = root.parent.name == "snapshots" and (root.parent.parent / "blobs").is_dir()
        self._roots = (root, root.parent.parent / "blobs") if snapshot else (root,)

    def holds(self, path: Path) -> bool:
        """Whether what the path leads to lies in the folder, if it leads anywhere."""
        try:
            real = Path(os.path.realpath(path, strict=True))
        except OSError:  # nowhere, or in a circle
            return True
        return any(real.is_relative_to(root) for root in self._roots)


def _sort_in(
    entry: os.DirEntry[str], name: str, tree: Tree, folders: list[str], links: list[str]
) -> None:
    try:
        if entry.is_dir():
            (links if entry.is_symlink() else folders).append(name)
        elif entry.is_file():  # neither pipe, socket nor device
            _sort_file(name, tree)
        else:
            tree.odd.append(name)
    except OSError:  # a link that leads round in a circle
        tree.odd.append(name)


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
