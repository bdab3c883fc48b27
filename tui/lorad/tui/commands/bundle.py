"""`lorad bundle`: an archive for a question about lorad, without secrets."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from lorad.shared.clean import clean_line
from lorad.shared.client import Client
from lorad.shared.errors import DaemonError, RequestRefused, UnknownJob
from lorad.tui import bundling, places
from lorad.tui.commands._arguments import job_id, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to, and about which jobs."""
    parser.add_argument("file", metavar="FILE", nargs="?", type=Path, help="else lorad-DATE.tar.gz")
    parser.add_argument(
        "--job", metavar="ID", type=job_id, action="append", default=[], help="with what is of it"
    )
    parser.add_argument("--captions", action="store_true", help="with its prompts and captions")


def run(args: argparse.Namespace) -> int:
    """Gather, write, and say what is inside."""
    from lorad.tui.doctor.examining import examine

    where = places.place()
    path = args.file or Path(time.strftime("lorad-%Y%m%d-%H%M%S.tar.gz"))
    bundle = bundling.Bundle(captions=args.captions)
    bundling.collect(bundle, examine(where))
    home = places.local(where)
    if home is not None:
        bundling.collect_logs(bundle, home, args.job)
    try:
        with Client(where, name="lorad bundle") as daemon:
            bundling.collect_queue(bundle, daemon, args.job)
            if home is None:
                bundling.collect_far_logs(bundle, daemon, args.job)
            else:
                for id in args.job:
                    bundling.collect_manifests(bundle, daemon.job(id))
    except (UnknownJob, RequestRefused):
        raise  # a wrong number is a mistake to tell now
    except DaemonError as error:
        bundle.left_out.append(f"the queue: {error}")
    bundling.write(bundle, path)
    print(f"{clean_line(str(path))} ({path.stat().st_size} bytes, for you alone) has")
    for name in sorted(bundle.files):
        print(f"  {clean_line(name)}")
    for why in bundle.left_out:
        say(f"Left out: {why}")
    inside = "Prompts and captions are in it." if args.captions else "No captions, no prompts."
    print(f"No weights, no pictures. {inside} Tokens are replaced by ***.")
    return 0
