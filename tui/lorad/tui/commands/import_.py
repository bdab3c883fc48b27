"""`lorad import`: a recipe from a command of diffusers' scripts, or from kohya's files."""

from __future__ import annotations

import argparse
import shlex

from lorad.shared.clean import clean_line
from lorad.shared.errors import CannotImport
from lorad.tui.commands._arguments import COMPLETE_FILES, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A command, or the files of a run."""
    parser.add_argument("--config_file", metavar="TOML", help="kohya's config file")
    parser.add_argument("--dataset_config", metavar="TOML", help="kohya's dataset file")
    action = parser.add_argument(
        "command",
        metavar="COMMAND",
        nargs=argparse.REMAINDER,
        help="a training command in quotes, or a file that holds one; a kohya config file",
    )
    action.complete = COMPLETE_FILES  # type: ignore[attr-defined]  # shtab looks for it


def run(args: argparse.Namespace) -> int:
    """The recipe to stdout, what is to be said about it to stderr."""
    from lorad.tui.imports import import_config, import_source

    words: list[str] = args.command
    files = args.config_file or args.dataset_config
    if words and files:
        raise CannotImport(what="This", why="say either a command or files, not both")
    if files:
        imported = import_config(args.config_file, args.dataset_config)
    elif len(words) == 1:
        imported = import_source(words[0])
    else:
        imported = import_source(shlex.join(words))
    for remark in imported.remarks:
        say(clean_line(remark, 1000))
    print(imported.recipe, end="")
    return 0
