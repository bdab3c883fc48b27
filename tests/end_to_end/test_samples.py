"""A job's pictures from its file to the terminal: the command line and the dashboard."""

from __future__ import annotations

import json
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon.scripted import add, scripted
from support import Daemon, eventually
from terminal import Terminal

LORAD = str(Path(sysconfig.get_path("scripts")) / "lorad")
DRAW = """
def train(task, line, looking=None):
    import hashlib, io, zlib
    from PIL import Image
    from lorad.shared.messages import SamplePicture, SampleReport
    folder = pathlib.Path(task.folder)
    line.report(ReadyReport(step=1, last_step=40), point(1))
    for step in (0, 5):
        for index in (0, 1):
            path, out = folder / f"step-{step}-{index}.png", io.BytesIO()
            Image.new("RGB", (200, 200), (10 + step, 60 + index, 201)).save(out, "PNG")
            path.write_bytes(out.getvalue())
            # A thumbnail of another colour, so that it shows which of them is seen.
            line.report(SampleReport(picture=SamplePicture(
                step=step, index=index, prompt=f"prompt {index}", seed=1, path=str(path),
                width=200, height=200, sha256=hashlib.sha256(out.getvalue()).hexdigest(),
                thumb_width=8, thumb_height=8, thumb=zlib.compress(bytes([99, 98, step]) * 64))))
    while line.wanted == "run":
        time.sleep(0.01)
    return EndReport(outcome="yielded")
"""


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with a job that drew two rounds of two prompts."""
    folder = tmp_path_factory.mktemp("box")
    daemon = scripted(folder, DRAW)
    try:
        add(daemon, folder)
        eventually(lambda: len(listed(daemon)) == 4)
        yield daemon
    finally:
        daemon.stop()


def run(daemon: Daemon, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LORAD, *words], env={**daemon.env, **more}, capture_output=True, text=True, timeout=60
    )


def listed(daemon: Daemon, *words: str) -> list[tuple[int, int]]:
    document = json.loads(run(daemon, "samples", "1", "--json", *words).stdout)
    return [(picture["step"], picture["index"]) for picture in document["pictures"]]


def test_the_list_is_of_what_is_asked_for(box: Daemon) -> None:
    assert listed(box, "--step", "5") == [(5, 0), (5, 1)]
    assert listed(box, "--step", "0", "--step", "5", "--prompt", "1") == [(0, 1), (5, 1)]
    assert "no such picture" in run(box, "samples", "1", "--step", "7").stderr


def test_one_picture_in_a_terminal_is_drawn_from_its_file(box: Daemon) -> None:
    words = [LORAD, "samples", "1", "--step", "5", "--prompt", "1"]
    with Terminal(words, box.env, 100, 30) as terminal:
        assert terminal.process.wait(60) == 0
        eventually(lambda: "prompt 1" in terminal.text, 10)
        assert "48;2;15;61;201" in terminal.text
    with Terminal([*words, "--step", "0"], box.env, 100, 30) as terminal:
        assert terminal.process.wait(60) == 0
        eventually(lambda: "48;2;99;98;0" in terminal.text, 10)  # both, side by side
        assert "48;2;99;98;5" in terminal.text


def test_the_dashboard_opens_a_picture_from_its_file(box: Daemon) -> None:
    words = [LORAD, "dashboard", "1", "--images", "half"]
    with Terminal(words, box.env, 100, 30) as terminal:
        eventually(lambda: "48;2;99;98;5" in terminal.text, 30)
        terminal.send("s")
        eventually(lambda: "Samples of job 1" in terminal.text, 30)
        terminal.send("j\r")
        eventually(lambda: "48;2;15;61;201" in terminal.text, 30)
        terminal.send("b")
        eventually(lambda: "48;2;10;61;201" in terminal.text, 30)
        terminal.send("q")
        assert terminal.process.wait(60) == 0


def test_pictures_that_cannot_be_drawn_so_are_a_sentence(box: Daemon) -> None:
    done = run(box, "dashboard", LORAD_IMAGES="vhs")
    assert done.returncode == 2
    assert "LORAD_IMAGES is `vhs`, which is none of auto, kitty" in done.stderr
    assert run(box, "dashboard", "--images", "vhs").returncode == 2
