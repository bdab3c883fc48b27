"""Arguments that several verbs take, and what they share in writing."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

from lorad.shared.clean import clean, clean_line
from lorad.shared.client import Client
from lorad.shared.jobs import Job
from lorad.tui.commands import _json
from lorad.tui.places import place

COMPLETE_FILES = {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}
"""What shtab.FILE is, without importing shtab for every verb."""

REASON_LIMIT = 600


def job_id(text: str) -> int:
    """A job's number."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**63):
        raise argparse.ArgumentTypeError(
            f"`{text}` is no job number. `lorad status` lists the jobs."
        )
    return int(text)


def integer(text: str) -> int:
    """A whole number, with its sign."""
    try:
        value = int(text)
    except ValueError:
        value = 2**63
    if not -(2**63) < value < 2**63:
        raise argparse.ArgumentTypeError(f"`{text}` is no whole number.")
    return value


def count(text: str) -> int:
    """A whole number from 1 on."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**63):
        raise argparse.ArgumentTypeError(f"`{text}` is no whole number from 1 on.")
    return int(text)


def number(text: str) -> float:
    """A finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"`{text}` is no number.")
    return value


def add_id(parser: argparse.ArgumentParser) -> None:
    """One job."""
    parser.add_argument("id", metavar="ID", type=job_id, help="the job's number")


def add_ids(parser: argparse.ArgumentParser, or_all: str = "") -> None:
    """One job or more; `or_all` says whom `--all` means, where there is such an option."""
    if not or_all:
        parser.add_argument("ids", metavar="ID", type=job_id, nargs="+", help="a job's number")
        return
    parser.add_argument("ids", metavar="ID", type=_not_all, nargs="*", help="a job's number")
    parser.add_argument("--all", action="store_true", help=or_all)
    parser.set_defaults(usage_error=parser.error)


def _not_all(text: str) -> int:
    if text.lower() == "all":
        raise argparse.ArgumentTypeError(f"`{text}` is no job number. `--all` means all of them.")
    return job_id(text)


def change(text: str) -> tuple[str, str]:
    """A key and its value."""
    key, sign, value = text.partition("=")
    if not (sign and key.strip() and value.strip()):
        raise argparse.ArgumentTypeError(f"`{text}` is no KEY=VALUE, such as learning_rate=5e-5.")
    return key.strip(), value.strip()


def add_changes(parser: argparse.ArgumentParser, *, least: str, help: str) -> None:
    """Keys with values; `least` is `+` or `*`."""
    parser.add_argument("changes", metavar="KEY=VALUE", type=change, nargs=least, help=help)
    parser.set_defaults(usage_error=parser.error)


def changes_of(args: argparse.Namespace) -> dict[str, str]:
    """The keys and their values, each key once."""
    changes: dict[str, str] = dict(args.changes)
    if len(changes) < len(args.changes):
        args.usage_error("say each key once")
    return changes


def add_file(parser: argparse.ArgumentParser) -> None:
    """A recipe's file."""
    action = parser.add_argument("file", metavar="FILE", type=Path, help="the recipe")
    action.complete = COMPLETE_FILES  # type: ignore[attr-defined]  # shtab looks for it


def add_json(parser: argparse._ActionsContainer) -> None:
    """The documented JSON."""
    parser.add_argument("--json", action="store_true", help="print JSON, see docs/cli-json.md")


def connect(*, start: bool = False) -> Client:
    """A conversation with the daemon; nothing is sent yet. `start`: begin one on another box."""
    return Client(place(start=start), name="lorad")


def say(text: str) -> None:
    """To the person, not to the data: stderr."""
    print(clean(text), file=sys.stderr)


def print_document(*, indent: int | None = 2, flush: bool = False, **fields: Any) -> None:
    """JSON to stdout."""
    print(_json.document(indent=indent, **fields), flush=flush)


def title(job: Job) -> str:
    """How sentences call a job."""
    return f"Job {job.id} ({clean_line(job.name)})"


def ending(job: Job) -> str:
    """How a job ended, in a sentence."""
    words = {"done": "is done", "failed": "failed", "cancelled": "was cancelled"}
    why = clean_line(job.reason, REASON_LIMIT)
    how = words.get(job.state, "was removed")
    return f"{title(job)} {how}" + (f": {why}" if why else ".")
