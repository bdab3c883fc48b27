"""What the verbs that make new jobs share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from lorad.shared.clean import clean_line
from lorad.shared.errors import FolderOnBoxNeeded
from lorad.shared.jobs import Job
from lorad.tui import places
from lorad.tui.commands import _arguments, _json


def add_queueing(parser: argparse.ArgumentParser) -> None:
    """How to queue them, and how to say it."""
    parser.add_argument("--stash", action="store_true", help="keep out of the queue for now")
    parser.add_argument(
        "--priority", metavar="N", type=_arguments.integer, default=0, help="higher starts first"
    )
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("-q", "--print-id", action="store_true", help="print the numbers alone")
    _arguments.add_json(forms)


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Where a recipe's pictures are found."""
    parser.add_argument(
        "--folder", metavar="DIR", help="where the recipe's relative paths start; with --host there"
    )


def folder_of(given: str | None, recipe: Path) -> str:
    """Where relative paths start: beside the recipe, or on the box where it was said to be.

    Raises:
        FolderOnBoxNeeded: the box is another one, and no folder of its was named.
    """
    if not (host := places.host()):
        return str(Path(given).resolve() if given else recipe.parent.resolve())
    if given is None or not given.startswith("/"):
        raise FolderOnBoxNeeded(host=clean_line(host))
    return given


def tell_new(args: argparse.Namespace, jobs: Sequence[Job]) -> None:
    """The new jobs as they were asked for."""
    if args.json:
        _arguments.print_document(jobs=[_json.job_fields(job) for job in jobs])
        return
    for job in jobs:
        print(job.id if args.print_id else f"{_arguments.title(job)} is {job.state}.")
