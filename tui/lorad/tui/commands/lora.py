"""`lorad lora`: what is done with a LoRA file after it was trained."""

from __future__ import annotations

import argparse
from pathlib import Path

from lorad.shared.errors import NoOutput, NotPushed
from lorad.shared.jobs import LORA_FILE
from lorad.tui.commands import _arguments
from lorad.tui.commands._tools import run_tool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A verb of its own, each with a file or a job."""
    verbs = parser.add_subparsers(dest="what", metavar="VERB", required=True)
    convert = verbs.add_parser(
        "convert", allow_abbrev=False, help="write the file with diffusers' or kohya's keys"
    )
    _add_path(convert, "file", "IN", "a LoRA file")
    convert.add_argument(
        "--to", choices=("kohya", "diffusers"), help="the keys to write; none: the other ones"
    )
    convert.add_argument("--out", metavar="FILE", type=Path, help="the file to write")
    merge = verbs.add_parser("merge", allow_abbrev=False, help="make one model of base and LoRA")
    _add_path(merge, "file", "FILE", "a LoRA file")
    merge.add_argument(
        "--base", metavar="BASE", required=True, help="the model, as `model.base` names it"
    )
    merge.add_argument(
        "--out", metavar="FOLDER", type=Path, required=True, help="the folder to make"
    )
    merge.add_argument(
        "--scale", metavar="S", type=_arguments.number, default=1.0, help="the LoRA's strength"
    )
    push = verbs.add_parser(
        "push", allow_abbrev=False, help="upload LoRA, card and samples to the hub"
    )
    push.add_argument("source", metavar="ID|FOLDER", help="a job's number, or its output folder")
    push.add_argument("repo", metavar="REPO", help="`user/name` on the hub")
    push.add_argument("--private", action="store_true", help="if it is made anew, for you alone")


def run(args: argparse.Namespace) -> int:
    """In a process that has torch."""
    if args.what == "convert":
        wanted = {"to": args.to, "out": args.out}
        options = [f"--{name}={value}" for name, value in wanted.items() if value is not None]
        return run_tool("convert", f"--file={args.file}", *options)
    if args.what == "merge":
        named = {name: getattr(args, name) for name in ("file", "base", "out", "scale")}
        return run_tool("merge", *(f"--{name}={value}" for name, value in named.items()))
    private = ["--private"] if args.private else []
    return run_tool("push", f"--folder={_folder(args)}", f"--repo={args.repo}", *private)


def _folder(args: argparse.Namespace) -> Path:
    """A folder as it is; a number is a job's.

    Raises:
        NoOutput: the job has written nothing yet.
        NotPushed: there is no such folder.
    """
    folder = Path(args.source)
    if args.source.isascii() and args.source.isdigit():
        with _arguments.connect() as daemon:
            job = daemon.job(_arguments.job_id(args.source))
        folder = Path(job.folder)
        if not (folder / LORA_FILE).is_file():
            raise NoOutput(id=job.id)
    elif not folder.is_dir():
        raise NotPushed(repo=args.repo, why=f"there is no folder {folder}")
    return folder


def _add_path(parser: argparse.ArgumentParser, name: str, shown: str, text: str) -> None:
    action = parser.add_argument(name, metavar=shown, type=Path, help=text)
    action.complete = _arguments.COMPLETE_FILES  # type: ignore[attr-defined]  # shtab looks for it
