"""`lorad set`: change some of jobs' recipes, also while they run."""

from __future__ import annotations

import argparse
from collections.abc import Collection

from lorad.shared.clean import clean_line
from lorad.shared.jobs import Done, Ended, Job
from lorad.shared.messages import SetJob
from lorad.shared.recipe.changes import is_late
from lorad.tui.commands._arguments import add_json, change, changes_of, job_id, title
from lorad.tui.commands._steer import arrange


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Jobs, and keys with their new values."""
    parser.add_argument(
        "words",
        metavar="ID... KEY=VALUE",
        type=word,
        nargs="+",
        help="jobs, and keys as in the recipe: learning_rate=5e-5, 'sample.prompts=[\"a cat\"]'",
    )
    add_json(parser)
    parser.set_defaults(usage_error=parser.error)


def word(text: str) -> int | tuple[str, str]:
    """A job's number, or a key and its value."""
    return job_id(text) if text.isdigit() else change(text)


def run(args: argparse.Namespace) -> int:
    """Ask for it."""
    ids = list(dict.fromkeys(said for said in args.words if isinstance(said, int)))
    args.changes = [said for said in args.words if not isinstance(said, int)]
    if not (ids and args.changes):
        args.usage_error("say the numbers of jobs and KEY=VALUE")
    changes = changes_of(args)
    told = clean_line(", ".join(f"{key} = {value}" for key, value in changes.items()), 500)

    def sentence(job: Job) -> str:
        if isinstance(job.status, Done):
            return f"{title(job)} has {told} once `lorad restart {job.id}` begins it anew."
        if isinstance(job.status, Ended):
            return f"{title(job)} has {told} when it starts again."
        return f"{title(job)} has {told}{when(changes) if job.process else ''}."

    return arrange(args, [SetJob(id=job_id, changes=changes) for job_id in ids], sentence)


def when(keys: Collection[str]) -> str:
    """From when on these hold in a run that is at work; some are read at its start alone."""
    late = [key for key in keys if is_late(key)]
    if len(late) == len(keys):
        return " when it starts again"
    rest = f"; {clean_line(', '.join(late))} when it starts again" if late else ""
    return f" from the next step on{rest}"
