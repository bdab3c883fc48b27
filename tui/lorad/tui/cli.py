"""The `lorad` command: finds the verb, runs it, and turns every error into one sentence."""

from __future__ import annotations

import argparse
import difflib
import importlib
import keyword
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, Protocol, cast

from lorad.shared.clean import clean, clean_line
from lorad.shared.errors import HostUnnamed, LoradError, NotOverHost, Unforeseen
from lorad.tui import places
from lorad.tui.commands import ALIASES, VERBS

LOCAL = ("demo", "check", "generate", "install", "key", "lora", "selftest")
"""Verbs that work on files and cards of the machine where they are called."""
USAGE = 2
INTERRUPTED = 130

HEAD = """\
lorad: LoRA fine-tuning of Stable Diffusion, with a queue and a live dashboard

  lorad                     open the dashboard; in a pipe, print the status
  lorad RECIPE.toml         queue a recipe
  lorad VERB --help         all that a verb takes
"""

FOOT = """\
Other tools' words work too: ps, logs, start, stop, kill, remove, attach,
duplicate.
Exit codes: 0 fine, 1 the job or operation failed, 2 usage, recipe or unknown
            job, 3 no daemon to reach, 130 interrupted.
Every reading verb takes --json. LORAD_HOME moves the daemon's folder.
`lorad --host [USER@]BOX VERB` does it on another box, through ssh; so does
LORAD_HOST.
"""


class Command(Protocol):
    """What a module in `commands` has."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Say what the verb takes."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; the exit code."""


class Parser(argparse.ArgumentParser):
    """argparse, with mistakes told as sentences."""

    def error(self, message: str) -> NoReturn:
        """One sentence, where to read more, exit code 2."""
        known = [option for action in self._actions for option in action.option_strings]
        complain(f"{_sentence(message, known)} See `{self.prog} --help`.")
        raise SystemExit(USAGE)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    _prepare_streams()
    try:
        code = dispatch(words)
        sys.stdout.flush()
        return code
    except LoradError as error:
        complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return 0
    except OSError as error:
        if error.filename is None:
            _forget_stdout()
        return _unexpected(error)
    except Exception as error:
        return _unexpected(error)


def _forget_stdout() -> None:
    """Python would complain once more when it flushes what it could not write at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _prepare_streams() -> None:
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell: what is meant for one must not go to the other
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - for life
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a dash must not break a latin-1 terminal


def dispatch(words: list[str]) -> int:
    """Find the verb and run it."""
    words = _take_hosts(words)
    if not words:
        words = ["dashboard"] if sys.stdin.isatty() and sys.stdout.isatty() else ["status"]
    name, rest = words[0], words[1:]
    if name in ("help", "--help", "-h"):
        if not rest:
            print(help_text(), end="")
            return 0
        name, rest = rest[0], ["--help"]
    elif name in ("--version", "-V"):
        name = "version"
    elif name == "--readonly":
        name, rest = "dashboard", words
    if name in ALIASES:
        name, *more = ALIASES[name]
        rest = [*more, *rest]
    if name in VERBS:
        if name in LOCAL and places.host() and "--help" not in rest:
            raise NotOverHost(verb=name, host=clean_line(places.host()))
        return run_verb(name, rest)
    if name.endswith(".toml") or (os.sep in name and Path(name).is_file()):
        return run_verb("add", words)
    return _unknown(name)


def _take_hosts(words: list[str]) -> list[str]:
    """Without the `--host`s before the verb: one is what LORAD_HOST says, several a dashboard."""
    hosts = []
    while words and (words[0] == "--host" or words[0].startswith("--host=")):
        word, *words = words
        if word != "--host":
            hosts.append(word.removeprefix("--host="))
        elif words:
            hosts.append(words.pop(0))
        else:
            hosts.append("")
        if not hosts[-1] or hosts[-1].startswith("-"):
            raise HostUnnamed(host=clean_line(hosts[-1]))
    if len(hosts) == 1:
        os.environ[places.VARIABLE] = hosts[0]
    elif hosts:
        options = [word for host in hosts for word in ("--host", host)]
        return ["dashboard", *options, *(words[1:] if words[:1] == ["dashboard"] else words)]
    return words


def run_verb(name: str, rest: list[str]) -> int:
    """Run one verb."""
    command = load(name)
    parser = Parser(prog=f"lorad {name}", description=f"{_capital(VERBS[name].help)}.")
    parser.allow_abbrev = False  # a script's abbreviation would break when an option is added
    command.add_arguments(parser)
    return command.run(parser.parse_args(rest))


def load(name: str) -> Command:
    """A verb's module."""
    module = f"{name}_" if keyword.iskeyword(name) else name
    return cast(Command, importlib.import_module(f"lorad.tui.commands.{module}"))


