"""`lorad demo`: train the shipped example, from nothing to pictures."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from lorad.shared import shipped
from lorad.shared.endpoints import find_home
from lorad.shared.errors import NameTaken
from lorad.shared.jobs import Ended
from lorad.shared.messages import AddJob
from lorad.shared.recipe import load_recipe
from lorad.tui.commands._arguments import connect, say, title
from lorad.tui.commands._follow import conclude, follow
from lorad.tui.commands._tools import require_training
from lorad.tui.daemon_process import ensure_daemon


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where."""
    parser.add_argument(
        "--here", metavar="DIR", type=Path, default=Path("lorad-demo"), help="its folder"
    )
    parser.add_argument(
        "--no-dashboard", action="store_true", help="a progress bar even in a terminal"
    )


def run(args: argparse.Namespace) -> int:
    """Copy it, queue it, show it."""
    require_training()
    recipe = copy_demo(args.here)
    ensure_daemon(find_home())
    _, text = load_recipe(recipe)
    with connect() as daemon:
        job = daemon.ask(AddJob(recipe=text, folder=str(recipe.parent.resolve()))).job
        say(f"{title(job)} is queued from {recipe}.")
        if args.no_dashboard or not (sys.stdin.isatty() and sys.stdout.isatty()):
            return follow(daemon, job)
        from lorad.tui.commands.dashboard import open_dashboard

        code = open_dashboard(job.id)
        job = daemon.job(job.id)
        if isinstance(job.status, Ended):
            return code or conclude(job)
    say(f"{title(job)} goes on. `lorad` shows it again.")
    return code


def copy_demo(folder: Path) -> Path:
    """The demo's recipe in a folder; what is there already is used as it is.

    Raises:
        NameTaken: there is something else of the demo's names.
    """
    recipe = folder / "demo.toml"
    if not recipe.exists():
        if (folder / "pictures").exists():
            raise NameTaken(path=folder / "pictures")
        shutil.copytree(shipped.DEMO, folder, dirs_exist_ok=True)
    return recipe
