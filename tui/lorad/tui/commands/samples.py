"""`lorad samples`: the pictures that a run drew."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lorad.shared.clean import clean_line
from lorad.shared.messages import GetSamples, SampleJob, SamplePicture
from lorad.tui.commands import _json
from lorad.tui.commands._arguments import add_id, add_json, connect, print_document, say, title
from lorad.tui.commands._steer import arrange


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A job, and which pictures."""
    add_id(parser)
    parser.add_argument("--now", action="store_true", help="have it draw them after this step")
    parser.add_argument("--newest", action="store_true", help="only those of the newest step")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """List them; a terminal sees the newest, too."""
    if args.now:
        request = SampleJob(id=args.id)
        return arrange(args, [request], lambda job: f"{title(job)} draws them after this step.")
    with connect() as daemon:
        daemon.job(args.id)  # a wrong number is told
        pictures = daemon.ask(GetSamples(id=args.id, newest=args.newest)).pictures
    if args.json:
        print_document(id=args.id, pictures=[_json.picture_fields(one) for one in pictures])
    elif not pictures:
        say(f"Job {args.id} has drawn no pictures yet.")
    elif sys.stdout.isatty():
        from lorad.tui import render
        from lorad.tui.commands import _pictures

        print(render.columns([("STEP", "PROMPT", "PATH"), *map(_cells, pictures)]))
        _pictures.draw(_pictures.newest(pictures))
    else:
        print("\n".join("\t".join(_cells(one)) for one in pictures))
    return 0


def _cells(picture: SamplePicture) -> Sequence[str]:
    return str(picture.step), clean_line(picture.prompt, 60), clean_line(picture.path, 4096)
