"""Listeners that read nothing, little, or come and go; and what they cost a run."""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from support import Daemon, eventually, small_recipe

from lorad.shared.messages import GetMetrics

CROWD = """
import os, sys, threading, time
import zmq
endpoint, count, way = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = zmq.Context()
context.set(zmq.MAX_SOCKETS, 5000)

def ear(hwm=10_000):
    socket = context.socket(zmq.SUB)
    socket.linger = 0
    socket.rcvhwm = hwm
    socket.subscribe("")
    socket.connect(endpoint)
    return socket

ears = [ear() for _ in range(count)]
for one in ears:
    while not one.poll(20_000):
        raise SystemExit("nothing to hear")
print("ready", flush=True)
while True:
    if way == "slow":
        for one in ears:
            if one.poll(0):
                one.recv_multipart()
        time.sleep(0.5)
    elif way == "flapping":
        for place, one in enumerate(ears):
            one.close()
            ears[place] = ear()
        time.sleep(0.1)
    else:
        time.sleep(1)
"""


@contextlib.contextmanager
def crowd(daemon: Daemon, stopped: int, slow: int, flapping: int) -> Iterator[None]:
    """Bad listeners, as processes of their own; the stopped ones are stopped."""
    kinds = (("stopped", stopped), ("slow", slow), ("flapping", flapping))
    started = []
    try:
        for way, count in kinds:
            words = [sys.executable, "-c", CROWD, daemon.home.events, str(count), way]
            started.append(subprocess.Popen(words, env=daemon.env, stdout=subprocess.PIPE))
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        os.kill(started[0].pid, signal.SIGSTOP)
        first = psutil.Process(started[0].pid)
        eventually(lambda: first.status() == psutil.STATUS_STOPPED, 10)
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


ROUNDS, SECONDS = 10, 10.0
TORCH_CORE, OTHER_CORE = 0, 1


def watchers(folder: Path) -> str:
    """Step time with 210 bad listeners over none, in turn, within one run that draws pictures.

    Torch has a core to itself: what the listeners themselves take of it is not lorad's.
    """
    os.sched_setaffinity(0, {OTHER_CORE})
    recipe = small_recipe(folder, steps=100_000, checkpointing_steps=200_000, prompts='["a dot"]')
    recipe.write_text(recipe.read_text().replace("every_n_steps = 0", "every_n_steps = 20"))
    daemon = Daemon(folder / "home", OMP_NUM_THREADS="1")
    daemon.start()
    try:
        job = daemon.add(recipe)
        job = daemon.wait_state(job.id, "running")
        assert job.process is not None
        os.sched_setaffinity(job.process.pid, {TORCH_CORE})  # its main thread, which computes
        daemon.wait_step(job.id, 100)
        ratios = [measure(daemon, job.id, number) for number in range(ROUNDS)]
    finally:
        daemon.stop()
        os.sched_setaffinity(0, {TORCH_CORE, OTHER_CORE})
    return f"{statistics.median(ratios):.3f} (of {', '.join(f'{r:.3f}' for r in ratios)})"


def measure(daemon: Daemon, job_id: int, number: int) -> float:
    """One round; which comes first changes, for machines that slow down or speed up."""
    times = {}
    for bad in (False, True) if number % 2 else (True, False):
        with crowd(daemon, 100, 100, 10) if bad else contextlib.nullcontext():
            times[bad] = step(daemon, job_id)
    print(f"  round {number}: alone {times[False] * 1e3:.2f} ms, beset {times[True] * 1e3:.2f} ms")
    return times[True] / times[False]


def step(daemon: Daemon, job_id: int) -> float:
    """Median seconds of a step, over some time from now."""
    first = daemon.job(job_id).progress.step
    time.sleep(SECONDS)
    points = daemon.client().ask(GetMetrics(id=job_id, after=first)).points
    return statistics.median(2 / point.images_per_second for point in points)
