"""The daemon from outside: one at a time, on its own sockets, deaf to junk."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import zmq
from support import Daemon, eventually, small_recipe

from lorad.shared import codec
from lorad.shared.client import Client
from lorad.shared.errors import NoDaemon, RequestRefused
from lorad.shared.messages import (
    DAEMON_TOPIC,
    AddJob,
    Beat,
    EnqueueJob,
    GetStatus,
    Hello,
    JobChanged,
    JobRemoved,
    MoveJob,
    PauseJob,
    RemoveJob,
    RestartJob,
    ResumeJob,
    SetPriority,
    StashJob,
    WhyJob,
)


def run_daemon(daemon: Daemon) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lorad.daemon"],
        env=daemon.env, capture_output=True, text=True, timeout=30,
    )  # fmt: skip


def test_a_second_daemon_is_refused_and_the_first_goes_on(daemon: Daemon) -> None:
    second = run_daemon(daemon)
    assert second.returncode == 1
    assert daemon.process is not None
    assert f"A daemon is running already (pid {daemon.process.pid})" in second.stderr
    assert "Traceback" not in second.stderr
    assert daemon.client().ask(GetStatus()).daemon.pid == daemon.process.pid


def test_after_kill_9_the_sockets_are_stale_and_a_new_one_takes_over(daemon: Daemon) -> None:
    epoch = daemon.client().daemon.epoch
    daemon.kill()
    assert Path(daemon.home.control.removeprefix("ipc://")).exists()
    with Client(daemon.home) as client, pytest.raises(NoDaemon, match="lorad up"):
        client.greet()
    daemon.start()
    assert daemon.client().daemon.epoch != epoch


def test_only_the_owner_may_enter(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        daemon = Daemon(tmp_path / "home")
        daemon.start()
    finally:
        os.umask(before)
    folder = daemon.home.folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    daemon.stop()


def test_a_home_with_a_long_path_gets_short_sockets(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / ("long" * 30))
    daemon.start()
    assert daemon.client().ask(GetStatus()).jobs == []
    assert len(daemon.home.control.removeprefix("ipc://")) <= 107
    daemon.stop()


def test_a_home_that_is_a_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    done = run_daemon(Daemon(tmp_path / "home"))
    assert done.returncode == 1
    assert "cannot hold the daemon's sockets" in done.stderr
    assert "Traceback" not in done.stderr


def test_junk_is_answered_and_honest_clients_go_on(daemon: Daemon) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.connect(daemon.home.control)
    for frames in ([b"x"], [b""] * 5, [b"\x91" * 50_000, b""], codec.encode(codec_junk())):
        socket.send_multipart(frames)
        assert socket.poll(5000)
        _, reply = codec.decode(socket.recv_multipart(), codec.replies)
        assert "cannot read this request" in reply.message
    context.destroy(linger=0)
    assert daemon.client().ask(GetStatus()).jobs == []


def codec_junk() -> Beat:
    return Beat(heads={})  # an event is no request


def test_another_protocol_is_a_sentence(daemon: Daemon) -> None:
    client = daemon.client()
    with pytest.raises(RequestRefused, match="speaks protocol 98 to 99"):
        client.ask(Hello(protocol_min=98, protocol_max=99, client="old"))


def test_a_command_for_an_earlier_daemon_is_refused(daemon: Daemon, tmp_path: Path) -> None:
    client = daemon.client()
    assert client.daemon
    daemon.kill()
    daemon.start()
    job = daemon.add(small_recipe(tmp_path), stash=True)
    with pytest.raises(RequestRefused, match="restarted meanwhile"):
        client.ask(EnqueueJob(id=job.id))
    assert daemon.job(job.id).state == "stashed"


def test_the_same_command_twice_acts_once(daemon: Daemon, tmp_path: Path) -> None:
    client = daemon.client()
    client.greet()
    recipe = small_recipe(tmp_path)
    request = AddJob(recipe=recipe.read_text(), folder=str(tmp_path), stash=True)
    command = uuid.uuid4().hex
    replies = [client.ask(request, command_id=command) for _ in range(2)]
    assert replies[0] == replies[1]
    assert len(client.ask(GetStatus()).jobs) == 1


def test_the_queue_by_its_verbs_and_its_events(daemon: Daemon, tmp_path: Path) -> None:
    client = daemon.client()
    watch = client.watch("queue/")
    watch.wait_attached(60)
    recipe = small_recipe(tmp_path)
    ids = [daemon.add(recipe, stash=True).id for _ in range(3)]
    client.ask(SetPriority(id=ids[2], priority=5))
    client.ask(RemoveJob(id=ids[0]))
    heard = [watch.receive(60) for _ in range(5)]
    told = [
        (type(h.event), h.event.job.id if isinstance(h.event, JobChanged) else h.event.id)
        for h in heard
        if h is not None
    ]
    assert told == [(JobChanged, i) for i in (*ids, ids[2])] + [(JobRemoved, ids[0])]
    assert [h.header.seq for h in heard if h] == list(
        range(heard[0].header.seq, heard[0].header.seq + 5)
    )
    watch.close()


@pytest.mark.parametrize(
    ("request_", "sentence", "exit_code"),
    [
        (WhyJob(id=99), "There is no job 99", 2),
        (PauseJob(id=1), "Job 1 is stashed, so it cannot be paused. It does not run", 1),
        (ResumeJob(id=1), "`lorad enqueue 1`", 1),
        (RestartJob(id=1), "`lorad enqueue 1`", 1),
        (StashJob(id=1), "Job 1 is stashed, so it cannot be stashed", 1),
        (MoveJob(id=1, to=1), "Job 1 is stashed, so it cannot be moved", 1),
        (AddJob(recipe="x", folder="/"), "not valid TOML", 2),
        (AddJob(recipe='name="a"\n[data]\npath="p"', folder="relative"), "absolute path", 2),
    ],
)
def test_the_impossible_is_refused(
    daemon: Daemon, tmp_path: Path, request_: object, sentence: str, exit_code: int
) -> None:
    daemon.add(small_recipe(tmp_path), stash=True)
    with pytest.raises(RequestRefused) as caught:
        daemon.client().ask(request_)
    assert sentence in str(caught.value)
    assert caught.value.exit_code == exit_code


def test_two_jobs_never_write_to_one_folder(daemon: Daemon, tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path)
    recipe.write_text(recipe.read_text() + '[output]\nfolder = "same"\n')
    daemon.add(recipe, stash=True)
    with pytest.raises(RequestRefused, match=r"Job 1 writes to .*same already"):
        daemon.add(recipe, stash=True)
    assert len(daemon.client().ask(GetStatus()).jobs) == 1


def waiting_order(client: Client) -> list[int]:
    return [job.id for job in client.ask(GetStatus()).jobs if job.state == "queued"]


def test_moving_in_the_queue(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "home", LORAD_FAKE_GPUS="1")
    daemon.start()
    recipe = small_recipe(tmp_path)
    recipe.write_text(recipe.read_text().replace("[train]", "[train]\ngpu_memory_gib = 1000"))
    ids = [daemon.add(recipe).id for _ in range(4)]
    client = daemon.client()
    for job, to, order in (
        (4, 1, [4, 1, 2, 3]),
        (4, 3, [1, 2, 4, 3]),
        (1, 99, [2, 4, 3, 1]),
        (2, 2, [4, 2, 3, 1]),
        (2, 2, [4, 2, 3, 1]),
    ):
        client.ask(MoveJob(id=job, to=to))
        assert waiting_order(client) == order
    client.ask(SetPriority(id=1, priority=3))
    assert waiting_order(client) == [1, 4, 2, 3]
    client.ask(MoveJob(id=3, to=1))  # ahead of a job of another priority: it takes that on
    assert waiting_order(client) == [3, 1, 4, 2]
    client.ask(MoveJob(id=3, to=4))
    assert waiting_order(client) == [1, 4, 2, 3]
    why = client.ask(WhyJob(id=ids[0])).sentence
    assert "waits for 1000.0 GiB of free memory, and no card here has that much" in why
    daemon.stop()


def test_a_recipe_that_this_version_cannot_read_fails_its_job_alone(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "home", LORAD_FAKE_GPUS="1")
    daemon.start()
    job = daemon.add(small_recipe(tmp_path), stash=True)
    daemon.kill()
    with sqlite3.connect(daemon.home.database) as db:
        db.execute("UPDATE jobs SET recipe = 'x = ['")
    db.close()
    daemon.start()
    daemon.client().ask(EnqueueJob(id=job.id))
    job = daemon.wait_state(job.id, "failed")
    assert "not valid TOML" in job.status.reason
    daemon.stop()


def test_without_a_driver_the_gauges_say_so(daemon: Daemon) -> None:
    status = daemon.client().ask(GetStatus())
    if not status.gpus:
        assert "no NVIDIA driver" in status.host.gpu_note
    assert status.host.memory_total_bytes > status.host.memory_used_bytes > 0


def test_it_beats(daemon: Daemon) -> None:
    watch = daemon.client().watch(DAEMON_TOPIC)
    watch.wait_attached(60)
    first = eventually(lambda: watch.receive(3), 5)
    second = eventually(lambda: watch.receive(3), 5)
    assert second.header.seq == first.header.seq + 1
    watch.close()
