"""`lorad health`: how the daemon itself is."""

from __future__ import annotations

import argparse

import msgspec

from lorad.shared.messages import GetHealth
from lorad.tui.commands._arguments import add_json, connect, print_document


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing but the form."""
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Ask and print."""
    with connect() as daemon:
        health = daemon.ask(GetHealth())
    if args.json:
        fields = msgspec.to_builtins(health)
        del fields["type"]  # the message's own name
        print_document(**fields)
    else:
        from lorad.tui import render

        print(render.plain_health(health))
    return 0
