"""`lorad add`: queue a recipe."""

from __future__ import annotations

import argparse
from pathlib import Path

from lorad.shared.messages import AddJob
from lorad.shared.recipe import load_recipe
from lorad.tui import places
from lorad.tui.commands import _arguments
from lorad.tui.commands._arguments import connect, print_document, say, title
from lorad.tui.commands._new import add_folder, folder_of
from lorad.tui.commands._terms import add_terms, fields


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A recipe, and how to queue it."""
    _arguments.add_file(parser)
    add_folder(parser)
    parser.add_argument("--stash", action="store_true", help="keep it out of the queue for now")
    parser.add_argument(
        "--priority", metavar="N", type=_arguments.integer, default=0, help="higher starts first"
    )
    add_terms(parser)
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument("--follow", action="store_true", help="show it until it ends; exit as it did")
    ends.add_argument("--wait", action="store_true", help="wait until it ends; exit as it did")
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("-q", "--print-id", action="store_true", help="print the number alone")
    _arguments.add_json(forms)


def run(args: argparse.Namespace) -> int:
    """Look at it here first, for the quick sentence; the daemon reads it again."""
    path: Path = args.file
    _, text = load_recipe(path)
    request = AddJob(
        recipe=text,
        folder=folder_of(args.folder, path),
        stash=args.stash,
        priority=args.priority,
        **fields(args),
    )
    with connect() as daemon:
        job = daemon.ask(request).job
        if args.json:
            print_document(id=job.id, name=job.name, folder=job.folder)
        elif args.print_id:
            print(job.id)
        else:
            print(f"{title(job)} is {job.state}.", flush=True)
            if not (args.follow or args.wait):
                there = f" --host {places.host()}" if places.host() else ""
                say(f"`lorad{there}` shows it, `lorad{there} log {job.id} -f` follows it.")
        if args.follow:
            from lorad.tui.commands._follow import follow

            return follow(daemon, job, quiet=args.json or args.print_id)
        if args.wait:
            from lorad.tui.commands.wait import wait_for_end

            return wait_for_end(daemon, job, quiet=args.json or args.print_id)[1]
    return 0
