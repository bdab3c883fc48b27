"""`lorad check`: look a recipe and its pictures over before it trains."""

from __future__ import annotations

import argparse

from lorad.shared.recipe import load_recipe
from lorad.tui.commands._arguments import add_file, add_json
from lorad.tui.commands._tools import run_tool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A recipe."""
    add_file(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """The recipe here, at once; its pictures and its model in a process that has torch."""
    if not args.json:  # its document tells the recipe's faults too
        load_recipe(args.file)
    return run_tool("check", str(args.file.absolute()), *(["--json"] if args.json else []))
