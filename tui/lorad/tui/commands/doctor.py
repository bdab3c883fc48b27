"""`lorad doctor`: looks over all that lorad stands on, and says what to do about what is wrong."""

from __future__ import annotations

import argparse

from lorad.tui.commands._arguments import add_json, print_document
from lorad.tui.places import place


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing but the form."""
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Look and tell; 1 when something is wrong."""
    from lorad.tui.doctor.examining import examine
    from lorad.tui.doctor.lines import summary, told

    lines = examine(place())
    if args.json:
        print_document(checks=[line._asdict() for line in lines], summary=summary(lines))
    else:
        print(told(lines))
    return 1 if any(line.verdict == "wrong" for line in lines) else 0
