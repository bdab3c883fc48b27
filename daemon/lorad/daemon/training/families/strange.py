"""What a model's folder must not hold: programs, pipes, and ways out of it.

Looked for before any library opens something there. Nothing of a model is ever run, and the
libraries are told so too; this says in one sentence what they would say in many, or not at all.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path, PurePath

from lorad.daemon.training.data.reading import read_whole
from lorad.daemon.training.families.checkpoint_file import PICKLES, SUFFIX
from lorad.shared.clean import clean_line
from lorad.shared.errors import ModelUnsupported, PickledModel

TEXT_LIMIT = 64 << 20
"""Bytes of a configuration or a vocabulary."""
PARTS = (
    "unet", "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3", "tokenizer",
    "tokenizer_2", "tokenizer_3", "scheduler",
)  # fmt: skip
"""What is loaded of a model; whatever else its folder holds is not looked at."""


def refuse_strange(folder: Path, base: str) -> Path:
    """The folder, if all that may be read of it are plain files that lead nowhere else.

    Raises:
        ModelUnsupported: names what is not.
        PickledModel: a part has its weights only as a program.
    """
    for place in (folder, *(folder / part for part in PARTS)):
        names = []
        for path in _files(place, base):
            names.append(path.name)
            if path.suffix == ".json":
                _look_at_json(path, base)
        pickles = sorted(name for name in names if name.endswith(PICKLES))
        if place != folder and pickles and not any(name.endswith(SUFFIX) for name in names):
            raise PickledModel(base=clean_line(f"{base} ({place.name}/{pickles[0]})", 300))
    return folder


def _files(place: Path, base: str) -> Iterator[Path]:
    """The files right below, in order."""
    try:
        paths = sorted(place.iterdir()) if place.is_dir() else []
        modes = [path.stat().st_mode for path in paths]
    except OSError as error:  # a link in a circle, or nothing that may be looked into
        why = f"its {place.name} cannot be looked into ({error.strerror})"
        raise ModelUnsupported(base=base, why=why) from error
    for path, mode in zip(paths, modes, strict=True):
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            why = f"its {_name(path)} is no file but a pipe, a socket or a device"
            raise ModelUnsupported(base=base, why=why)
        yield path


def _look_at_json(path: Path, base: str) -> None:
    try:
        found = json.loads(read_whole(path, TEXT_LIMIT))
    except (OSError, ValueError, RecursionError) as error:
        why = f"its {_name(path)} cannot be read ({clean_line(str(error))})"
        raise ModelUnsupported(base=base, why=why) from error
    if not isinstance(found, dict):
        return  # who reads it says what is missing
    if found.get("auto_map"):
        why = f"its {_name(path)} names a program of its own (`auto_map`), which is never run"
        raise ModelUnsupported(base=base, why=why)
    shards = found.get("weight_map") if ".index." in path.name else None  # also `.index.fp16.json`
    for shard in set(map(str, shards.values())) if isinstance(shards, dict) else ():
        if shard in ("", "..") or PurePath(shard).name != shard:
            why = f"its {_name(path)} names a file outside of it, {clean_line(shard)}"
            raise ModelUnsupported(base=base, why=why)
        # Any other one is unpickled.
        if f"{SUFFIX}." in path.name and not shard.endswith(SUFFIX):
            why = f"its {_name(path)} names a file that is no {SUFFIX}, {clean_line(shard)}"
            raise ModelUnsupported(base=base, why=why)


def _name(path: Path) -> str:
    return clean_line(f"{path.parent.name}/{path.name}" if path.parent.name in PARTS else path.name)
