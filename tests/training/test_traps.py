"""Folders that somebody prepared to block, to crash or to deceive, or that merely came that way."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from crashing import crash
from PIL import Image

from lorad.daemon.training.data.crew import in_workers
from lorad.daemon.training.data.index import Index, stamp
from lorad.daemon.training.data.item import Item
from lorad.daemon.training.data.look import look
from lorad.daemon.training.data.manifest import Entry, hold
from lorad.daemon.training.data.reading import read_regular
from lorad.daemon.training.data.seen import look_over
from lorad.shared import errors

from .test_data import items, metadata, write_picture

HOSTILE = "a\x1b]52;c;aGk=\x07\n[b]\u202e.png"


@pytest.fixture(autouse=True)
def _impatience() -> Iterator[None]:
    """What blocks is interrupted."""
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits for ever"))
    signal.alarm(60)
    yield
    signal.alarm(0)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with one good picture and its caption."""
    write_picture(tmp_path / "pictures" / "good.png")
    (tmp_path / "pictures" / "good.txt").write_text("good")
    return tmp_path / "pictures"


def names(folder: Path) -> list[str]:
    return [item.name for item in items(folder.parent)]


def test_pipes_sockets_and_devices_are_no_pictures(pictures: Path) -> None:
    os.mkfifo(pictures / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(pictures / "socket.png"))
    (pictures / "zero.png").symlink_to("/dev/zero")
    assert names(pictures) == ["good.png"]


@pytest.mark.parametrize("name", ["good.caption", "metadata.csv", "metadata.parquet"])
def test_a_pipe_in_the_place_of_captions_is_not_waited_for(pictures: Path, name: str) -> None:
    os.mkfifo(pictures / name)
    assert items(pictures.parent)[0].captions == ("good",)


def test_a_pipe_that_takes_a_files_place_later_is_not_waited_for(pictures: Path) -> None:
    (item,) = items(pictures.parent)
    (pictures / "good.png").unlink()
    os.mkfifo(pictures / "good.png")
    with pytest.raises(OSError, match="no regular file"):
        item.read()
    assert look_over([item]).pictures[0].why == "it is no regular file"


def test_loops_of_links_end(pictures: Path) -> None:
    (pictures / "again").symlink_to(pictures)
    (pictures / "self.png").symlink_to(pictures / "self.png")
    (pictures / "sub").mkdir()
    (pictures / "sub" / "up").symlink_to("..")
    assert names(pictures) == ["good.png"]


def test_a_linked_folder_is_entered_once_and_under_its_own_name(pictures: Path) -> None:
    write_picture(pictures / "real" / "a.png")
    (pictures / "real" / "a.txt").write_text("a")
    (pictures / "a-link").symlink_to(pictures / "real")
    assert names(pictures) == ["good.png", "real/a.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_a_folder_that_may_not_be_looked_into_is_said(
    pictures: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    (pictures / "closed").mkdir(mode=0)
    assert names(pictures) == ["good.png"]
    assert "may not be looked into: closed" in caplog.text


def test_names_as_long_as_a_name_can_be(pictures: Path) -> None:
    longest = "x" * 251 + ".png"
    write_picture(pictures / longest)
    (pictures / ("x" * 251 + ".txt")).write_text("long")
    assert names(pictures) == ["good.png", longest]


def test_names_that_are_no_utf_8_survive_in_json(pictures: Path, tmp_path: Path) -> None:
    raw = os.fsencode(pictures) + b"/\xff\xfe"
    os.rename(pictures / "good.png", raw + b".png")
    os.rename(pictures / "good.txt", raw + b".txt")
    found = items(pictures.parent)
    assert found[0].captions == ("good",)
    (entry,) = hold(found, tmp_path / "manifest.json", fresh=True)
    assert entry.name == "\\udcff\\udcfe.png"
    assert json.loads((tmp_path / "manifest.json").read_text())[0]["name"] == entry.name
    assert hold(found, tmp_path / "manifest.json", fresh=False) == [entry]


def test_names_that_a_terminal_would_obey_never_reach_it(
    pictures: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    os.rename(pictures / "good.png", pictures / HOSTILE)
    with pytest.raises(errors.NoCaptions):
        items(pictures.parent)
    write_picture(pictures / "b.png")
    (pictures / "b.txt").write_text("b")
    with pytest.raises(errors.CaptionsMissing) as caught:
        items(pictures.parent)
    os.rename(pictures, pictures.parent / HOSTILE)
    with pytest.raises(errors.CaptionsMissing) as by_folder:
        items(pictures.parent, f"path = {json.dumps(HOSTILE)}")
    for sentence in (str(caught.value), str(by_folder.value), caplog.text):
        assert not set("\x1b\x07\u202e") & set(sentence)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["file:///etc/passwd", "x/../../../etc/passwd", "..", "/dev/zero"])
def test_metadata_that_point_elsewhere(tmp_path: Path, name: str) -> None:
    metadata(tmp_path, json.dumps({"file_name": name, "text": "x"}), "metadata.jsonl")
    with pytest.raises(errors.OutsideFolder):
        items(tmp_path)


def test_metadata_that_list_a_pipe(pictures: Path) -> None:
    os.mkfifo(pictures / "pipe.png")
    (pictures / "metadata.csv").write_text("file_name,text\npipe.png,x\n")
    with pytest.raises(errors.ListedFileMissing):
        items(pictures.parent)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"file_name": 1e999}', "null", '"a.png"', '{"file_name": "a\\u0000"}']
)
def test_json_that_is_no_metadata(tmp_path: Path, text: str) -> None:
    metadata(tmp_path, text, "metadata.jsonl")
    with pytest.raises(errors.BadMetadata):
        items(tmp_path)


