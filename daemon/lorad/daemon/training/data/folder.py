"""A folder of pictures: metadata as imagefolder has it, or a text file beside each."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from lorad.daemon.training.data.captions import complete
from lorad.daemon.training.data.item import Findings, Item, name_some, shown
from lorad.daemon.training.data.masks import find_masks
from lorad.daemon.training.data.metadata import Captions, read_metadata
from lorad.daemon.training.data.reading import read_whole
from lorad.daemon.training.data.sidecars import read_sidecars
from lorad.daemon.training.data.walk import Tree, walk
from lorad.shared.errors import CaptionsMissing, FolderMissing, NoCaptions, NoPictures
from lorad.shared.recipe import Data


def look_into(folder: Path, recipe_folder: Path, data: Data) -> Tree:
    """What lies in the picture folder, its masks left out.

    Raises:
        FolderMissing: there is no such folder.
    """
    if not folder.is_dir():
        raise FolderMissing(path=shown(folder))
    return walk(folder, without=_mask_folder(recipe_folder, data), follow=data.follow_links)


def scan_folder(
    folder: Path, recipe_folder: Path, data: Data, tree: Tree, findings: Findings
) -> list[Item]:
    """The folder's pictures with their captions, by name.

    Raises:
        DataError: nothing in it can be used; lesser mistakes go to `findings`.
    """
    _note_left_out(tree, findings)
    if tree.metadata:
        captions = read_metadata(folder, tree, data, findings)
        if unlisted := sorted(set(tree.pictures) - set(captions)):
            findings.notes.append(
                f"Not listed in {Path(tree.metadata[0]).name}, so not used: {name_some(unlisted)}."
            )
    else:
        if not tree.pictures:
            raise NoPictures(path=shown(folder))
        captions = read_sidecars(folder, tree, data, findings)
    names = sorted(captions)[: data.max_train_samples]
    captions = fill_captions({name: captions[name] for name in names}, data, folder, findings)
    masks = _find_masks(names, recipe_folder, data, findings)
    return [_item(folder, name, captions[name], data, masks) for name in names]


def _item(
    folder: Path, name: str, captions: tuple[str, ...], data: Data, masks: dict[str, Path]
) -> Item:
    path = folder / name
    mask_path = path if data.alpha_mask else masks.get(name)
    return Item(
        name=name,
        captions=captions,
        read=partial(read_whole, path),
        read_mask=partial(read_whole, mask_path) if mask_path is not None else None,
        path=path,
        mask_path=mask_path,
    )


def _mask_folder(recipe_folder: Path, data: Data) -> Path | None:
    if data.mask_path is None:
        return None
    return recipe_folder / Path(data.mask_path).expanduser()


def _find_masks(
    names: list[str], recipe_folder: Path, data: Data, findings: Findings
) -> dict[str, Path]:
    folder = _mask_folder(recipe_folder, data)
    if folder is None:
        return {}
    return find_masks(folder, names, "data.mask_path", findings, follow=data.follow_links)


def _note_left_out(tree: Tree, findings: Findings) -> None:
    for names, why in (
        (tree.others, "Of a kind that is not read, so not used"),
        (tree.unreadable, "Folders that may not be looked into"),
        (tree.odd, "Pipes, sockets, devices or links that lead nowhere, so not used"),
        (tree.outside, "Links out of the folder, so not used without `data.follow_links`"),
    ):
        if names:
            findings.notes.append(f"{why}: {name_some(names)}.")


def fill_captions(
    captions: Captions, data: Data, source: object, findings: Findings
) -> dict[str, tuple[str, ...]]:
    """The captions complete; those that are missing go to `findings`, all of them at once."""
    missing = [name for name, texts in captions.items() if not texts]
    if missing and data.caption is not None:
        missing, default = [], (data.caption,)
    else:
        default = ("",)
    if missing and len(missing) == len(captions):
        findings.problems.append(NoCaptions(path=shown(source)))
    elif missing:
        findings.problems.append(
            CaptionsMissing(
                count=len(missing),
                total=len(captions),
                path=shown(source),
                names=name_some(missing),
            )
        )
    return {
        name: tuple(dict.fromkeys(complete(text, data) for text in texts or default))
        for name, texts in captions.items()
    }
