"""A picture at the size a viewer wants: made aside, checked, and never in the daemon's way."""

from __future__ import annotations

import hashlib
import io
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from support import Daemon, eventually

from daemon.scripted import add, scripted
from lorad.daemon import later, pictures
from lorad.daemon.later import Errands, Later
from lorad.shared.client import Client
from lorad.shared.errors import PictureTooSlow, RequestRefused
from lorad.shared.jobs import Job
from lorad.shared.messages import GetPicture, GetSamples, GetStatus, SamplePicture, Samples

DRAW = """
def train(task, line, looking=None):
    from lorad.shared.messages import SamplePicture, SampleReport
    import hashlib
    for index, path in enumerate(sorted(pathlib.Path(task.folder).parent.glob("*.png"))):
        data = path.read_bytes()
        line.report(SampleReport(picture=SamplePicture(
            step=5, index=index, prompt=path.name, seed=1, path=str(path), width=300, height=200,
            sha256=hashlib.sha256(data).hexdigest(), thumb_width=0, thumb_height=0, thumb=b"")))
    return EndReport(outcome="done")
"""


def png(size: tuple[int, int] = (300, 200)) -> bytes:
    noise = Image.frombytes("RGB", size, os.urandom(size[0] * size[1] * 3))
    out = io.BytesIO()
    noise.save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def box(folder: Path) -> Iterator[tuple[Daemon, Job]]:
    """A daemon with a job that drew four pictures; three have met with an accident since."""
    out = folder / "output"
    out.mkdir()
    for name in ("0-good", "1-cut", "2-other", "3-gone"):
        (out / f"{name}.png").write_bytes(png()[: 9000 if "cut" in name else None])
    daemon = scripted(folder, DRAW)
    try:
        job = add(daemon, folder)
        eventually(lambda: len(samples(daemon, job).pictures) == 4)
        (out / "2-other.png").write_bytes(png())
        (out / "3-gone.png").unlink()
        os.mkfifo(out / "3-gone.png")
        yield daemon, job
    finally:
        daemon.stop()


def samples(daemon: Daemon, job: Job) -> Samples:
    with Client(daemon.home) as client:
        return client.ask(GetSamples(id=job.id))


def test_pixels_fit_the_box_and_keep_their_shape(box: tuple[Daemon, Job]) -> None:
    daemon, job = box
    wanted = GetPicture(id=job.id, step=5, index=0, width=60, height=60)
    picture = daemon.client().ask(wanted)
    assert (picture.width, picture.height) == (60, 40)
    assert len(zlib.decompress(picture.data)) == 60 * 40 * 3
    assert picture.sha256 == samples(daemon, job).pictures[0].sha256
    # never enlarged
    large = daemon.client().ask(GetPicture(id=job.id, step=5, index=0, width=2000, height=9999))
    assert (large.width, large.height) == (300, 200)


def test_a_palette_makes_it_smaller(box: tuple[Daemon, Job]) -> None:
    daemon, job = box
    wanted = {"id": job.id, "step": 5, "index": 0, "width": 100, "height": 100}
    all_colours = daemon.client().ask(GetPicture(**wanted, form="png"))
    few = daemon.client().ask(GetPicture(**wanted, form="png", colours=16))
    assert len(few.data) < len(all_colours.data) / 2
    with Image.open(io.BytesIO(few.data)) as image:
        assert (image.mode, image.size) == ("P", (100, 67))
        assert len(image.convert("RGB").getcolors(1000)) <= 16


def test_a_png_that_fits_is_the_file_itself(box: tuple[Daemon, Job]) -> None:
    daemon, job = box
    wanted = GetPicture(id=job.id, step=5, index=0, width=512, height=512, form="png")
    picture = daemon.client().ask(wanted)
    assert hashlib.sha256(picture.data).hexdigest() == picture.sha256
    assert (picture.width, picture.height) == (300, 200)


@pytest.mark.parametrize(
    ("index", "why"),
    [(1, "cannot be decoded"), (2, "was replaced"), (3, "is no file"), (9, "no picture of prompt")],
)
def test_what_cannot_be_shown_is_a_sentence(box: tuple[Daemon, Job], index: int, why: str) -> None:
    daemon, job = box
    with pytest.raises(RequestRefused, match=why) as refused:
        daemon.client().ask(GetPicture(id=job.id, step=5, index=index, width=8, height=8))
    assert "\n" not in str(refused.value)


def test_other_questions_do_not_wait_for_a_picture(box: tuple[Daemon, Job]) -> None:
    """The answer about the status comes first, though it was asked for last."""
    daemon, job = box
    client = Client(daemon.home)
    client.greet()
    socket = client.control
    from lorad.shared import codec

    wanted = GetPicture(id=job.id, step=5, index=0, width=60, height=60)
    for id, request in (("picture", wanted), ("status", GetStatus())):
        socket.send_multipart(codec.encode(request, id=id, epoch=""))
    order = []
    for _ in range(2):
        assert socket.poll(10_000)
        order.append(codec.decode_header(socket.recv_multipart()).id)
    client.close()
    assert order == ["status", "picture"]


def test_too_many_and_too_late_are_refused() -> None:
    errands = Errands()
    blocked = later.threading.Event()
    late = PictureTooSlow(path="/p.png")

    def wait() -> Samples:
        blocked.wait(20)
        return Samples(pictures=[])

    for number in range(later.WAITING + 20):
        errands.take_on(b"c", str(number), Later(wait, late, -1.0 if number else 60.0))
    refused = {made.id for made in errands.made()}
    assert len(refused) >= 18
    blocked.set()
    answers = {}

    def all_answered() -> bool:
        answers.update({made.id: made.reply for made in errands.made()})
        return len(answers) + len(refused) == later.WAITING + 20

    eventually(all_answered, 20)
    assert answers.pop("0") == Samples(pictures=[])
    assert {reply.kind for reply in answers.values()} == {"PictureTooSlow"}


def test_a_helper_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = png((8, 8))
    (tmp_path / "a.png").write_bytes(data)
    slow = tmp_path / "python"
    slow.write_text("#!/bin/sh\nsleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(pictures.sys, "executable", str(slow))
    monkeypatch.setattr(pictures, "SECONDS", 0.2)
    picture = SamplePicture(
        step=1, index=0, prompt="p", seed=1, sha256=hashlib.sha256(data).hexdigest(),
        path=str(tmp_path / "a.png"), width=8, height=8, thumb_width=0, thumb_height=0, thumb=b"",
    )  # fmt: skip
    begin = time.monotonic()
    with pytest.raises(PictureTooSlow):
        pictures.prepare(GetPicture(id=1, step=1, index=0, width=4, height=4), picture)
    assert time.monotonic() - begin < 30