def test_a_hundred_mistakes_are_told_at_once(tmp_path: Path) -> None:
    metadata(tmp_path, "file_name,text\na.png,x\n")
    (tmp_path / "pictures" / "metadata.csv").write_text(
        "file_name,text\n" + "".join(f"{n}.png,x\n" for n in range(100))
    )
    with pytest.raises(errors.ListedFileMissing, match="and 95 more"):
        items(tmp_path)


# -- what decodes them ----------------------------------------------------------------------------


def test_a_file_that_ends_its_decoder_is_the_only_one_to_suffer() -> None:
    files = [b"%d" % n for n in range(30)]
    files[3] = files[17] = b"crash"
    found = list(in_workers(crash, [lambda data=data: data for data in files]))
    why = [str(f) if isinstance(f, ValueError) else f.sha256 for f in found]
    expected = [str(n) for n in range(30)]
    expected[3] = expected[17] = "it ends the program that decodes it"
    assert why == expected


def test_a_decoder_has_only_so_much_memory() -> None:
    (found,) = in_workers(crash, [lambda: b"greedy"])
    assert str(found) == "it takes more memory than a picture may"


def test_no_decoder_outlives_its_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import time\n"
        "from lorad.daemon.training.data.crew import Decoder\n"
        "from lorad.daemon.training.data.look import look\n"
        "decoder = Decoder(look)\n"
        "decoder.begin(b'no picture')\n"
        "assert decoder.answer() == 'it is no picture'\n"
        "print(decoder.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    import subprocess
    import sys

    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 60
    while _is_alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


# -- the index ------------------------------------------------------------------------------------


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds from now, since a file's ctime cannot be set back."""
    now = time.time_ns
    monkeypatch.setattr("lorad.daemon.training.data.index.time.time_ns", lambda: now() + 10**10)


def entry_of(path: Path, manifest: Path, index: Path) -> Entry:
    item = Item("a", ("x",), lambda: read_regular(path), path=path)
    return hold([item], manifest, fresh=True, index=Index(index))[0]


@pytest.mark.usefixtures("later")
def test_a_known_file_is_not_read_again_until_it_changes(tmp_path: Path) -> None:
    # Of a BMP the size stays as well: only ctime tells.
    picture, index, manifest = tmp_path / "a.bmp", tmp_path / "i", tmp_path / "manifest.json"
    write_picture(picture)
    first = entry_of(picture, manifest, index)

    def never() -> bytes:
        raise AssertionError("it was read")

    known = Item("a", ("x",), never, path=picture)
    assert hold([known], manifest, fresh=True, index=Index(index)) == [first]
    before = os.stat(picture)
    Image.new("RGB", (32, 32), "blue").save(picture)
    os.utime(picture, ns=(before.st_atime_ns, before.st_mtime_ns))
    now = os.stat(picture)
    assert (now.st_mtime_ns, now.st_size) == (before.st_mtime_ns, before.st_size)
    second = entry_of(picture, manifest, index)
    assert second.sha256 != first.sha256
    index.write_bytes(b"junk")
    assert entry_of(picture, manifest, index) == second


def test_a_file_that_was_changed_just_now_is_not_believed(tmp_path: Path) -> None:
    picture, index = tmp_path / "a.png", tmp_path / "i"
    write_picture(picture)
    entry_of(picture, tmp_path / "manifest.json", index)
    assert Index(index).known(picture, whole=False) is None


@pytest.mark.usefixtures("later")
def test_a_header_that_was_read_is_no_picture_that_was_decoded(tmp_path: Path) -> None:
    picture, index = tmp_path / "a.png", tmp_path / "i"
    write_picture(picture)
    whole = picture.read_bytes()
    picture.write_bytes(whole[:-40])
    entry_of(picture, tmp_path / "manifest.json", index)
    item = Item("a", ("x",), lambda: read_regular(picture), path=picture)
    assert look_over([item], Index(index)).pictures[0].look is None
    picture.write_bytes(whole)
    kept = Index(index)
    kept.keep(picture, stamp(picture), look(whole), whole=True)
    kept.save()
    assert Index(index).known(picture, whole=True) == look(whole)


@pytest.mark.parametrize("module", ["begin", "data.decoder", "data.looking"])
def test_what_looks_at_pictures_needs_no_torch(module: str) -> None:
    import subprocess
    import sys

    code = (
        f"import sys, lorad.daemon.training.{module}\n"
        "assert not {'torch', 'datasets', 'diffusers', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
