"""A `.txt` or `.caption` beside each picture.

The whole file is one caption, its lines joined by spaces. With `enable_wildcard` every line is a
caption of its own, as in kohya's scripts (which without it read the first line only).
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from lorad.daemon.training.data.item import Findings, name_some, shown
from lorad.daemon.training.data.metadata import Captions
from lorad.daemon.training.data.reading import CAPTION_LIMIT, read_regular, to_text
from lorad.daemon.training.data.walk import Tree
from lorad.shared.errors import BadMetadata
from lorad.shared.recipe import Data

EXTENSIONS = (".txt", ".caption")
"""The first wins where a picture has both, unless `caption_extension` says otherwise."""


def read_sidecars(folder: Path, tree: Tree, data: Data, findings: Findings) -> Captions:
    """The captions beside the pictures; what cannot be read goes to `findings`."""
    wanted = (data.caption_extension,) if data.caption_extension else EXTENSIONS
    reader = _Reader(folder, findings)
    captions: Captions = {}
    both, shared = [], []
    taken: set[str] = set()
    for name in tree.pictures:
        beside = [str(PurePosixPath(name).with_suffix(kind)) for kind in wanted]
        found = [sidecar for sidecar in beside if sidecar in tree.texts]
        captions[name] = reader.read(found[0], data) if found else ()
        if len(found) > 1:
            both.append(name)
        if found and found[0] in taken:
            shared.append(name)
        taken.update(found[:1])
    if both:
        findings.notes.append(
            "With a .txt and a .caption, of which the .txt is read (set `data.caption_extension`"
            f" for the other): {name_some(both)}."
        )
    if shared:
        findings.notes.append(f"With the caption file of another picture: {name_some(shared)}.")
    reader.say()
    return captions


class _Reader:
    """Reads caption files and remembers what was odd about them."""

    def __init__(self, folder: Path, findings: Findings) -> None:
        self._folder = folder
        self._findings = findings
        self._latin: list[str] = []
        self._long: list[str] = []

    def read(self, name: str, data: Data) -> tuple[str, ...]:
        """The captions in a file, none if it is empty."""
        # Four bytes is the longest character.
        try:
            raw = read_regular(self._folder / name, 4 * CAPTION_LIMIT + 4)
        except OSError as error:
            problem = BadMetadata(metadata=shown(self._folder / name), why=error)
            self._findings.problems.append(problem)
            return ()
        if len(raw) > 4 * CAPTION_LIMIT:  # it may end within a character
            text, is_latin = raw.decode("utf-8-sig", "ignore"), False
        else:
            text, is_latin = to_text(raw)
        if is_latin:
            self._latin.append(name)
        if len(text) > CAPTION_LIMIT:
            self._long.append(name)
            text = text[:CAPTION_LIMIT]
        lines = [line.strip() for line in text.split("\n") if line.strip()]
        if not lines:
            return ()
        return tuple(lines) if data.enable_wildcard else (" ".join(lines),)

    def say(self) -> None:
        """Put what was odd into the findings."""
        for names, what in (
            (self._latin, "that are not UTF-8, read as latin-1"),
            (self._long, f"longer than {CAPTION_LIMIT >> 10} Ki characters, cut there"),
        ):
            if names:
                sentence = f"Caption files {what}: {name_some(names)}."
                self._findings.notes.append(sentence)
