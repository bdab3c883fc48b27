"""`lorad lora convert`: a LoRA file with the other keys; tensors, alphas and metadata stay."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from lorad.daemon.training.files import disk_full_told
from lorad.daemon.training.lora_file import (
    LoraFile,
    family_of,
    read_lora,
    write_diffusers,
    write_kohya,
)
from lorad.shared.errors import LoraUnreadable, NotConvertible, NotWritable

Keys = Literal["kohya", "diffusers"]


def convert(path: Path, to: Keys | None, out: Path | None) -> Path:
    """Write it in the other keys, or in those that are wanted; the file that was written.

    Raises:
        LoraError: it cannot be read, or the format has no word for what it holds.
        NotWritable: the file cannot be written, or is there already.
    """
    file = read_lora(path)
    wanted = to or ("diffusers" if file.is_kohya else "kohya")
    target = out or path.with_name(f"{path.stem}-{wanted}.safetensors")
    if target.exists():
        raise NotWritable(path=target, why="it is there already; choose another --out")
    aside = target.with_name(f".{target.name}.part")
    try:
        with disk_full_told(target, path.stat().st_size):
            _write(aside, file, wanted)
            aside.rename(target)
    except OSError as error:
        raise NotWritable(path=target, why=error.strerror or error) from error
    except LoraUnreadable as error:
        raise NotConvertible(path=path, why=error.details["why"]) from error
    finally:
        aside.unlink(missing_ok=True)
    return target.absolute()


def _write(path: Path, file: LoraFile, to: Keys) -> None:
    if not path.parent.is_dir():
        raise NotWritable(path=path.parent, why="there is no such folder")
    if to == "kohya":
        write_kohya(path, file.layers, family_of(file), file.metadata)
    else:
        write_diffusers(path, file.layers, file.metadata)
