"""`lorad get`: a job's files come whole, go on where they broke off, and only from its folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Daemon

from lorad.shared.client import Client
from lorad.shared.errors import DaemonError, FileChanged, RequestRefused
from lorad.shared.jobs import Job
from lorad.shared.messages import AddJob, FileInfo, FilePiece, GetFile
from lorad.tui import fetching
from lorad.tui.fetching import RECORD, Fetcher, chosen, list_files
from remote.conftest import Box

RECIPE = 'name = "mono"\n[data]\npath = "pictures"\n[train]\nmax_train_steps = 5\n'


def fill(daemon: Daemon, folder: Path) -> Job:
    """A job with files, none of which it made."""
    folder.mkdir(exist_ok=True)
    request = AddJob(recipe=RECIPE, folder=str(folder), stash=True)
    job = daemon.client().ask(request).job
    out = Path(job.folder)
    (out / "mono.safetensors").write_bytes(os.urandom(300_000))
    (out / "README.md").write_text("what it is\n")
    (out / "empty.txt").touch()
    (out / "samples").mkdir()
    (out / "samples" / "step-1.png").write_bytes(b"png")
    (out / "checkpoint-4").mkdir()
    (out / "checkpoint-4" / "state.safetensors").write_bytes(b"state")
    return job


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path / "home")
    daemon.start()
    yield daemon
    daemon.stop()


def test_over_the_link_into_a_folder_of_its_own(box: Box) -> None:
    box.daemon.start()
    job = fill(box.daemon, box.folder / "there")
    done = box.lorad("--host", "box", "get", "1")
    assert done.returncode == 0, done.stderr
    here = box.folder / "mono-1"
    names = {path.relative_to(here).as_posix() for path in here.rglob("*") if path.is_file()}
    assert names - {RECORD} == {"mono.safetensors", "README.md", "empty.txt", "samples/step-1.png"}
    for name in names - {RECORD}:
        assert (here / name).read_bytes() == Path(job.folder, name).read_bytes()
    assert str(Path("mono-1/mono.safetensors")) in done.stdout.splitlines()
    again = box.lorad("--host", "box", "get", "1", "--only", "*.safetensors")
    assert "mono.safetensors is here already" in again.stderr
    assert len(again.stdout.splitlines()) == 2, "a pattern chooses from the checkpoints too"


def test_a_file_of_yours_is_left_alone_and_one_that_was_brought_is_renewed(box: Box) -> None:
    box.daemon.start()
    job = fill(box.daemon, box.folder / "there")
    mine = box.folder / "mine"
    mine.mkdir()
    (mine / "README.md").write_text("my notes\n")
    get = ("--host", "box", "get", "1", "mine", "--only")
    refused = box.lorad(*get, "README.md")
    assert refused.returncode == 2
    assert "README.md is here already and is no file of job 1's" in refused.stderr
    assert (mine / "README.md").read_text() == "my notes\n"
    assert box.lorad(*get, "mono.*").returncode == 0
    Path(job.folder, "mono.safetensors").write_bytes(b"after more steps")
    assert box.lorad(*get, "mono.*").returncode == 0
    assert (mine / "mono.safetensors").read_bytes() == b"after more steps"
    assert box.lorad(*get, "README.md", "--force").returncode == 0
    assert (mine / "README.md").read_text() == "what it is\n"


def test_it_goes_on_where_it_broke_off(daemon: Daemon, tmp_path: Path) -> None:
    job = fill(daemon, tmp_path / "there")
    here = tmp_path / "here"
    here.mkdir()
    whole = Path(job.folder, "mono.safetensors").read_bytes()
    (here / "mono.safetensors.part").write_bytes(whole[:200_000])
    client = daemon.client()
    file = next(one for one in list_files(client, job.id) if one.name == "mono.safetensors")
    came: list[int] = []
    brought = Fetcher(client, job.id, here).fetch(file, came.append)
    assert sum(came) == 100_000
    assert brought.path.read_bytes() == whole
    assert not (here / "mono.safetensors.part").exists()


def test_the_part_of_another_version_is_begun_anew(daemon: Daemon, tmp_path: Path) -> None:
    job = fill(daemon, tmp_path / "there")
    here = tmp_path / "here"
    here.mkdir()
    (here / "mono.safetensors.part").write_bytes(b"x" * 1000)
    client = daemon.client()
    file = next(one for one in list_files(client, job.id) if one.name == "mono.safetensors")
    brought = Fetcher(client, job.id, here).fetch(file)
    assert brought.path.read_bytes() == Path(job.folder, "mono.safetensors").read_bytes()


def test_a_file_that_is_written_anew_meanwhile(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = fill(daemon, tmp_path / "there")
    path = Path(job.folder, "mono.safetensors")
    client = daemon.client()
    file = next(one for one in list_files(client, job.id) if one.name == "mono.safetensors")
    times = iter([1, 2, 3])
    fetcher = Fetcher(client, job.id, tmp_path / "here")
    monkeypatch.setattr(fetching, "LARGEST_PIECE", 64 * 1024)

    def save_again(size: int) -> None:
        if next(times, None) == 2:
            path.write_bytes(b"newer" * 50_000)

    assert fetcher.fetch(file, save_again).path.read_bytes() == b"newer" * 50_000
    with pytest.raises(FileChanged):
        fetcher.fetch(file, lambda size: path.write_bytes(os.urandom(260_000)))


@pytest.mark.parametrize("name", ["../a.toml", "/etc/passwd", "link", "out/a", "samples", "", "."])
def test_nothing_outside_the_folder_and_no_links(daemon: Daemon, tmp_path: Path, name: str) -> None:
    job = fill(daemon, tmp_path / "there")
    out = Path(job.folder)
    (tmp_path / "there" / "output" / "a.toml").write_text("secret")
    (tmp_path / "a").write_text("secret")
    (out / "link").symlink_to(tmp_path / "a")
    (out / "out").symlink_to(tmp_path)
    client = daemon.client()
    with pytest.raises(RequestRefused) as refused:
        client.ask(GetFile(id=job.id, name=name, offset=0))
    assert refused.value.kind == "FileNotThere"
    assert not {"link", "out/a"} & {file.name for file in list_files(client, job.id)}


def test_a_pipe_in_the_folder_holds_nobody_up(daemon: Daemon, tmp_path: Path) -> None:
    job = fill(daemon, tmp_path / "there")
    os.mkfifo(Path(job.folder, "pipe"))
    with pytest.raises(RequestRefused):
        daemon.client().ask(GetFile(id=job.id, name="pipe", offset=0))


def test_a_piece_is_at_most_a_mebibyte(daemon: Daemon, tmp_path: Path) -> None:
    job = fill(daemon, tmp_path / "there")
    Path(job.folder, "big").write_bytes(bytes(3 << 20))
    piece = daemon.client().ask(GetFile(id=job.id, name="big", offset=5, limit=1 << 30))
    assert isinstance(piece, FilePiece)
    assert (len(piece.data), piece.file.size) == (1 << 20, 3 << 20)


def test_a_hostile_box_writes_nowhere_else() -> None:
    names = ["../a", "/etc/a", "a/../../b", "good/a"]
    files = [FileInfo(name=name, size=1, modified_ns=1) for name in names]
    assert [file.name for file in chosen(files, True, [])] == ["good/a"]


def test_damage_on_the_way_is_noticed(daemon: Daemon, tmp_path: Path) -> None:
    job = fill(daemon, tmp_path / "there")

    class Damaging(Client):
        def ask(self, request, timeout=15.0, command_id=None):  # type: ignore[no-untyped-def]
            reply = super().ask(request, timeout, command_id)
            if isinstance(reply, FilePiece):
                data = b"?" + reply.data[1:]
                return FilePiece(file=reply.file, offset=reply.offset, data=data)
            return reply

    with Damaging(daemon.home) as client:
        file = next(one for one in list_files(client, job.id) if one.name == "README.md")
        with pytest.raises(DaemonError, match="arrived otherwise"):
            Fetcher(client, job.id, tmp_path / "here").fetch(file)
    assert list((tmp_path / "here").iterdir()) == []


def test_hashes_are_those_of_the_file(daemon: Daemon, tmp_path: Path) -> None:
    job = fill(daemon, tmp_path / "there")
    client = daemon.client()
    file = next(one for one in list_files(client, job.id) if one.name == "README.md")
    digest = Fetcher(client, job.id, tmp_path)._hash(file)
    assert digest.sha256 == hashlib.sha256(b"what it is\n").hexdigest()
