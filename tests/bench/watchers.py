"""Listeners that read nothing, little, or come and go; and what they cost a run."""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
from support import Daemon, eventually, small_recipe

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


def watchers(folder: Path) -> str:
    """Step time with 210 bad listeners over none, in turn."""
    ratios = []
    for number in range(5):
        alone = step(folder / f"alone-{number}", bad=False)
        beset = step(folder / f"beset-{number}", bad=True)
        ratios.append(beset / alone)
        print(f"  round {number}: alone {alone * 1e3:.2f} ms, beset {beset * 1e3:.2f} ms")
    return f"{statistics.median(ratios):.3f} (of {', '.join(f'{r:.3f}' for r in ratios)})"


def step(folder: Path, *, bad: bool) -> float:
    """Median seconds of a step of a job that draws pictures as it goes."""
    folder.mkdir()
    recipe = small_recipe(folder, steps=120, checkpointing_steps=10_000, prompts='["a dot"]')
    recipe.write_text(recipe.read_text().replace("every_n_steps = 0", "every_n_steps = 20"))
    daemon = Daemon(folder / "home", OMP_NUM_THREADS="1")
    daemon.start()
    try:
        with crowd(daemon, 100, 100, 10) if bad else contextlib.nullcontext():
            job = daemon.add(recipe)
            daemon.wait_state(job.id, "done", timeout=600)
            points = [point for point in daemon.client().points(job.id) if point.step > 20]
    finally:
        daemon.stop()
    return statistics.median(2 / point.images_per_second for point in points)
