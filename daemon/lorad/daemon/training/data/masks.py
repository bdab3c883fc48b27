"""Which file masks which picture: a folder of masks under the pictures' names."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from lorad.daemon.training.data.item import Findings, name_some, shown
from lorad.daemon.training.data.walk import walk
from lorad.shared.errors import WrongValue


def find_masks(
    folder: Path, names: list[str], key: str, findings: Findings, *, follow: bool = False
) -> dict[str, Path]:
    """By picture, the file of the same path and stem below the folder of masks.

    A picture without one is trained everywhere. That there is no folder, or that nothing in it
    matches, goes to `findings` under the recipe's `key`.
    """
    if not folder.is_dir():
        findings.problems.append(WrongValue(key=key, why=f"there is no folder {shown(folder)}"))
        return {}
    by_stem: dict[str, str] = {}
    twice = []
    for mask in walk(folder, follow=follow).pictures:
        if by_stem.setdefault(_stem(mask), mask) != mask:
            twice.append(mask)
    found = {name: folder / by_stem[_stem(name)] for name in names if _stem(name) in by_stem}
    if not found:
        why = f"no mask in {shown(folder)} has a picture's name; give it that, with any ending"
        findings.problems.append(WrongValue(key=key, why=why))
    if twice:
        findings.notes.append(
            f"Masks that are not used, since another has the same name: {name_some(twice)}."
        )
    return found


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))
