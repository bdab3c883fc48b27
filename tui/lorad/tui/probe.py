"""Which pictures a terminal can show: asked once, in one batch, before the app has the keyboard.

Three questions go out together: Kitty's graphics, the size of a cell, and the device attributes
(DA1), which every terminal answers and which therefore come last: with them the batch is complete.
What was found is kept for each kind of terminal, so that most starts ask nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from lorad.shared.endpoints import Home

SECONDS = 1.5
"""As long as a first answer may take: a slow SSH line has a second."""
MORE_SECONDS = 1.0
"""And from one piece of the answer to the next."""
CELL = (10, 20)
"""Pixels, where a terminal does not say: the VT340's."""
KEPT = 32
"""Kinds of terminals that are remembered."""
LARGEST = 4096

QUESTIONS = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[16t\x1b[c"
_KITTY = re.compile(rb"\x1b_G[^\x1b]*i=31[^\x1b]*;([^\x1b]*)\x1b\\")
_CELL = re.compile(rb"\x1b\[6;(\d{1,4});(\d{1,4})t")
_DEVICE = re.compile(rb"\x1b\[\?([\d;]{1,100})c")


class Abilities(NamedTuple):
    """What a terminal said of itself."""

    kitty: bool = False
    sixel: bool = False
    cell: tuple[int, int] = CELL
    late: bool = False
    """It did not answer in time."""


def complete(heard: bytes) -> bool:
    """Whether the last answer is there."""
    return _DEVICE.search(heard) is not None


def understand(heard: bytes) -> Abilities:
    """The answers; what was typed between them means nothing."""
    device = _DEVICE.search(heard)
    kitty = _KITTY.search(heard)
    cell = _CELL.search(heard)
    height, width = map(int, cell.groups()) if cell else (0, 0)
    return Abilities(
        kitty=kitty is not None and kitty[1] == b"OK",
        sixel=device is not None and b"4" in device[1].split(b";")[1:],
        cell=(width, height) if width and height else CELL,
        late=device is None,
    )


def ask(reading: int, writing: int, seconds: float = SECONDS) -> Abilities:
    """Ask the terminal on these descriptors, and take all that it answers off its line.

    Raises:
        OSError: it is no terminal, or it went away.
    """
    try:
        before = termios.tcgetattr(reading)
        tty.setcbreak(reading, termios.TCSADRAIN)
    except termios.error as error:
        raise OSError(*error.args) from error
    try:
        os.write(writing, QUESTIONS)
        return understand(_listen(reading, seconds))
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(reading, termios.TCSADRAIN, before)


def _listen(reading: int, seconds: float) -> bytes:
    heard = b""
    end = time.monotonic() + seconds
    while not complete(heard) and len(heard) < LARGEST:
        left = end - time.monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            break
        data = os.read(reading, 1024)
        if not data:
            break
        heard += data
        end = max(end, time.monotonic() + MORE_SECONDS)
    return heard


# -- what is remembered ------------------------------------------------------------------------


def kind(environment: Mapping[str, str]) -> str:
    """What tells one kind of terminal from another."""
    names = ("TERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "LC_TERMINAL", "KITTY_WINDOW_ID")
    words = [environment.get(name, "")[:80] for name in names]
    words[-1] = "kitty" if words[-1] else ""
    return "|".join([*words, "ssh" if environment.get("SSH_CONNECTION") else ""])


def ask_terminal(
    home: Home,
    environment: Mapping[str, str],
    question: Callable[[int, int], Abilities] = ask,
) -> Abilities:
    """The abilities of this program's terminal; asked where they are not known."""
    path = home.folder / "terminals.json"
    known = _read(path)
    name = kind(environment)
    if name in known:
        return known[name]
    stdin, stdout = sys.__stdin__, sys.__stdout__
    if stdin is None or stdout is None or not (stdin.isatty() and stdout.isatty()):
        return Abilities()
    try:
        able = question(stdin.fileno(), stdout.fileno())
    except OSError:
        return Abilities()
    # Who was late may be in time tomorrow; multiplexers have another terminal outside each day.
    if not able.late and not environment.get("TMUX"):
        _write(path, {**known, name: able})
    return able


def _read(path: Path) -> dict[str, Abilities]:
    known = {}
    try:
        for name, (kitty, sixel, width, height) in json.loads(path.read_text()).items():
            cell = (width, height)
            known[str(name)] = Abilities(bool(kitty), bool(sixel), (int(cell[0]), int(cell[1])))
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # not there, or not ours to understand: it is asked again
    return known


def _write(path: Path, known: Mapping[str, Abilities]) -> None:
    """The newest kinds; a folder that cannot be written costs a question a start."""
    newest = list(known.items())[-KEPT:]
    text = json.dumps({name: [able.kitty, able.sixel, *able.cell] for name, able in newest})
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        aside.write_text(text)
        aside.replace(path)
