"""`lorad set`: change some of a job's recipe, also while it runs."""

from __future__ import annotations

import argparse
from collections.abc import Collection

from lorad.shared.clean import clean_line
from lorad.shared.jobs import Job
from lorad.shared.messages import SetJob
from lorad.shared.recipe.changes import is_late
from lorad.tui.commands._arguments import add_id, add_json, title
from lorad.tui.commands._steer import arrange


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A job, and keys with their new values."""
    add_id(parser)
    parser.add_argument(
        "changes",
        metavar="KEY=VALUE",
        type=change,
        nargs="+",
        help='as in the recipe: learning_rate=5e-5, \'sample.prompts=["a cat", "a dog"]\'',
    )
    add_json(parser)
    parser.set_defaults(usage_error=parser.error)


def change(text: str) -> tuple[str, str]:
    """A key and its value."""
    key, sign, value = text.partition("=")
    if not (sign and key.strip() and value.strip()):
        raise argparse.ArgumentTypeError(f"`{text}` is no KEY=VALUE, such as learning_rate=5e-5.")
    return key.strip(), value.strip()


def run(args: argparse.Namespace) -> int:
    """Ask for it."""
    changes = dict(args.changes)
    if len(changes) < len(args.changes):
        args.usage_error("say each key once")
    told = clean_line(", ".join(f"{key} = {value}" for key, value in changes.items()), 500)

    def sentence(job: Job) -> str:
        return f"{title(job)} has {told}{when(changes) if job.process else ''}."

    return arrange(args, SetJob(id=args.id, changes=changes), sentence)


def when(keys: Collection[str]) -> str:
    """From when on these hold in a run that is at work; some are read at its start alone."""
    late = [key for key in keys if is_late(key)]
    if len(late) == len(keys):
        return " when it starts again"
    rest = f"; {clean_line(', '.join(late))} when it starts again" if late else ""
    return f" from the next step on{rest}"
