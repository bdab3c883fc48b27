"""`lorad key`: your key, and who may reach the daemon here over the network."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from lorad.shared import keys
from lorad.shared.clean import clean_line
from lorad.shared.config import load_config
from lorad.shared.endpoints import find_home
from lorad.tui.commands._arguments import add_json, print_document

VERBS = {
    "allow": "let a key in; a name that is there gets this key and right instead",
    "list": "who may connect, and what they may do",
    "remove": "let a key in no more; who is connected with it is cut off",
    "server": "the daemon's own key, which the others need",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A verb of its own; none shows your key."""
    add_json(parser)
    parser.epilog = (
        "Without a VERB: the public half of your key, made when there is none. The daemon"
        " listens on the network only with `lorad config daemon.listen=tcp://HOST:PORT`."
    )
    parser.set_defaults(usage_error=parser.error)
    verbs = parser.add_subparsers(dest="what", metavar="VERB")
    for name, text in VERBS.items():
        told = f"{text[:1].upper()}{text[1:]}."
        verb = verbs.add_parser(name, allow_abbrev=False, help=text, description=told)
        # Not set here, or it would undo the one that is said before the verb.
        verb.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON"
        )
        if name in ("allow", "remove"):
            verb.add_argument("name", metavar="NAME", help="what the list and the history call it")
        if name == "allow":
            verb.add_argument("key", metavar="KEY", help="what `lorad key` shows over there")
            right = verb.add_mutually_exclusive_group()
            right.add_argument("--watch", action="store_true", help="ask and listen (the default)")
            right.add_argument(
                "--steer", action="store_true",
                help="all else too: whoever adds a job runs programs as you",
            )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Read or write the files: no daemon is asked, and a running one looks at them itself."""
    told, sentence = {None: _own, "server": _server}.get(args.what, _list)(args)
    if args.json:
        print_document(**told)
    else:
        print(sentence)
    return 0


def _own(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    path = keys.client_path()
    pair = keys.own_pair(path)
    return {"key": pair.public, "path": str(path)}, pair.public


def _server(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    home = find_home()
    home.make()
    pair = keys.own_pair(keys.server_path(home))
    listen = load_config().daemon.listen
    return {"key": pair.public, "listen": listen or None}, pair.public


def _list(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """The list, after what was to be done with it."""
    home = find_home()
    path = keys.allowed_path(home)
    sentence = ""
    if args.what == "allow":
        home.make()
        one = keys.allow(path, args.name, args.key, "steer" if args.steer else "watch")
        sentence = f"{clean_line(args.name)} may {one.right}."
    elif args.what == "remove":
        keys.remove(path, args.name)
        sentence = f"{clean_line(args.name)} may connect no more."
    known = keys.read_allowed(path)
    lines = [f"{name:<24} {one.right:<6} {one.key}" for name, one in sorted(known.items())]
    if not sentence:
        sentence = "\n".join(lines) or "No key may connect over the network."
    told = [{"name": name, **msgspec.to_builtins(one)} for name, one in sorted(known.items())]
    return {"keys": told}, sentence
