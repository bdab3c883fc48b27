"""`lorad samples`: the pictures that a run drew."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence

from lorad.shared.clean import clean_line
from lorad.shared.client import Client
from lorad.shared.errors import RequestRefused
from lorad.shared.messages import GetPicture, GetSamples, Picture, SampleJob, SamplePicture
from lorad.tui.commands import _json
from lorad.tui.commands._arguments import (
    add_id,
    add_json,
    connect,
    integer,
    print_document,
    say,
    title,
)
from lorad.tui.commands._steer import arrange


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A job, and which pictures."""
    add_id(parser)
    parser.add_argument("--now", action="store_true", help="have it draw them after this step")
    parser.add_argument("--newest", action="store_true", help="only those of the newest step")
    parser.add_argument(
        "--step", metavar="N", type=integer, action="append",
        help="only those of this step; said twice, both; 0 is the base model",
    )  # fmt: skip
    parser.add_argument(
        "--prompt", metavar="N", type=integer, action="append",
        help="only this prompt; 0 is the first, as in the files' names",
    )  # fmt: skip
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """List them; a terminal sees the newest, too."""
    if args.now:
        request = SampleJob(id=args.id)
        return arrange(args, [request], lambda job: f"{title(job)} draws them after this step.")
    with connect() as daemon:
        daemon.job(args.id)  # a wrong number is told
        pictures = daemon.ask(GetSamples(id=args.id, newest=args.newest)).pictures
        pictures = [one for one in pictures if _wanted(args, one)]
        alone = sys.stdout.isatty() and not args.json and len(pictures) == 1
        large = _sharpened(daemon, args.id, pictures[0]) if alone else None
    if args.json:
        print_document(id=args.id, pictures=[_json.picture_fields(one) for one in pictures])
    elif not pictures:
        chosen = args.step is not None or args.prompt is not None
        say(f"Job {args.id} has drawn no {'such picture' if chosen else 'pictures yet'}.")
    elif sys.stdout.isatty():
        from lorad.tui import render
        from lorad.tui.commands import _pictures

        print(render.columns([("STEP", "PROMPT", "PATH"), *map(_cells, pictures)]))
        if large is not None:
            _pictures.draw_large(large, pictures[0].prompt)
        else:
            _pictures.draw(pictures if args.step else _pictures.newest(pictures))
    else:
        print("\n".join("\t".join(_cells(one)) for one in pictures))
    return 0


def _wanted(args: argparse.Namespace, picture: SamplePicture) -> bool:
    step = args.step is None or picture.step in args.step
    return step and (args.prompt is None or picture.index in args.prompt)


def _sharpened(daemon: Client, id: int, picture: SamplePicture) -> Picture | None:
    """As many pixels as the terminal has half cells; none where there is only the thumbnail."""
    columns, lines = shutil.get_terminal_size()
    height = max(1, lines - 4) * 2
    wanted = GetPicture(id=id, step=picture.step, index=picture.index, width=columns, height=height)
    try:
        return daemon.ask(wanted)
    except RequestRefused as refused:
        say(str(refused))
        return None


def _cells(picture: SamplePicture) -> Sequence[str]:
    return str(picture.step), clean_line(picture.prompt, 60), clean_line(picture.path, 4096)
