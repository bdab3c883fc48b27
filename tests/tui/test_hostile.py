"""Names, captions, logs and paths of other people, on every screen and by every verb, on a real
pty: whatever they hold, the terminal gets only what lorad means it to get, and nothing acts."""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
import sys
import sysconfig
import threading
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from hostile_text import OBEYED, TEXTS
from msgspec.structs import replace
from support import eventually, quick
from terminal import Terminal
from tui.showcase import SOME, Showcase, daemon

from lorad.daemon.loglines import read_lines
from lorad.shared import codec
from lorad.shared.endpoints import Home
from lorad.shared.messages import (
    AnyReply,
    AnyRequest,
    FileInfo,
    Files,
    GetLog,
    GetLogLines,
    GetMarks,
    GetMetrics,
    GetNews,
    GetNotes,
    GetSamples,
    GetStatus,
    Happening,
    Happenings,
    Hello,
    ListFiles,
    Log,
    Marks,
    Metrics,
    Note,
    Notes,
    Refused,
    Samples,
    Validation,
    Welcome,
)
from lorad.tui.messages import Answered

SHOWCASE = Path(__file__).parent / "showcase.py"
LORAD = str(Path(sysconfig.get_path("scripts")) / "lorad")
SEQUENCES = (
    "\x1b]0;PWN\x07", "\x1b]52;c;UFdO\x07", "\x1b[2JPWN", "\x1b[31mPWN", "\x1b[6nPWN",
    "\x1bPqPWN\x1b\\", "\x1b_GPWN\x1b\\", "\x1b^PWN\x1b\\", "\x1bXPWN\x1b\\", "\x1bcPWN",
    "\x9b2JPWN", "\x9d0;PWN\x9c", "\x90PWN\x9c", "\x9fPWN\x9c", "PWN\rPWN", "PWN\x08\x08PWN",
    "\x7fPWN", "\x0ePWN\x0f", "\x07",
)  # fmt: skip
MARKUP = (
    "[@click=app.quit]PWN[/]", "[red]PWN[/red]", "[/b]", "[link=file:///etc]PWN[/link]", "\\[", "[",
    "z" + "\u0335\u0321\u0489" * 40, "\u202ePWN\u202c", "\u2066PWN\u2069", "\u200fPWN",
    "PWN\u2028PWN", "{PWN}", "%s", "\U0001f468\u200d\U0001f469\u200d\U0001f467",
)  # fmt: skip
HOSTILE = " ".join((*SEQUENCES, *MARKUP))
FOREIGN = tuple(
    one
    for one in OBEYED
    if one[:3] != "PWN" and not re.match(r"\x1b(\[[\d;?]*[mHhlKJ]|[78=>])", one)
)
"""Those that are not ours by chance: we colour, move and erase too."""
NEVER = {"Cc", "Cf", "Zl", "Zp", "Co", "Cs"}
"""Categories: controls, and what reorders, hides or breaks lines."""
JOINERS = {"\u200d", "\u200c", "\ufe0f"}
OURS = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|[78=>]|\]22;[a-z-]*\x07)")
"""Moving, colouring, the modes at begin and end, the pointer's shape: nothing with text in it."""


def check(data: bytes) -> None:
    """What reached the terminal is text, and sequences that carry none."""
    text = data.decode()  # a byte above 0x7f alone may be a C1 control
    found = {one: text.index(one) for one in (*SEQUENCES[:-1], *FOREIGN) if one in text}
    assert not found, {one: text[max(0, at - 200) : at + 40] for one, at in found.items()}
    assert "\x1b[2J" not in text.split("Queue", 1)[-1].rsplit("\x1b[?1049l", 1)[0]
    rest = OURS.sub("", text)
    bad = {char for char in rest if unicodedata.category(char) in NEVER} - JOINERS - {*"\n\r\t"}
    assert not bad, [(f"{ord(char):x}", rest[max(0, rest.index(char) - 60) :][:90]) for char in bad]


# -- the screens -------------------------------------------------------------------------------

