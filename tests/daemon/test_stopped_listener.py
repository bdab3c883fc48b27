"""A listener that is stopped, as a frozen terminal's process is: the daemon does not notice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from support import Daemon, eventually

from lorad.shared.messages import AddJob, Batch, CancelJob, GetHealth, GetStatus, SetPriority

LISTEN = """
import os, sys
from lorad.shared.client import Client
client = Client()
watch = client.watch("")
watch.wait_attached(60)
print("ready", flush=True)
while True:
    if heard := watch.receive(10):
        print(heard.topic, heard.header.seq, flush=True)
"""
RECIPE = 'name = "mono"\n[data]\npath = "pictures"\n[train]\nmax_train_steps = 5\n'
EVENTS = 4000


def test_it_costs_the_daemon_neither_time_nor_memory(daemon: Daemon, tmp_path: Path) -> None:
    """With a flood of events for a listener that reads none, every command is still answered."""
    assert daemon.process is not None
    listener = subprocess.Popen(
        [sys.executable, "-c", LISTEN], env=daemon.env, stdout=subprocess.PIPE, text=True
    )
    try:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "ready\n"
        client = daemon.client()
        request = AddJob(recipe=RECIPE, folder=str(tmp_path), stash=True)
        id = client.ask(request).job.id
        os.kill(listener.pid, signal.SIGSTOP)
        eventually(lambda: psutil.Process(listener.pid).status() == psutil.STATUS_STOPPED, 10)
        before = psutil.Process(daemon.process.pid).memory_info().rss
        # Each is answered before the next is asked: a send that waited would hang this at once.
        until = time.monotonic() + 60
        asked = 0
        while asked < EVENTS and time.monotonic() < until:
            client.ask(SetPriority(id=id, priority=asked + 1), timeout=30)
            asked += 1
        assert client.ask(GetStatus(), timeout=30).jobs[0].priority == asked
        grown = psutil.Process(daemon.process.pid).memory_info().rss - before
        assert grown < 64 << 20, "at most what its queue of events may hold"
        os.kill(listener.pid, signal.SIGCONT)
        client.ask(SetPriority(id=id, priority=1))
        assert any("queue/" in listener.stdout.readline() for _ in range(10)), "it hears again"
    finally:
        listener.kill()
        listener.wait()
        assert listener.stdout is not None
        listener.stdout.close()


def test_what_it_missed_is_asked_for(daemon: Daemon, tmp_path: Path) -> None:
    """Who waits for a job is told its end, though the event of it was lost and others go on."""
    client = daemon.client()
    request = AddJob(recipe=RECIPE, folder=str(tmp_path), stash=True)
    waited, other = client.ask(request).job.id, client.ask(request).job.id

    def flood(count: int) -> None:
        # At once: who was stopped for long takes that for a silence, and asks.
        changes = [SetPriority(id=other, priority=number % 7 + 1) for number in range(count)]
        client.ask(Batch(requests=changes), timeout=20)

    waiter = subprocess.Popen(
        [sys.executable, "-m", "lorad.tui", "wait", str(waited)], env=daemon.env,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        eventually(lambda: client.ask(GetHealth()).watchers == 1, 30)
        os.kill(waiter.pid, signal.SIGSTOP)
        flood(1500)
        client.ask(CancelJob(id=waited))
        flood(500)
        os.kill(waiter.pid, signal.SIGCONT)
        until = time.monotonic() + 30
        while waiter.poll() is None and time.monotonic() < until:
            flood(1)  # there is never a silence in which it would ask by itself
            time.sleep(0.1)
        assert waiter.poll() == 1
    finally:
        waiter.kill()
        waiter.wait()
        assert waiter.stdout is not None
        waiter.stdout.close()
