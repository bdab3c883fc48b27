"""The queue's file over the years, and when it is damaged: nothing is lost, nothing is emptied."""

from __future__ import annotations

import errno
import json
import logging
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support import Daemon

from lorad.daemon import __main__ as daemon_main
from lorad.daemon import filesystems
from lorad.daemon.filesystems import filesystem_of, refuse_network
from lorad.daemon.store import Store, database
from lorad.daemon.store.database import VERSION, begin_anew
from lorad.daemon.store.replay import check_log
from lorad.daemon.store.rows import NewJob
from lorad.shared.errors import HomeOnNetwork, StoreBusy, StoreFull, StoreReadable, StoreUnreadable
from lorad.shared.messages import GetStatus, Point, Removed
from lorad.shared.recipe import parse_recipe

DATABASES = Path(__file__).parent / "databases"
OLD = range(1, VERSION)
TEXT = 'name = "a"\n[data]\npath = "p"\n'


def old(version: int, folder: Path) -> Path:
    """A copy of the database that lorad made when that was its version."""
    return Path(shutil.copy(DATABASES / f"v{version}.db", folder / "lorad.db"))


def told(store: Store) -> list[dict[str, Any]]:
    return [
        {
            "id": job.id, "name": job.name, "status": json.loads(msgspec.json.encode(job.status)),
            "priority": job.priority, "position": job.position, "step": job.progress.step,
            "folder": job.folder, "steps": job.max_train_steps,
            "history": [list(line) for line in store.transitions(job.id)],
        }
        for job in store.jobs()
    ]  # fmt: skip


def small_store(path: Path, jobs: int = 40) -> None:
    store = Store(path)
    for _ in range(jobs):
        store.add(
            NewJob(parse_recipe(TEXT), TEXT, Path("/r"), True, 0), "me", lambda id: Path("/o")
        )
    points = [
        Point(step=step, time=1.0, loss=0.5, learning_rate=1e-3, grad_norm=1.0,
              images_per_second=2.0)
        for step in range(1, 4000)
    ]  # fmt: skip
    store.add_points(1, points)
    store.close()


@pytest.mark.parametrize("version", OLD)
def test_an_old_database_shows_the_same_jobs(version: int, tmp_path: Path) -> None:
    before = json.loads((DATABASES / f"v{version}.json").read_text())
    path = old(version, tmp_path)
    for _ in range(2):  # taken over once, then opened as it is
        store = Store(path)
        assert told(store) == before
        assert check_log(store) == []
        assert store.recall("a command") == Removed(id=before[-1]["id"] + 1)
        assert [point.step for point in store.points(2, 0, 9)] == [1, 2, 3]
        assert {job.after_reboot for job in store.jobs()} == {"resume"}
        store.close()
    # What changes from now on is told by the log, too.
    store = Store(path)
    store.set_place(store.job(2), 4, 2.0 / 3.0, "move", "me")
    assert check_log(store) == []
    store.close()


@pytest.mark.parametrize("version", OLD)
def test_a_copy_is_kept_before_a_database_is_taken_over(version: int, tmp_path: Path) -> None:
    path = old(version, tmp_path)
    with sqlite3.connect(path) as db:
        before = list(db.iterdump())
    db.close()
    Store(path).close()
    with sqlite3.connect(f"{path}.v{version}") as db:
        assert list(db.iterdump()) == before
        assert db.execute("PRAGMA user_version").fetchone() == (version,)
    db.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["lorad.db", f"lorad.db.v{version}"]


def test_every_earlier_version_has_its_database_here() -> None:
    assert [(DATABASES / f"v{version}.db").exists() for version in OLD] == [True] * len(OLD)


# -- damage --------------------------------------------------------------------------------------


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def zero_a_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(bytes(4096))


