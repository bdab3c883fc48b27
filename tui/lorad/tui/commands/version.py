"""`lorad version`: which lorad this is."""

from __future__ import annotations

import argparse
from importlib.metadata import version

from lorad.shared.messages import PROTOCOL
from lorad.tui.commands._arguments import add_json, print_document


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing but the form."""
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print it."""
    if args.json:
        print_document(version=version("lorad"), protocol=PROTOCOL)
    else:
        print(f"lorad {version('lorad')}")
    return 0
