"""What a terminal is asked, what its answers mean, and that none of them is taken for a key."""

from __future__ import annotations

import json
import os
import pty
import select
import sys
import termios
import threading
import time
import types
from pathlib import Path

import pytest
from textual import events
from textual.widget import Widget
from tui.fakes import picture

from lorad.shared.endpoints import Home
from lorad.shared.errors import ImagesMissing
from lorad.shared.messages import GetPicture
from lorad.tui import images, probe
from lorad.tui.images import Images, choose, find_images, look
from lorad.tui.late import LateParser
from lorad.tui.probe import QUESTIONS, Abilities, ask, ask_terminal, understand
from lorad.tui.shelf import wish

KITTY = b"\x1b_Gi=31;OK\x1b\\"
NO_KITTY = b"\x1b_Gi=31;ENOTSUPPORTED:no\x1b\\"
CELL = b"\x1b[6;20;9t"
DEVICE = b"\x1b[?62;4;22c"
PLAIN = b"\x1b[?1;2c"


# -- answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heard", "able"),
    [
        (KITTY + CELL + PLAIN, Abilities(kitty=True, cell=(9, 20))),
        (NO_KITTY + CELL + DEVICE, Abilities(sixel=True, cell=(9, 20))),
        (PLAIN, Abilities()),
        (DEVICE, Abilities(sixel=True)),
        (b"\x1b[?4c", Abilities()),  # the first number is the terminal's class
        (b"jj" + KITTY + b"q" + PLAIN, Abilities(kitty=True)),
        (b"\x1b[6;0;0t" + PLAIN, Abilities()),
        (b"", Abilities(late=True)),
        (KITTY + CELL, Abilities(kitty=True, cell=(9, 20), late=True)),
        (b"\xff\x00\x1b[?;;;c", Abilities()),
    ],
)
def test_answers_are_understood(heard: bytes, able: Abilities) -> None:
    assert understand(heard) == able


def test_the_device_attributes_are_asked_for_last() -> None:
    assert QUESTIONS.endswith(b"\x1b[c")
    assert QUESTIONS.count(b"\x1b[c") == 1


class Scripted:
    """A terminal that hears the questions and gives these pieces."""

    def __init__(self, *pieces: bytes, pause: float = 0.0) -> None:
        self.master, self.slave = pty.openpty()
        self.heard = b""
        self._pieces, self._pause = pieces, pause
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def _answer(self) -> None:
        while b"\x1b[c" not in self.heard:
            self.heard += os.read(self.master, 1024)
        for piece in self._pieces:
            os.write(self.master, piece)
            time.sleep(self._pause)

    def close(self) -> None:
        self._thread.join(5)
        os.close(self.master)
        os.close(self.slave)


@pytest.mark.parametrize(
    ("pieces", "able"),
    [
        ([KITTY + CELL + DEVICE], Abilities(True, True, (9, 20))),
        ([KITTY[:3], KITTY[3:] + CELL[:2], CELL[2:] + DEVICE[:-1], DEVICE[-1:]],
         Abilities(True, True, (9, 20))),
        ([PLAIN], Abilities()),
    ],
)  # fmt: skip
def test_a_terminal_is_asked_once_and_nothing_of_it_is_left(
    pieces: list[bytes], able: Abilities
) -> None:
    terminal = Scripted(*pieces, pause=0.05)
    before = termios.tcgetattr(terminal.slave)
    try:
        assert ask(terminal.slave, terminal.slave) == able
        assert terminal.heard == QUESTIONS
        assert termios.tcgetattr(terminal.slave) == before
        assert select.select([terminal.slave], [], [], 0)[0] == []  # no byte for the app
        assert select.select([terminal.master], [], [], 0)[0] == []  # and none was echoed
    finally:
        terminal.close()


def test_a_slow_line_is_waited_for_as_long_as_it_speaks() -> None:
    terminal = Scripted(KITTY, CELL, DEVICE, pause=0.3)
    try:
        assert ask(terminal.slave, terminal.slave, seconds=0.35) == Abilities(True, True, (9, 20))
    finally:
        terminal.close()
    assert probe.SECONDS >= 1


def test_a_terminal_that_says_nothing_is_late_and_no_terminal_an_error() -> None:
    terminal = Scripted()
    try:
        assert ask(terminal.slave, terminal.slave, seconds=0.1) == Abilities(late=True)
    finally:
        terminal.close()
    reading, writing = os.pipe()
    with pytest.raises(OSError, match="Inappropriate ioctl"):
        ask(reading, writing)
    os.close(reading)
    os.close(writing)


# -- what is remembered ------------------------------------------------------------------------