def tear_pages(path: Path) -> None:
    chance = random.Random(5)
    with path.open("r+b") as file:
        for page in range(1, path.stat().st_size // 4096):
            file.seek(page * 4096 + chance.randrange(64))
            file.write(chance.randbytes(64))


def tear_a_leaf(path: Path) -> None:
    """Far from all that a daemon reads when it starts: only who looks at every page sees it."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 4096 // 2 * 4096)
        file.write(b"\xff" * 64)


DAMAGES = [cut, zero_a_page, tear_pages, tear_a_leaf]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_queue_is_never_emptied(damage: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "home" / "lorad.db"
    path.parent.mkdir()
    small_store(path)
    damage(path)
    before = path.read_bytes()
    daemon = Daemon(path.parent)
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "lorad.daemon"],
            env=daemon.env, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 1
        assert f"The queue in {path} cannot be read" in done.stderr
        assert "lorad up --new-queue" in done.stderr
        assert "Traceback" not in done.stderr
        assert path.read_bytes() == before


def test_a_new_queue_keeps_the_damaged_one(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    small_store(home / "lorad.db")
    zero_a_page(home / "lorad.db")
    before = (home / "lorad.db").read_bytes()
    daemon = Daemon(home)

    def up(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "lorad.tui", "up", *more],
            env=daemon.env, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    refused = up()
    assert refused.returncode != 0
    assert "--new-queue" in refused.stderr
    try:
        done = up("--new-queue")
        assert done.returncode == 0, done.stderr
        (kept,) = home.glob("lorad.db.*T*")
        assert f"The queue that could not be read is kept as {kept}." in done.stdout
        assert kept.read_bytes() == before
        client = daemon.client()
        assert client.ask(GetStatus()).jobs == []
    finally:
        subprocess.run([sys.executable, "-m", "lorad.tui", "down"], env=daemon.env, timeout=60)
        daemon.stop()


def test_a_queue_that_can_be_read_is_not_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "lorad.db"
    assert begin_anew(path) is None
    small_store(path, 1)
    with pytest.raises(StoreReadable, match="nothing was put aside"):
        begin_anew(path)
    assert [file.name for file in tmp_path.iterdir()] == ["lorad.db"]


def test_a_sound_queue_that_cannot_be_opened_now_is_not_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = old(2, tmp_path)
    before = path.read_bytes()
    other = sqlite3.connect(path, isolation_level=None, timeout=0)
    other.execute("BEGIN EXCLUSIVE")
    connect = sqlite3.connect
    with monkeypatch.context() as patch:  # five seconds are SQLite's own patience
        patch.setattr(sqlite3, "connect", lambda path, **more: connect(path, timeout=0, **more))
        with pytest.raises(StoreBusy, match="database is locked"):
            begin_anew(path)
    other.close()
    monkeypatch.setattr(database, "sync", lambda path: raise_full())
    with pytest.raises(StoreFull):
        begin_anew(path)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*T*"))


def raise_full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_nothing_of_a_damaged_queue_is_left_for_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "lorad.db"
    small_store(path)
    tear_pages(path)
    for ending in ("-wal", "-shm"):  # as a daemon that was killed leaves them
        Path(f"{path}{ending}").write_bytes(b"torn" * 100)
    kept = begin_anew(path)
    assert kept is not None
    assert [file for file in tmp_path.iterdir() if not file.name.startswith(kept.name)] == []
    with pytest.raises(StoreUnreadable):
        Store(kept)
    Store(path).close()


def test_rows_of_no_job_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "lorad.db"
    small_store(path, 2)
    store = Store(path)
    store.begin_attempt(2)
    store.close()
    with sqlite3.connect(path) as db:  # which knows nothing of keys
        db.execute("DELETE FROM jobs WHERE id = 2")
    db.close()
    with caplog.at_level(logging.WARNING):
        store = Store(path)
    assert "1 rows of the table attempts" in caplog.text
    assert [job.id for job in store.jobs()] == [1]
    (sentence,) = check_log(store)
    assert sentence.startswith("Job 2 is not there in the table and stashed")
    store.close()


# -- network file systems ------------------------------------------------------------------------

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:25 / /home rw shared:2 - nfs4 server:/home rw,vers=4.2
31 30 0:26 / /home/ann/local\\040disk rw - xfs /dev/sdb1 rw
32 22 0:27 / /mnt/win rw - cifs //box/share rw
33 22 0:28 / /mnt/ssh rw master:1 propagate_from:2 - fuse.sshfs ann@box: rw
34 22 8:3 / /over rw - ext4 /dev/sdc1 rw
35 34 0:29 / /over rw - nfs server:/over rw
a line of another kernel
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib/lorad", "ext4"),
        ("/homely", "ext4"),
        ("/home/ann/.local/state/lorad", "nfs4"),
        ("/home/ann/local disk/lorad", "xfs"),
        ("/mnt/win", "cifs"),
        ("/mnt/ssh/lorad", "fuse.sshfs"),
        ("/over/lorad", "nfs"),
    ],
)
def test_the_kind_of_a_file_system(folder: str, kind: str) -> None:
    assert filesystem_of(Path(folder), MOUNTS) == kind


def test_a_link_leads_to_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/home/ann")
    assert filesystem_of(tmp_path / "link" / "lorad", MOUNTS) == "nfs4"


def test_the_daemon_refuses_a_network_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS + f"36 22 0:30 / {tmp_path} rw - nfs4 server:/tmp rw\n")
    monkeypatch.setattr(filesystems, "MOUNTS", mounts)
    monkeypatch.setenv("LORAD_HOME", str(tmp_path / "home"))
    assert daemon_main.main() == 1
    said = capsys.readouterr().err
    assert f"{tmp_path / 'home'} is on a network file system (nfs4)" in said
    assert "LORAD_HOME" in said
    assert not (tmp_path / "home" / "lorad.db").exists()
    with pytest.raises(HomeOnNetwork):
        refuse_network(tmp_path / "home")
    monkeypatch.setattr(filesystems, "MOUNTS", tmp_path / "none")
    refuse_network(tmp_path / "home")