WALK = (
    ("\r", "Learning rate"), ("\x1b[D\x1b[D", "step 4"), ("\x1b", "Queue"),
    ("s", "Samples of job"), ("\r", "seed 1 ·"), ("\x1b", "Samples of job"),
    ("E", "Prompts"), ("\x1b", "Samples of job"), ("\x1b", "Queue"),
    ("l", "Log of job"), ("g", "loading the model"), ("G", "xxxx"),
    ("/", "text to find"), ("PWN", "PWN"), ("\r", ""), ("\x1b", "Queue"),
    ("m", "Daemon"), ("l", "Log of the daemon"), ("\x1b", "Daemon"), ("\x1b", "Queue"),
    ("u", "14 Nov"), ("\x1b", "Queue"), ("o", "this machine"), ("\x1b", "Queue"),
    ("a", "New run"), ("\x14", "running"), ("\x1b[B\x1b[B", "finishing"), ("\x1b", "Queue"),
    ("e", "Change job"), ("\x1b", "Queue"), ("y", "Copy job"), ("\x1b", "Queue"),
    ("x", "Cancel job"), ("n", "Queue"), ("z", "Undo that"), ("n", "Queue"),
    ("/", "words of"), ("PWN", "PWN"), ("\r", ""), ("\x1b", "Queue"),
    (":", "Search for"), ("PWN", "PWN"), ("\x1b", "Queue"), ("?", "Views"), ("\x1b", "Queue"),
    ("  c", "over steps"), ("\t", ""), ("\t", ""), ("]]", "Learning rate"), ("\x1b", "Queue"),
    ("jjjjjjjjjjjjjj", "100%"),     ("\x1b", "of"), ("gw", "waits for"), ("p", "cannot be paused"),
)  # fmt: skip
"""Keys, and what is sent after them."""


@pytest.mark.parametrize("size", quick(1, [(80, 24), (120, 40)]))
def test_no_screen_hands_on_what_others_wrote(size: tuple[int, int], tmp_path: Path) -> None:
    walk_through(HOSTILE, size, tmp_path)


@pytest.mark.proof
@pytest.mark.parametrize("turn", range(SOME))
def test_no_screen_hands_on_any_of_three_hundred_texts(turn: int, tmp_path: Path) -> None:
    """In each widget some of them; in the long form each of them first in one of its turns."""
    texts = json.dumps([*TEXTS[turn:], *TEXTS[:turn]])
    walk_through(texts, (120, 40), tmp_path)


def walk_through(hostile: str, size: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "hostile").write_text(hostile)
    for number, name in enumerate((*SEQUENCES, *MARKUP)):
        (tmp_path / f"{number}{name.replace('/', '')}"[:60]).mkdir()
    command = ["env", "-u", "NO_COLOR", "-C", str(tmp_path), "TZ=UTC", sys.executable]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with Terminal([*command, str(SHOWCASE), "hostile"], environment, *size) as shown:
        eventually(lambda: "Queue" in shown.text and "state" in shown.text, 60)
        for number, (keys, text) in enumerate(WALK):
            before = len(shown.data)
            shown.send(keys)
            try:
                eventually(lambda b=before, t=text: t in plain(shown.data[b:]), 20)
            except AssertionError:
                assert shown.process.poll() is None, shown.text[-3000:]
                pytest.fail(
                    f"{number}: {keys!r} brought no {text!r}: {plain(shown.data[before:])[:1500]}"
                )
            settle(shown)
        shown.send("q")
        assert shown.process.wait(60) == 0
        eventually(lambda: "asked for" in shown.text, 20)
        assert shown.data.count(b"PWN") > 100, "it was shown, as text"
        check(shown.data)
        asked = shown.text.rsplit("asked for", 1)[1].split()
    acted = [one for one in asked if not one.startswith(("Get", "Why"))]
    assert acted == ["PauseJob"], "what was pressed, and nothing else"


def settle(shown: Terminal) -> None:
    """Until nothing more is sent: what comes next is the next key's."""
    sizes = [-1]

    def same() -> bool:
        time.sleep(0.2)
        sizes.append(len(shown.data))
        return sizes[-1] == sizes[-2]

    eventually(same, 20)


def plain(data: bytes) -> str:
    return OURS.sub("", data.decode(errors="replace"))


# -- the verbs ---------------------------------------------------------------------------------


class Stub:
    """A daemon that says what others wrote, in every field there is."""

    def __init__(self, home: Home) -> None:
        home.make()
        self.home, self.show = home, Showcase(HOSTILE)
        home.daemon_log.write_bytes(f"{HOSTILE}\n{HOSTILE}\n".encode())
        self.lock = home.lock.open("w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.lock.write(str(os.getpid()))
        self.lock.flush()
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.bind(home.control)
        self.answered: list[Answered] = []
        self.show.post = lambda message: self.answered.append(message)  # type: ignore[arg-type]
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        while not self.ended.is_set():
            if self.socket.poll(50):
                client, *frames = self.socket.recv_multipart()
                header, request = codec.decode(frames, codec.requests)
                reply = codec.encode(self.reply(request), id=header.id, epoch="e")
                self.socket.send_multipart([client, *reply])

    def reply(self, request: AnyRequest) -> AnyReply:  # noqa: C901
        say, show = self.show.say, self.show
        log = show.log.encode()
        status = show.status_reply
        match request:
            case Hello():
                return Welcome(protocol=request.protocol_max, daemon=daemon(say))
            case GetStatus():
                return status
            case GetLogLines():
                return read_lines(io.BytesIO(log), request)
            case GetLog(offset=offset):
                begin = max(0, len(log) + offset) if offset < 0 else offset
                text = log[begin : begin + 65536].decode(errors="ignore")
                return Log(offset=begin, next=begin + len(text.encode()), text=text)
            case GetSamples():
                return Samples(pictures=show.pictures)
            case GetMarks():
                return Marks(marks=show.marks)
            case GetNotes():
                note = Note(step=3, kind="plan", text=say("a plan"), time=1.0)
                return Notes(notes=[note])
            case GetMetrics():
                return Metrics(points=[], validations=[Validation(step=1, loss=1.0, best=True)])
            case ListFiles():
                file = FileInfo(name=say("out.safetensors").replace("/", ""), size=9, modified_ns=1)
                return Files(folder=say("/out"), files=[file])
            case GetNews(after=after) if after >= 6:
                return Happenings(happenings=[], head=6)
        self.answered.clear()
        show.ask(request)
        if self.answered and isinstance(self.answered[-1], Answered):
            return self.answered[-1].reply
        return Refused(kind="UnknownJob", message=say("There is no such job."), exit_code=1)

    def stop(self) -> None:
        self.ended.set()
        self.thread.join()
        self.context.destroy(linger=0)
        self.lock.close()


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stub]:
    folder = tmp_path_factory.mktemp("home")
    running = Stub(Home(folder, folder, folder / "cache"))
    yield running
    running.stop()


