"""`lorad install`: the daemon as a service of the user's own systemd."""

from __future__ import annotations

import argparse
import contextlib
import getpass
import subprocess

from lorad.shared.clean import clean_line
from lorad.shared.endpoints import find_home
from lorad.shared.errors import LoradError, NoUserManager
from lorad.tui import unit
from lorad.tui.commands._arguments import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """In, out, or only shown."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--remove", action="store_true", help="take the service away; runs go on")
    what.add_argument("--print", action="store_true", help="print the unit, change nothing")


def run(args: argparse.Namespace) -> int:
    """Do it, and say what is left to do."""
    if args.print:
        print(unit.unit_text(), end="")
        return 0
    if args.remove:
        return _remove()
    unit.systemctl("show-environment")
    path = unit.unit_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(unit.unit_text())
    unit.systemctl("daemon-reload")
    unit.systemctl("enable", unit.NAME)
    print(f"{clean_line(str(path))} is written: the daemon starts when you log in.")
    if find_home().daemon_pid() is None:
        unit.systemctl("start", unit.NAME)
        print("It is up. `systemctl --user status lorad` shows it, and `lorad` the dashboard.")
    else:
        say("A daemon runs already. `lorad down`, then `lorad up`, gives it to systemd.")
    _tell_of_linger()
    return 0


def _tell_of_linger() -> None:
    try:
        user = getpass.getuser()
        command = ["loginctl", "show-user", user, "--property=Linger", "--value"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=5.0)
        lingers = done.stdout.strip() == "yes"
    except (OSError, KeyError, subprocess.TimeoutExpired):
        user, lingers = "YOU", False
    if not lingers:
        say(
            "Lingering is off: systemd ends the service when you log out, and does not start it"
            f" at boot. `loginctl enable-linger {clean_line(user, 60)}` turns it on."
        )


def _remove() -> int:
    path = unit.unit_path()
    if not path.exists():
        say("There is no service to remove.")
        return 0
    try:
        unit.systemctl("disable", "--now", unit.NAME)
    except NoUserManager as error:
        say(str(error))  # then nothing runs by it either
    path.unlink()
    with contextlib.suppress(LoradError):  # the next manager finds it gone
        unit.systemctl("daemon-reload")
    print(f"{clean_line(str(path))} is gone. Runs train on; `lorad up` starts a daemon for them.")
    return 0
