"""`lorad get`: bring a job's files here."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from lorad.shared.clean import clean_line
from lorad.shared.errors import NothingToGet
from lorad.shared.messages import FileInfo
from lorad.tui.commands._arguments import add_id, add_json, connect, print_document, say
from lorad.tui.fetching import Brought, Fetcher, chosen, list_files

MIB = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A job, where to, and which files."""
    add_id(parser)
    parser.add_argument(
        "folder", metavar="FOLDER", type=Path, nargs="?", help="where to; else ./NAME-ID"
    )
    parser.add_argument("--all", action="store_true", help="its checkpoints too")
    parser.add_argument(
        "--only", metavar="PATTERN", action="append", default=[], help="such as '*.safetensors'"
    )
    parser.add_argument("--force", action="store_true", help="also over files of yours")
    parser.add_argument("--list", action="store_true", help="only say what there is")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Its LoRA files, pictures and README; what is here already is not brought again."""
    with connect() as daemon:
        job = daemon.job(args.id)
        files = chosen(list_files(daemon, job.id), args.all, args.only)
        if args.list:
            _list(args, files)
            return 0
        if not files:
            raise NothingToGet(id=job.id)
        folder = args.folder or Path(f"{_plain(job.name)}-{job.id}")
        fetcher, counter = Fetcher(daemon, job.id, folder, force=args.force), _Counter(files)
        brought = []
        for file in files:
            brought.append(fetcher.fetch(file, counter.add))
            counter.clear()
            if not args.json:
                _tell(brought[-1])
    if args.json:
        told = [{"path": str(b.path), "size_bytes": b.size, "fresh": b.fresh} for b in brought]
        print_document(id=args.id, folder=str(folder), files=told)
    return 0


def _list(args: argparse.Namespace, files: list[FileInfo]) -> None:
    if args.json:
        told = [{"name": file.name, "size_bytes": file.size} for file in files]
        print_document(id=args.id, files=told)
        return
    for file in files:
        print(f"{file.size}\t{clean_line(file.name, 4096)}")


def _tell(file: Brought) -> None:
    """Paths to stdout, so that a script may go on with them."""
    print(clean_line(str(file.path), 4096), flush=True)
    if not file.fresh:
        say(f"{file.path} is here already.")


def _plain(name: str) -> str:
    """A job's name as a folder's."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-") or "job"


class _Counter:
    """How far it is, on a terminal."""

    def __init__(self, files: list[FileInfo]) -> None:
        self._total = sum(file.size for file in files)
        self._done = 0
        self._shown = sys.stderr.isatty()

    def add(self, size: int) -> None:
        self._done += size
        if self._shown:
            print(
                f"\r\x1b[K{self._done / MIB:.1f} of {self._total / MIB:.1f} MiB",
                end="",
                file=sys.stderr,
                flush=True,
            )

    def clear(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