VERBS = (
    "status", "status 3", "status --json", "log 3", "log 3 -n 5", "log 3 --grep PWN",
    "log --daemon -n 3", "history", "history 3", "events --since 1s", "compare 3 5", "gpu",
    "health", "group", "samples 3", "why 7", "get 3 --list", "undo", "rm 1", "cancel 3",
)  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_hands_on_what_others_wrote(verb: str, stub: Stub) -> None:
    code, shown = said(verb, stub, 120, 40)
    assert code in (0, 1), (code, shown.text)
    assert "PWN" in shown.text, shown.text


def said(verb: str, stub: Stub, columns: int, rows: int) -> tuple[int, Terminal]:
    """What a verb says in a terminal of that size; it is clean."""
    home = {**os.environ, "LORAD_HOME": str(stub.home.folder)}
    with Terminal([LORAD, *verb.split()], home, columns, rows) as shown:
        code = shown.process.wait(60)
        shown.reader.join(10)
    check(shown.data)
    assert "Traceback" not in shown.text
    return code, shown


# -- all of them, by every verb that lists something -------------------------------------------


class Crowd(Stub):
    """A daemon with as many jobs, pictures, lines and happenings as there are hostile texts."""

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self.show.log = "\n".join(TEXTS)
        home.daemon_log.write_bytes("\n".join(TEXTS).encode("utf-8", "replace"))

    def reply(self, request: AnyRequest) -> AnyReply:
        show = self.show
        if isinstance(request, GetStatus):
            jobs = [one for job in show.status_reply.jobs for one in [job] if one.id == 3]
            named = [replace(jobs[0], id=at, name=text) for at, text in enumerate(TEXTS, 1)]
            return replace(show.status_reply, jobs=named)
        if isinstance(request, GetSamples):
            one = show.pictures[0]
            return Samples(pictures=[replace(one, index=n, prompt=t) for n, t in enumerate(TEXTS)])
        if isinstance(request, GetNews) and request.after < len(TEXTS):
            return Happenings(happenings=[told(n, t) for n, t in enumerate(TEXTS, 1)], head=9999)
        if isinstance(request, GetNotes):
            return Notes(notes=[Note(step=3, kind="plan", text=t, time=1.0) for t in TEXTS])
        if isinstance(request, ListFiles):
            names = [FileInfo(name=t.replace("/", ""), size=9, modified_ns=1) for t in TEXTS]
            return Files(folder="/out", files=names)
        return super().reply(request)


def told(number: int, text: str) -> Happening:
    return Happening(
        number=number, time=1.0, id=3, name=text, before="running", after="running",
        event="plan", text=text, actor=text,
    )  # fmt: skip


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    folder = tmp_path_factory.mktemp("crowd")
    running = Crowd(Home(folder, folder, folder / "cache"))
    yield running
    running.stop()


LISTS = {
    "status": 1, "status --json": 1, "log 3 -n 9999": 1, "log 3 --grep PWN": 1,
    "log --daemon -n 9999": 1, "history -n 9999": 2, "history 3 -n 9999": 2, "samples 3": 1,
    "get 3 --list": 1,
}  # fmt: skip
"""And how often each text is in what is said, at least."""


@pytest.mark.parametrize("verb", LISTS)
def test_no_list_hands_on_any_of_three_hundred_texts(verb: str, crowd: Crowd) -> None:
    code, shown = said(verb, crowd, 200, 50)
    assert code == 0, (code, shown.text[-3000:])
    assert shown.data.count(b"PWN") >= LISTS[verb] * len(TEXTS), shown.text[-3000:]