def whole_parser() -> argparse.ArgumentParser:
    """All verbs in one parser, for completions: it imports every verb, so it is slow."""
    parser = Parser(prog="lorad", description=HEAD.splitlines()[0])
    verbs = parser.add_subparsers(metavar="VERB")
    for name, verb in VERBS.items():
        load(name).add_arguments(verbs.add_parser(name, help=verb.help))
    for alias, (name, *_) in ALIASES.items():
        load(name).add_arguments(verbs.add_parser(alias, help=VERBS[name].help))
    return parser


def help_text() -> str:
    """What `lorad --help` prints."""
    lines, group = [HEAD], ""
    width = max(len(f"{name} {verb.usage}") for name, verb in VERBS.items())
    for name, verb in VERBS.items():
        if verb.group != group:
            lines.append(f"{chr(10) if group else ''}{verb.group}")
            group = verb.group
        lines.append(f"  {f'{name} {verb.usage}':<{width + 2}}{verb.help}")
    return "\n".join([*lines, "", FOOT])


def complain(sentence: str) -> None:
    """A sentence on stderr; names and paths in it cannot steer the terminal."""
    print(f"lorad: {clean(sentence)}", file=sys.stderr)


def _unknown(word: str) -> int:
    close = difflib.get_close_matches(word, [*VERBS, *ALIASES], n=1, cutoff=0.6)
    hint = f"Did you mean `lorad {close[0]}`?" if close else "`lorad --help` lists the verbs."
    complain(f"There is no verb `{clean_line(word)}`. {hint}")
    return USAGE


def _unexpected(error: Exception) -> int:
    """What nobody foresaw, in one line; the traceback is there for whoever asks."""
    if os.environ.get("LORAD_TRACEBACK"):
        raise error
    if isinstance(error, OSError) and error.strerror:
        what = "The output" if error.filename is None else os.fsdecode(error.filename)
        complain(f"{what} cannot be used: {error.strerror}.")
        return 1
    what = f"{type(error).__name__}: {clean_line(str(error))}"
    complain(str(Unforeseen(what=what)))
    return 1


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# What argparse says, and how people would say it.
SENTENCES = (
    # The verbs' own types speak in sentences already: commands/_arguments.py.
    (r"argument [^:]+: (`.*)", r"\1"),
    (r"argument ([^:/]+)[^:]*: expected (?:at least )?one argument", r"`\1` needs a value."),
    (r"argument .*: invalid choice: '(.*)' \(choose from (.*)\)", r"`\1` is none of \2."),
    (r"argument ([^:/]+)[^:]*: not allowed with argument ([^:/]+).*", r"Say \1 or \2, not both."),
    (r"the following arguments are required: (.*)", r"\1 is missing."),
    (r"unrecognized arguments: (\S+).*", r"`\1` means nothing here."),
)


def _sentence(message: str, known: Sequence[str]) -> str:
    """A complaint of argparse as a sentence; an unknown option with the nearest known one."""
    for pattern, sentence in SENTENCES:
        if found := re.fullmatch(pattern, message, re.DOTALL):
            hint = ""
            if message.startswith("unrecognized"):
                close = difflib.get_close_matches(found[1], known, n=1)
                hint = f" Did you mean `{close[0]}`?" if close else ""
            return found.expand(sentence) + hint
    return f"{_capital(message)}."
