"""The pictures in real terminals: their bytes on a pty, and what tmux makes of them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import eventually
from terminal import Terminal, Tmux

TESTS = Path(__file__).parent.parent
PROGRAM = """
import sys, zlib
sys.path.insert(0, {tests!r})
import msgspec
from tui.fakes import FakeLink, at_step, picture
from lorad.tui.app import LoradApp
from lorad.tui.images import Images

def half(step, index):
    above, below = bytes([90, 180, 30 + index]), bytes([20, 40, step])
    data = zlib.compress(above * 32 + below * 32)
    return msgspec.structs.replace(
        picture(step, index, f"prompt {{index}}", 8), thumb=data, path="/out/a.png"
    )

link = FakeLink(at_step(1, 90))
link.pictures = [half(step, index) for step in (0, 30, 60, 90) for index in (0, 1)]
app = LoradApp(link, images=Images({images}))
app.run()
print("asked", link.asked, "at", app.cursor_step)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.format(tests=str(TESTS), images=""))
    return path


def terminal(program: Path, *settings: str) -> Terminal:
    command = ["env", "-u", "NO_COLOR", *settings, sys.executable, str(program)]
    return Terminal(command, dict(os.environ), 100, 30)


@pytest.mark.parametrize(
    ("settings", "wanted", "unwanted"),
    [
        (["COLORTERM=truecolor"], r"38;2;90;180;30;48;2;90;180;30m▀", "▀{0}#"),
        (["COLORTERM=", "TERM=xterm-256color"], r"38;5;\d+;48;5;\d+m▀", r"[34]8;2;.{1,30}m▀"),
        (["COLORTERM=", "TERM=xterm"], r"\[[39]\d;(4\d|10\d)m▀", r"[34]8;2;.{1,30}m▀"),
        (["NO_COLOR=1"], r"[-=+*]{8}", r"▀{8}m?▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀"),
    ],
)
def test_pictures_have_the_colours_that_the_terminal_has(
    program: Path, settings: list[str], wanted: str, unwanted: str
) -> None:
    with terminal(program, *settings) as shown:
        eventually(lambda: re.search(wanted, shown.text), 20)
        shown.send("s")
        eventually(lambda: "Samples of job 1" in shown.text, 20)
        eventually(lambda: len(re.findall(wanted, shown.text)) > 2, 20)
        assert not re.search(unwanted, shown.text)
        shown.send("q")
        assert shown.process.wait(60) == 0


def quiet(shown: Terminal) -> int:
    """Wait until the frame is through; how much there is so far."""
    sizes = [-1]

    def same() -> bool:
        time.sleep(0.3)
        sizes.append(len(shown.text))
        return sizes[-1] == sizes[-2]

    eventually(same, 20)
    return sizes[-1]


def test_a_step_within_the_page_sends_no_picture_again(program: Path) -> None:
    with terminal(program) as shown:
        eventually(lambda: "samples" in shown.text, 20)
        shown.send("s")
        eventually(lambda: "step 90 · 4 of 4" in shown.text, 20)
        eventually(lambda: shown.text.count("48;2;20;40;90") > 4, 20)
        before = quiet(shown)
        shown.send("h")
        eventually(lambda: "step 60 · 3" in shown.text[before:], 20)
        quiet(shown)
        shown.send("y")
        eventually(lambda: "\x1b]52;c;L291dC9hLnBuZw==\x07" in shown.text, 20)
        sent = shown.text[before:].split("\x1b]52;c;")[0]
        assert "48;2;20;40;" not in sent
        assert "90;180;30" not in sent
        shown.send("q")
        assert shown.process.wait(60) == 0


def test_a_late_answer_moves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.format(tests=str(TESTS), images="late=True"))
    with terminal(path) as shown:
        eventually(lambda: "samples" in shown.text, 20)
        shown.send("s")
        eventually(lambda: "step 90 · 4 of 4" in shown.text, 20)
        shown.send("h")
        eventually(lambda: "step 60 · 3" in shown.text, 20)
        shown.send("\x1b_Gi=31;OK\x1b\\")
        shown.send("\x1b[6;20;9t\x1b[?62;4;22c")
        shown.send("h")
        eventually(lambda: "step 30 · 2" in shown.text, 20)
        shown.send("q")
        assert shown.process.wait(60) == 0
        eventually(lambda: "asked [] at 30" in shown.text, 20)


# -- tmux --------------------------------------------------------------------------------------


@pytest.fixture
def tmux(tmp_path: Path, program: Path) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        pytest.skip("no tmux here")
    command = ["env", "-u", "NO_COLOR", "COLORTERM=truecolor", sys.executable, str(program)]
    with Tmux(tmp_path, (120, 32), command) as running:
        yield running


def test_in_tmux_the_wall_is_as_it_is_drawn(tmux: Tmux) -> None:
    eventually(lambda: "▀▀" in tmux.capture(), 20)
    tmux.press("s")
    golden = (Path(__file__).parent / "wall.golden").read_text().splitlines()

    def wall() -> list[str]:
        return [row.rstrip() for row in tmux.capture().splitlines()[1:]]

    with contextlib.suppress(AssertionError):  # tmux is asked in the middle of a frame as well
        eventually(lambda: wall() == golden, 20)
    assert wall() == golden
    coloured = tmux.capture("-e")
    assert "\x1b[38;2;90;180;30m\x1b[48;2;90;180;30m▀" in coloured
    tmux.press("h")
    tmux.press("Enter")
    eventually(lambda: "seed 1 · 64x64 · /out/a.png" in tmux.capture(), 20)
    eventually(lambda: "48;2;20;40;60" in tmux.capture("-e"), 20)
    tmux.press("b")
    eventually(lambda: "step 0 · base in place of 60" in tmux.capture(), 20)
    assert "48;2;20;40;60" not in tmux.capture("-e")
