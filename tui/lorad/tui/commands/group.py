"""`lorad group`: jobs that share slots and cards."""

from __future__ import annotations

import argparse

from lorad.shared.clean import clean_line
from lorad.shared.messages import (
    AddGroup,
    GetStatus,
    GroupRequest,
    PauseGroup,
    RemoveGroup,
    ResumeGroup,
    SetGroup,
)
from lorad.tui.commands import _json
from lorad.tui.commands._arguments import add_json, connect, print_document
from lorad.tui.commands._terms import add_gpus, from_zero

VERBS = {
    "add": "make a group",
    "set": "change its slots, its cards, or what a failure does",
    "rm": "forget a group without jobs",
    "pause": "start none of its jobs; those that run go on",
    "resume": "start its jobs again",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A verb of its own; none lists the groups."""
    add_json(parser)
    parser.epilog = "Without a VERB: the groups, their slots and how many jobs take them."
    parser.set_defaults(usage_error=parser.error)
    verbs = parser.add_subparsers(dest="what", metavar="VERB")
    for name, text in VERBS.items():
        told = f"{text[:1].upper()}{text[1:]}."
        verb = verbs.add_parser(name, allow_abbrev=False, help=text, description=told)
        verb.add_argument("name", metavar="GROUP", help="its name; `default` is always there")
        # Not set here, or it would undo the one that is said before the verb.
        verb.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON"
        )
        if name in ("add", "set"):
            _add_shape(verb)


def _add_shape(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--slots", metavar="N", type=from_zero,
        help="how many of its jobs run at once; 0: as many as there are cards;"
        " more than it has cards: they share them",
    )  # fmt: skip
    add_gpus(verb, "its cards: 0,1, or UUIDs; `any`: all there are")
    verb.add_argument(
        "--on-failure", choices=("continue", "stop"), help="stop: a failed job pauses the group"
    )


def run(args: argparse.Namespace) -> int:
    """Ask, and say how it is now."""
    from lorad.tui import render

    with connect() as daemon:
        if args.what is not None:
            daemon.ask(_request(args))
        status = daemon.ask(GetStatus())
    if args.json:
        print_document(**_json.groups_fields(status))
    elif args.what is None:
        print(render.plain_groups(status))
    elif args.what == "rm":
        print(f"Group {clean_line(args.name)} is forgotten.")
    else:
        group = next(group for group in status.groups if group.name == args.name)
        line = render.group_line(group, status)
        print(f"{line[:1].upper()}{line[1:]}.")
    return 0


def _request(args: argparse.Namespace) -> GroupRequest:
    match args.what:
        case "rm":
            return RemoveGroup(name=args.name)
        case "pause":
            return PauseGroup(name=args.name)
        case "resume":
            return ResumeGroup(name=args.name)
    told = {
        "slots": args.slots,
        "gpus": None if args.gpus is None else tuple(args.gpus),
        "on_failure": args.on_failure,
    }
    shape = {name: value for name, value in told.items() if value is not None}
    if args.what == "add":
        return AddGroup(name=args.name, **shape)
    if not shape:
        args.usage_error("say what to change, such as --slots")
    return SetGroup(name=args.name, **shape)
