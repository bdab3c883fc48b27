"""`lorad gpu`: the cards, who computes on them, and the box."""

from __future__ import annotations

import argparse

import msgspec

from lorad.shared.messages import GetStatus
from lorad.tui.commands._arguments import add_json, connect, print_document


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing but the form."""
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Ask and print."""
    with connect() as daemon:
        status = daemon.ask(GetStatus())
    if args.json:
        told = {"gpus": status.gpus, "host": status.host}
        print_document(**msgspec.to_builtins(told))
    else:
        from lorad.tui import render

        print(render.plain_machine(status))
    return 0
