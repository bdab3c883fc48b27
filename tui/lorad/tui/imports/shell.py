"""A command line, or a shell script that holds one, taken to its words.

Of a shell it knows what such scripts use: comments, continued lines, quotes, and variables that the
script itself sets. Nothing is run and no variable of this process is read.
"""

from __future__ import annotations

import re
import shlex
from pathlib import PurePosixPath, PureWindowsPath
from typing import NamedTuple

from lorad.shared.errors import CannotImport
from lorad.tui.imports.draft import Draft

# What a line is made of, as far as quotes go. A backslash, a caret (cmd) or a backtick
# (PowerShell) at the end continues a line.
_PIECES = re.compile(
    r"""(?P<continued>[\\^`][ \t]*(?:\r?\n|\Z))
      | (?P<comment>(?<![^\s;&|])\#[^\n]*)
      | (?P<single>'[^']*')
      | (?P<double>"(?:\\.|[^"\\])*")
      | (?P<escaped>\\.)
      | (?P<end>\r?\n|;|&&|\|\|?|&)
      | (?P<variable>\$(?:\w+|\{\w+(?::-[^}]*)?\}))
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
LARGEST = 1_000_000
"""Characters that variables may come to, over the whole text."""
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::-([^}]*))?\})")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)


class _Variables(dict[str, str]):
    """What the text sets so far, and how much of it was written out."""

    written = 0

    def write(self, name: str, value: str) -> str:
        """The value, to stand in the variable's place.

        Raises:
            CannotImport: lines such as `A="$A$A"` make it grow beyond all bounds.
        """
        self.written += len(value)
        if self.written > LARGEST:
            why = f"it grows beyond {LARGEST:,} characters"
            raise CannotImport(what=f"The variable ${name}", why=why)
        return value


class Call(NamedTuple):
    """A training command."""

    launcher: list[str]
    """The words before the script: accelerate's, torchrun's."""
    script: str
    """Its file's name, without folder."""
    words: list[str]
    """What it is given."""


def find_call(text: str, known: frozenset[str], draft: Draft, what: str) -> Call:
    """The training command in a text: the first with a known script, else the first with any.

    Raises:
        CannotImport: there is none, or quotes do not end.
    """
    if not text.strip():
        raise CannotImport(what=what, why="it is empty")
    try:
        calls = [call for words in _commands(text, draft) if (call := _call(words))]
    except ValueError as error:
        raise CannotImport(what=what, why=f"a quote in it does not end ({error})") from error
    if not calls:
        raise CannotImport(
            what=what,
            why="it names no training script such as train_text_to_image_lora.py",
        )
    return next((call for call in calls if call.script in known), calls[0])


def _call(words: list[str]) -> Call | None:
    for place, word in enumerate(words):
        if word.endswith(".py"):
            name = PurePosixPath(PureWindowsPath(word).name).name
            return Call(words[:place], name, words[place + 1 :])
    return None


def _commands(text: str, draft: Draft) -> list[list[str]]:
    """The words of each command, with the variables that are set before it."""
    variables = _Variables()
    found: list[list[str]] = []
    line = ""
    for piece in [*_PIECES.finditer(text), None]:
        kind = piece.lastgroup if piece else "end"
        if piece and kind not in ("end", "comment"):
            line += _expanded(piece.group(), str(kind), variables, draft)
        elif kind == "end" and line.strip():
            words = _set_variables(shlex.split(line), variables)
            if words:
                found.append(words)
            line = ""
    return found


def _expanded(piece: str, kind: str, variables: _Variables, draft: Draft) -> str:
    """A piece of a line with its variables filled in, still quoted."""
    if kind == "continued":
        return " "
    if kind == "double":
        piece = re.sub(r"\\\r?\n", "", piece)
        return _VARIABLE.sub(
            lambda found: re.sub(r'(["\\])', r"\\\1", _value(found, variables, draft)), piece
        )
    if kind == "variable":
        # A shell splits such a value at its spaces, and so `$ARGS` may be several words.
        return _VARIABLE.sub(
            lambda found: re.sub(r"([^\s\w])", r"\\\1", _value(found, variables, draft)), piece
        )
    return piece


def _value(found: re.Match[str], variables: _Variables, draft: Draft) -> str:
    name = found[1] or found[2]
    if name in variables:
        return variables.write(name, variables[name])
    if found[3] is not None:
        return variables.write(name, found[3])
    draft.remark(f"${name}", "nothing in it sets this variable, so it stays as it is.")
    return found[0]


def _set_variables(words: list[str], variables: dict[str, str]) -> list[str]:
    """Take the assignments in front away; the command that is left."""
    exported = words[:1] in (["export"], ["set"], ["env"])
    rest = words[1:] if exported else words
    set_here: dict[str, str] = {}
    while rest and (found := _ASSIGNMENT.fullmatch(rest[0])):
        set_here[found[1]] = found[2]
        rest = rest[1:]
    if not rest:  # `NAME=value command` is the command's alone
        variables.update(set_here)
    return rest
