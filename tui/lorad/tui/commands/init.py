"""`lorad init`: write a commented recipe to start from."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

from lorad.shared.clean import clean_line
from lorad.shared.errors import NameTaken, NotWritable
from lorad.shared.recipe import template


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to write it."""
    parser.add_argument("file", metavar="FILE", nargs="?", type=Path, default=Path("recipe.toml"))
    parser.add_argument("--force", action="store_true", help="overwrite what is there")


def run(args: argparse.Namespace) -> int:
    """Write it; what is there stays unless it is forced."""
    path: Path = args.file
    text = template(_name(path), clean_line(shlex.quote(str(path))))
    try:
        with path.open("w" if args.force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise NameTaken(path=path) from None
    except OSError as error:
        raise NotWritable(path=path, why=error.strerror) from error
    print(f"Wrote {clean_line(str(path))}. Say in it where the pictures are, then:")
    print(f"  lorad check {clean_line(shlex.quote(str(path)))}")
    return 0


def _name(path: Path) -> str:
    """A run's name from the file's, in the letters that a name may have."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem)[:64].lstrip("._-")
    return name if name and name != "recipe" else "my-lora"
