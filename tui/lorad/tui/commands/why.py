"""`lorad why`: one sentence on why a job waits, or what it does."""

from __future__ import annotations

import argparse

from lorad.shared.clean import clean
from lorad.shared.messages import WhyJob
from lorad.tui.commands._arguments import add_id, add_json, connect, print_document


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A job."""
    add_id(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Ask and print."""
    with connect() as daemon:
        sentence = daemon.ask(WhyJob(id=args.id)).sentence
    if args.json:
        print_document(id=args.id, sentence=sentence)
    else:
        print(clean(sentence))
    return 0
