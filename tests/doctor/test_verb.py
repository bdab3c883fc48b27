"""`lorad doctor`, through the front door."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from cli.conftest import Lorad, home, lorad, work  # noqa: F401 - fixtures
from support import Daemon, eventually, small_recipe

from lorad.daemon.store.database import VERSION
from lorad.shared.messages import PauseJob

pytestmark = pytest.mark.usefixtures("work")
TOKEN = "hf_CanaryCanaryCanary1234567890"


def checks(lorad: Lorad, expected: int, **environment: str) -> dict[str, dict[str, str]]:  # noqa: F811
    ended = lorad("doctor", "--json", **environment)
    assert ended.returncode == expected, ended.stdout + ended.stderr
    assert TOKEN not in ended.stdout + ended.stderr
    return {check["name"]: check for check in json.loads(ended.stdout)["checks"]}


def test_without_a_daemon_nothing_is_made(lorad: Lorad, home: Path) -> None:  # noqa: F811
    found = checks(lorad, 0, HF_TOKEN=TOKEN)
    assert found["daemon"]["text"] == "None runs."
    assert found["queue"]["verdict"] == "ok"
    assert "a token is found" in found["hub"]["text"]
    assert not home.exists()


def test_a_daemon_at_work_and_what_is_wrong_around_it(
    lorad: Lorad,  # noqa: F811
    home: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    daemon = Daemon(home)
    daemon.start()
    try:
        job = daemon.add(small_recipe(tmp_path, steps=400, checkpointing_steps=2))
        daemon.wait_step(job.id, 2)
        daemon.client().ask(PauseJob(id=job.id))
        daemon.wait_state(job.id, "paused")
        found = checks(lorad, 0)
        assert "answers (pid" in found["daemon"]["text"]
        assert found["queue"]["text"] == f"Its database is sound (version {VERSION})."
        assert "whole to the last byte" in found["checkpoints"]["text"]
        weights = next(Path(daemon.job(job.id).folder).glob("checkpoint-*/*.safetensors"))
        weights.write_bytes(weights.read_bytes()[:-1] + b"?")
        home.chmod(0o755)
        found = checks(lorad, 1)
        assert found["checkpoints"]["verdict"] == "wrong"
        assert f"job {job.id}, " in found["checkpoints"]["text"]
        assert found["state"]["todo"] == f"chmod 700 {home}"
    finally:
        daemon.stop()


def test_a_damaged_queue_is_found_and_left_as_it_is(lorad: Lorad, home: Path) -> None:  # noqa: F811
    daemon = Daemon(home)
    daemon.start()
    daemon.stop()
    eventually(lambda: daemon.home.daemon_pid() is None)
    path = daemon.home.database
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = db.execute("PRAGMA page_size").fetchone()[0]
        # Of a table that is not read for the list of jobs: only a whole look finds it.
        where = "SELECT rootpage FROM sqlite_master WHERE name = 'transitions'"
        page = db.execute(where).fetchone()[0]
    pages = bytearray(path.read_bytes())
    pages[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(pages)
    assert checks(lorad, 1)["queue"]["verdict"] == "wrong"
    assert path.read_bytes() == bytes(pages)


def test_a_killed_daemon_left_its_sockets(lorad: Lorad, home: Path) -> None:  # noqa: F811
    daemon = Daemon(home)
    daemon.start()
    daemon.kill()
    assert "left its sockets" in checks(lorad, 0)["daemon"]["text"]


def test_it_reads_well(lorad: Lorad) -> None:  # noqa: F811
    lines = lorad("doctor").stdout.splitlines()
    assert lines[0].startswith("ok       Python")
    assert lines[-1] == "All is well." or lines[-1].startswith("Nothing is wrong; ")
