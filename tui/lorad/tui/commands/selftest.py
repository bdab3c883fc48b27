"""`lorad selftest`: kill runs on this box, and see that nothing comes of it."""

from __future__ import annotations

import argparse

from lorad.tui.commands import _arguments
from lorad.tui.commands._tools import run_tool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How often, and by which chance."""
    parser.add_argument(
        "--kill", metavar="N", type=_arguments.count, default=20, help="how often (default 20)"
    )
    parser.add_argument(
        "--seed", metavar="N", type=_arguments.count, default=1, help="of the chance"
    )
    _arguments.add_json(parser)


def run(args: argparse.Namespace) -> int:
    """In a process that has torch, with a daemon and a folder of its own."""
    options = [f"--kill={args.kill}", f"--seed={args.seed}"]
    return run_tool("selftest", *options, *(["--json"] if args.json else []))