class Tty:
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return -1


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in ("__stdin__", "__stdout__"):
        monkeypatch.setattr(sys, name, Tty())
    return Home(tmp_path, tmp_path, tmp_path)


def test_a_kind_of_terminal_is_asked_once(home: Home) -> None:
    asked: list[int] = []

    def question(reading: int, writing: int) -> Abilities:
        asked.append(reading)
        return Abilities(kitty=True, cell=(8, 16))

    for _ in range(2):
        able = ask_terminal(home, {"TERM": "xterm-kitty"}, question)
        assert able == Abilities(kitty=True, cell=(8, 16))
    assert len(asked) == 1
    ask_terminal(home, {"TERM": "xterm-kitty", "SSH_CONNECTION": "a b"}, question)
    assert len(asked) == 2
    for number in range(100):
        ask_terminal(home, {"TERM": str(number)}, question)
    assert len(json.loads((home.folder / "terminals.json").read_text())) == probe.KEPT


@pytest.mark.parametrize(
    ("environment", "able"),
    [({"TERM": "x"}, Abilities(late=True)), ({"TERM": "x", "TMUX": "/t,1,0"}, Abilities())],
)
def test_what_may_be_otherwise_tomorrow_is_not_remembered(
    home: Home, environment: dict[str, str], able: Abilities
) -> None:
    ask_terminal(home, environment, lambda reading, writing: able)
    assert not (home.folder / "terminals.json").exists()


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": [1, 2, "x", {}]}', "\x00"])
def test_a_file_that_cannot_be_read_costs_a_question(home: Home, text: str) -> None:
    (home.folder / "terminals.json").write_text(text)
    able = ask_terminal(home, {"TERM": "x"}, lambda reading, writing: Abilities(sixel=True))
    assert able.sixel


# -- what is drawn with ------------------------------------------------------------------------


class FakeImage(Widget):
    """In place of textual-image's widgets: what they are given is kept."""

    image: object = None


