"""`lorad sweep`: a job for each combination of some values."""

from __future__ import annotations

import argparse
from pathlib import Path

from lorad.shared.client import Client
from lorad.shared.codec import MAX_MESSAGE
from lorad.shared.errors import SweepTooLarge
from lorad.shared.messages import AddJob, Batch, CopyJob, GetRecipe, OneRequest
from lorad.shared.recipe import load_recipe, parse_recipe
from lorad.shared.recipe.copies import copied_source, variants
from lorad.tui.commands import _arguments
from lorad.tui.commands._arguments import connect
from lorad.tui.commands._new import add_folder, add_queueing, folder_of, tell_new
from lorad.tui.commands._steer import job_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A recipe or a job, and keys with their values."""
    action = parser.add_argument(
        "source", metavar="FILE|ID", type=_source, help="a recipe, or a job's number"
    )
    action.complete = _arguments.COMPLETE_FILES  # type: ignore[attr-defined]  # for shtab
    _arguments.add_changes(
        parser, least="+", help="values parted by commas: lr=1e-4,5e-5 rank=8,16"
    )
    add_folder(parser)
    add_queueing(parser)


def _source(text: str) -> int | Path:
    """A job's number or a file."""
    return _arguments.job_id(text) if text.isascii() and text.isdigit() else Path(text)


def run(args: argparse.Namespace) -> int:
    """Ask for all of them at once, so that there are all or none."""
    axes = _arguments.changes_of(args)
    if isinstance(args.source, int) and args.folder is not None:
        args.usage_error("--folder is for a recipe's file; a job has its folder")
    with connect() as daemon:
        if isinstance(args.source, int):
            requests = _of_job(args, daemon, axes)
        else:
            requests = _of_file(args, axes)
        replies = daemon.ask(Batch(requests=requests), timeout=60.0).replies
    tell_new(args, [job_of(reply) for reply in replies])
    return 0


def _of_job(args: argparse.Namespace, daemon: Client, axes: dict[str, str]) -> list[OneRequest]:
    id: int = args.source
    recipe = parse_recipe(daemon.ask(GetRecipe(id=id)).recipe)
    return [
        CopyJob(id=id, changes=changes, name=name, stash=args.stash, priority=args.priority)
        for name, changes in variants(recipe, axes)
    ]


def _of_file(args: argparse.Namespace, axes: dict[str, str]) -> list[OneRequest]:
    path: Path = args.source
    recipe, text = load_recipe(path)
    folder, found = folder_of(args.folder, path), variants(recipe, axes)
    fits = MAX_MESSAGE // (len(text.encode()) + 1000)
    if len(found) > fits:
        raise SweepTooLarge(count=len(found), most=fits)
    return [
        AddJob(
            recipe=copied_source(text, changes, name),
            folder=folder,
            stash=args.stash,
            priority=args.priority,
        )
        for name, changes in found
    ]
