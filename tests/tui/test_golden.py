"""Every screen in a real terminal, as it was when somebody looked at it and found it good.

`LORAD_GOLDEN=1` writes the screens anew, to be looked at; tests/tui/showcase.py is what they show.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import eventually
from terminal import Tmux

GOLDEN = Path(__file__).parent / "golden"
SHOWCASE = Path(__file__).parent / "showcase.py"
SCREENS: dict[str, tuple[str, ...]] = {
    "queue": ("", "─ Queue", "step 400"),
    "run": ("Enter", "step 412/600  8.25", "┤"),
    "samples": ("s", "Samples of job 3", "5 of 5"),
    "machine": ("m", "pid 1, on", "python serve.py"),
    "log": ("l", "Log of job 3", "step  412"),
    "happened": ("u", "Since 14 Nov", "Job 2"),
    "help": ("?", "Views", "Next pane"),
    "new": ("a", "New run", "foxes.toml", "╸━━"),
    "change": ("e", "Change job 3", "a fox, seed 3"),
    "palette": (":", "Search for commands", "Add a recipe"),
    "compare": ("g Space Space j Space c", "run↑", "over steps"),
}
"""Keys that open a screen, and texts that are on it once it is whole."""
pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux here")


def showcase(folder: Path, size: tuple[int, int], *settings: str) -> Tmux:
    """The showcase in a tmux."""
    (folder / "pictures").mkdir()
    for name in ("foxes.toml", "otters.toml"):
        (folder / name).write_text('name = "x"\n')
    command = ["env", "-u", "NO_COLOR", "COLORTERM=truecolor", "TZ=UTC", "TERM=tmux-256color"]
    return Tmux(folder, size, [*command, *settings, sys.executable, str(SHOWCASE)])


def walk(running: Tmux, look: Callable[[str], None]) -> None:
    """Go to each screen, look, and come back."""
    for name, (keys, *texts) in SCREENS.items():
        running.press(keys)
        try:
            eventually(lambda texts=texts: all(text in running.capture() for text in texts), 30)
        except AssertionError:
            pytest.fail(f"{name} did not come:\n{running.capture()}")
        look(name)
        if keys:
            running.press("Escape")
            eventually(lambda texts=texts: texts[0] not in running.capture(), 30)


def shown_by(running: Tmux) -> str:
    return "".join(f"{line.rstrip()}\n" for line in running.capture().splitlines())


def at_rest(running: Tmux) -> str:
    """What is shown once nothing changes any more."""
    shown = [""]

    def same() -> bool:
        shown.append(shown_by(running))
        return len(shown) > 5 and len(set(shown[-5:])) == 1

    eventually(same, 30)
    return shown[-1]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_every_screen_looks_as_it_did(size: tuple[int, int], tmp_path: Path) -> None:
    wrong: list[str] = []

    def look(name: str) -> None:
        path = GOLDEN / f"screen-{name}-{size[0]}x{size[1]}.txt"
        if os.environ.get("LORAD_GOLDEN"):
            path.write_text(at_rest(running))
        wanted = path.read_text()
        if shown_by(running) != wanted and (found := at_rest(running)) != wanted:
            lines = difflib.unified_diff(wanted.splitlines(), found.splitlines(), name, "found")
            wrong.append("\n".join(lines))

    with showcase(tmp_path, size) as running:
        walk(running, look)
    assert not wrong, "\n".join(wrong)


def codes(text: str) -> set[int]:
    """The numbers in all SGR sequences."""
    found = re.findall(r"\x1b\[([\d;]*)m", text)
    return {int(code or 0) for one in found for code in one.split(";")}


WEIGHTS = {0, 1, 2, 4, 7, 39, 49}
"""No colour: weights, and the terminal's own two."""
SIXTEEN = {base + n for base in (30, 40, 90, 100) for n in range(8)}


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [(["NO_COLOR=1"], WEIGHTS), (["TERM=xterm", "COLORTERM="], WEIGHTS | SIXTEEN)],
)
def test_no_colour_that_the_terminal_is_not_to_have(
    settings: list[str], allowed: set[int], tmp_path: Path
) -> None:
    cursors: dict[str, bool] = {}

    def look(name: str) -> None:
        at_rest(running)
        coloured = running.capture("-e")
        assert codes(coloured) <= allowed, name
        # Also without colours it can be seen which job is meant.
        cursors[name] = bool(re.search(r"\x1b\[[\d;]*(7|4\d|10\d)m", coloured))

    with showcase(tmp_path, (120, 40), *settings) as running:
        walk(running, look)
    assert all(cursors[name] for name in ("queue", "compare", "new", "palette"))
