"""`lorad rm`: forget jobs; their output folders stay."""

from __future__ import annotations

import argparse

from lorad.shared.errors import LoradError
from lorad.shared.messages import RemoveJob
from lorad.tui.cli import complain
from lorad.tui.commands._arguments import add_ids, add_json, connect, print_document


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One job or more."""
    add_ids(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Forget each; one that cannot be forgotten keeps none from the rest."""
    code, removed = 0, []
    with connect() as daemon:
        for job_id in args.ids:
            try:
                daemon.ask(RemoveJob(id=job_id))
                removed.append(job_id)
            except LoradError as error:
                complain(str(error))
                code = max(code, error.exit_code)
    if args.json:
        print_document(removed=removed)
    else:
        for job_id in removed:
            print(f"Job {job_id} is forgotten; its files stay.")
    return code