@pytest.fixture
def textual_image(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A module of that name; whether stdout was a terminal while it was imported."""
    module = types.ModuleType("textual_image.widget")
    module.TGPImage = type("TGPImage", (FakeImage,), {})  # type: ignore[attr-defined]
    module.SixelImage = type("SixelImage", (FakeImage,), {})  # type: ignore[attr-defined]
    terminal = types.ModuleType("textual_image._terminal")
    terminal.CellSize = tuple_of_two  # type: ignore[attr-defined]
    terminal.get_cell_size = lambda: None  # type: ignore[attr-defined]
    seen: list[bool] = []

    def load(name: str) -> types.ModuleType:
        seen.append(bool(sys.__stdout__ and sys.__stdout__.isatty()))
        return {"textual_image.widget": module, "textual_image._terminal": terminal}[name]

    monkeypatch.setattr(images.importlib, "import_module", load)
    monkeypatch.setattr(images.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(sys, "__stdout__", Tty())
    monkeypatch.setattr(sys, "__stdin__", Tty())
    return seen


def tuple_of_two(width: int, height: int) -> tuple[int, int]:
    return width, height


def answers(able: Abilities) -> object:
    return lambda home, environment: able


def never(home: object, environment: object) -> Abilities:
    raise AssertionError("the terminal was asked")


HOME = Home(Path("/h"), Path("/h"), Path("/h"))


def test_without_the_extra_nothing_is_asked_and_asking_for_it_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(images.importlib.util, "find_spec", lambda name: None)
    assert find_images("auto", HOME, {}, never) == Images()
    with pytest.raises(ImagesMissing, match="--images half"):
        find_images("kitty", HOME, {}, never)


@pytest.mark.parametrize(
    ("able", "pixels"),
    [
        (Abilities(), None),
        (Abilities(kitty=True), "kitty"),
        (Abilities(sixel=True), "sixel"),
        (Abilities(kitty=True, sixel=True), "sixel"),
    ],
)
def test_the_terminal_s_answer_decides(
    textual_image: list[bool], able: Abilities, pixels: str | None
) -> None:
    assert choose(able) == pixels
    assert find_images("auto", HOME, {}, answers(able)).pixels == pixels  # type: ignore[arg-type]


@pytest.mark.parametrize("environment", [{"TMUX": "x"}, {"TERM": "screen-256color"}])
def test_in_tmux_nothing_is_asked_unless_somebody_wants_it(
    textual_image: list[bool], environment: dict[str, str]
) -> None:
    assert find_images("auto", HOME, environment, never) == Images()
    able = answers(Abilities(cell=(7, 15)))
    found = find_images("kitty", HOME, environment, able)  # type: ignore[arg-type]
    assert (found.pixels, found.cell) == ("kitty", (7, 15))


def test_who_chose_is_not_asked(textual_image: list[bool]) -> None:
    for cells in ("half", "ascii", "off"):
        assert find_images(cells, HOME, {}, never) == Images(cells=cells)  # type: ignore[arg-type]


def test_the_library_asks_nothing_when_it_is_imported(textual_image: list[bool]) -> None:
    made = images.pixel_widget(Images(pixels="sixel", cell=(7, 15)), "pixels")
    assert textual_image == [False, False]
    assert sys.__stdout__ is not None
    assert sys.__stdout__.isatty()
    assert type(made.widget).__name__ == "SixelImage"
    made.show(b"png")
    assert made.widget.image.read() == b"png"  # type: ignore[attr-defined]
    made.show(None)
    assert made.widget.image is None  # type: ignore[attr-defined]
    kitty = images.pixel_widget(Images(pixels="kitty"), "pixels")
    assert type(kitty.widget).__name__ == "TGPImage"


@pytest.mark.parametrize(
    ("found", "system", "plain", "mode", "colours"),
    [
        (Images(), "truecolor", False, "half", "all"),
        (Images(slow=True), "truecolor", False, "half", "fewer"),
        (Images(), "256", False, "half", "256"),
        (Images(), "standard", False, "half", "16"),
        (Images(), None, False, "ascii", "all"),
        (Images(), "truecolor", True, "ascii", "all"),
        (Images(cells="half"), "truecolor", True, "half", "all"),
        (Images(cells="ascii"), "truecolor", False, "ascii", "all"),
        (Images(cells="off"), "truecolor", False, "off", "all"),
    ],
)
def test_the_terminal_s_colours_decide(
    found: Images, system: str | None, plain: bool, mode: str, colours: str
) -> None:
    how = look(found, system, plain, dark=True)
    assert (how.mode, how.colours) == (mode, colours)


def test_over_ssh_less_is_asked_for() -> None:
    near = wish(1, picture(5), (100, 40), Images(pixels="kitty", cell=(10, 20)))
    assert near == GetPicture(id=1, step=5, index=0, width=1000, height=800, form="png")
    far = wish(1, picture(5), (100, 40), Images(pixels="kitty", cell=(10, 20), slow=True))
    assert (far.width, far.height, far.colours) == (500, 400, 64)
    blocks = wish(1, picture(5), (100, 40), Images(slow=True))
    assert (blocks.width, blocks.height, blocks.form, blocks.colours) == (100, 80, "pixels", 64)
    huge = wish(1, picture(5), (900, 900), Images(pixels="kitty", cell=(10, 20)))
    assert (huge.width, huge.height) == (2048, 2048)


# -- answers that come late --------------------------------------------------------------------


def typed(*pieces: bytes, pause: float = 0.0) -> list[str]:
    """The keys that reach the app when a terminal sends these pieces, and then nothing."""
    parser = LateParser()
    heard: list[object] = []
    for piece in pieces:
        heard += [*parser.feed(piece.decode("latin-1")), *parser.tick()]
        time.sleep(pause)
    for _ in range(2):
        time.sleep(0.02)
        heard += parser.tick()
    return [one.key for one in heard if isinstance(one, events.Key)]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textual.constants.ESCAPE_DELAY", 0.005)
    monkeypatch.setattr("lorad.tui.late.HELD_SECONDS", 0.01)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "answer",
    [
        KITTY, CELL, DEVICE, PLAIN, NO_KITTY, KITTY + CELL + DEVICE,
        b"\x1b_Gi=31;EINVAL:a sentence that is longer than what is searched\x1b\\" + PLAIN,
    ],
)  # fmt: skip
def test_a_late_answer_is_no_key(answer: bytes) -> None:
    assert typed(answer) == []
    assert typed(b"j", answer, b"k", pause=0.02) == ["j", "k"]
    assert typed(b"j" + answer + b"k") == ["j", "k"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("cut", range(1, len(KITTY + CELL + DEVICE)))
def test_a_late_answer_in_two_pieces_is_no_key(cut: int) -> None:
    whole = KITTY + CELL + DEVICE
    assert typed(b"j", whole[:cut], whole[cut:], b"k") == ["j", "k"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        (b"jKq", ["j", "K", "q"]),
        (b"\x1b[A\x1b[B", ["up", "down"]),
        (b"\x1b[6~", ["pagedown"]),
        (b"^c", ["circumflex_accent", "c"]),
        (b"\x1bOP", ["f1"]),
        (b"\x1b", ["escape"]),
        (b"[a]", ["left_square_bracket", "a", "right_square_bracket"]),
    ],
)
def test_keys_are_keys(sent: bytes, keys: list[str]) -> None:
    assert typed(sent) == keys
