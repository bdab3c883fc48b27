"""The figures of docs/benchmarks.md: `make bench`, or `python tests/bench/bench.py NAME …`.

`bench.py reference --reference FILE` needs a copy of diffusers' train_text_to_image_lora.py;
so do `bench.py first_step` and `bench.py quality`.

Machines are noisy: what can be is a ratio of two things measured in turn, in one run.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))

import quality
from chart import chart
from many import COUNT, many
from overview import overview
from reference import (
    STEPS,
    Reference,
    beside_reference,
    first_step,
    lorad,
    put_pictures,
)
from support import Daemon, eventually, small_recipe
from terminal import Terminal
from timing import timed
from watchers import watchers

LORAD = str(Path(sysconfig.get_path("scripts")) / "lorad")
HERE = Path(__file__).parent
TORCH_CORE, OTHER_CORE = 0, 1


def step_time(folder: Path) -> str:
    """Step time with a daemon, a dashboard and gauges on, over the bare loop."""
    steps, rounds = 120, 3
    recipe = small_recipe(folder, steps=steps, checkpointing_steps=10_000)
    recipe.write_text(recipe.read_text().replace("train_batch_size = 2", "train_batch_size = 4"))
    ratios = []
    for number in range(rounds):
        bare = bare_step(recipe, folder / f"bare-{number}")
        watched = watched_step(recipe, folder / f"home-{number}")
        ratios.append(watched / bare)
        print(f"  round {number}: bare {bare * 1e3:.2f} ms, watched {watched * 1e3:.2f} ms")
    return f"{statistics.median(ratios):.3f} (of {', '.join(f'{r:.3f}' for r in ratios)})"


def bare_step(recipe: Path, out: Path) -> float:
    """Median seconds of a step in a process that reports to nobody."""
    done = subprocess.run(
        ["taskset", "-c", str(TORCH_CORE), sys.executable, str(HERE / "bare.py"), recipe, out],
        capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return float(done.stdout.split()[-1])


def watched_step(recipe: Path, home: Path) -> float:
    """Median seconds of a step of a job that a dashboard shows; torch alone on its core."""
    os.sched_setaffinity(0, {OTHER_CORE})
    daemon = Daemon(home, OMP_NUM_THREADS="1")
    daemon.start()
    job = daemon.add(recipe)
    with Terminal([LORAD], daemon.env, 120, 40):
        job = daemon.wait_state(job.id, "running")
        assert job.process is not None
        os.sched_setaffinity(job.process.pid, {TORCH_CORE})  # its main thread, which computes
        daemon.wait_state(job.id, "done")
    points = [p for p in daemon.client().points(job.id) if p.step > 20]
    daemon.stop()
    os.sched_setaffinity(0, {TORCH_CORE, OTHER_CORE})
    return statistics.median(4 / point.images_per_second for point in points)


def commands(folder: Path) -> str:
    """`lorad status --json`, `lorad version`, first paint; the daemon at rest."""
    daemon = Daemon(folder / "home")
    began = time.perf_counter()
    call(daemon, "up")
    up = time.perf_counter() - began
    call(daemon, "down")
    daemon.start()
    recipe = small_recipe(folder)
    for _ in range(3):
        daemon.add(recipe, stash=True)
    status = timed(lambda: call(daemon, "status", "--json"), 11)
    version = timed(lambda: call(daemon, "version"), 11)
    paint = timed(lambda: first_paint(daemon), 7)
    assert daemon.process is not None
    process = psutil.Process(daemon.process.pid)
    before, began = process.cpu_times(), time.monotonic()
    time.sleep(20)
    after, seconds = process.cpu_times(), time.monotonic() - began
    share = (after.user + after.system - before.user - before.system) / seconds
    rss = process.memory_info().rss / 1e6
    viewer = idle_viewer(daemon)
    daemon.stop()
    return (
        f"up {up:.2f} s, status --json {status:.3f} s, version {version:.3f} s,"
        f" first paint {paint:.2f} s;"
        f" daemon idle {rss:.0f} MB, {share:.2%} of a core; {viewer}"
    )


def idle_viewer(daemon: Daemon) -> str:
    """What a dashboard costs on which nothing happens but the gauges."""
    with Terminal([LORAD], daemon.env, 160, 50) as terminal:
        eventually(lambda: "small" in terminal.text, 20)
        time.sleep(5)
        process = psutil.Process(terminal.process.pid)
        before, used, began = len(terminal.data), process.cpu_times(), time.monotonic()
        time.sleep(20)
        after, seconds = process.cpu_times(), time.monotonic() - began
        share = (after.user + after.system - used.user - used.system) / seconds
        rate = (len(terminal.data) - before) / seconds / 1024
        rss = process.memory_info().rss / 1e6
    return f"dashboard idle {rss:.0f} MB, {rate:.2f} KiB/s, {share:.2%} of a core"


def call(daemon: Daemon, *words: str) -> None:
    subprocess.run([LORAD, *words], env=daemon.env, check=True, capture_output=True)


def first_paint(daemon: Daemon) -> None:
    """Until the queue with its jobs is on the terminal."""
    with Terminal([LORAD], daemon.env, 120, 40) as terminal:
        eventually(lambda: "small" in terminal.text, 20)


def demo_learns(folder: Path) -> str:
    """What the demo's LoRA does: loss on fixed noise, colour of the samples, time of training."""
    env = {**os.environ, "LORAD_HOME": str(folder / "home")}
    done = subprocess.run(
        [LORAD, "demo", "--here", str(folder / "demo")], env=env, check=True,
        capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    status = subprocess.run([LORAD, "status", "--json"], env=env, capture_output=True, text=True)
    (job,) = json.loads(status.stdout)["jobs"]
    subprocess.run([LORAD, "down"], env=env, check=True, capture_output=True)
    print("  " + done.stdout.replace("\n", "\n  "))
    measured = subprocess.run(
        [sys.executable, str(HERE / "learned.py"), job["folder"]],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return measured.stdout.strip()


def data(folder: Path) -> str:
    """The cache's opening and writing, and what a batch costs."""
    done = subprocess.run(
        [sys.executable, str(HERE / "data.py"), str(folder / "data")],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip().replace("\n", "\n  ")


def exactness(folder: Path) -> str:
    """Paused, resumed and finished equals never paused."""
    command = [sys.executable, "-m", "pytest", "-q", str(HERE.parent / "training/test_exact.py"),
               str(HERE.parent / "end_to_end/test_pause.py")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    verdict = "bit for bit" if done.returncode == 0 else "NOT equal"
    return f"{verdict}: {done.stdout.strip().splitlines()[-1]}"


def where(folder: Path) -> str:
    """Where the time of a step goes, on the demo's pictures at two sizes."""
    lines = []
    for side, steps in STEPS.items():
        put_pictures(folder / str(side) / "pictures", side)
        _, recipe, out = lorad(folder / str(side), folder / str(side) / "eager", side)
        done = subprocess.run(
            [sys.executable, str(HERE / "where.py"), recipe, out],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        lines.append(f"{side}x{side}, {steps} steps: {done.stdout.strip().splitlines()[-1]}")
    return "\n  ".join(["", *lines])


BENCHES: dict[str, Callable[[Path], str]] = {
    "step_time": step_time,
    "commands": commands,
    "demo_learns": demo_learns,
    "exactness": exactness,
    "where": where,
    "data": data,
    "overview": overview,
    "chart": chart,
    "watchers": watchers,
}


def main() -> None:
    """Run those that are named, or all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--reference", type=Path, help="diffusers' train_text_to_image_lora.py")
    parser.add_argument("--runner", type=Path, help="what runs it, if not python alone")
    parser.add_argument("--side", type=int, action="append", help="pixels: 64, 256, or both")
    parser.add_argument("--kind", action="append", help="eager, compiled, or both")
    parser.add_argument("--steps", type=int, default=quality.STEPS, help="of quality")
    parser.add_argument("--count", type=int, default=COUNT, help="pictures of many")
    args = parser.parse_args()
    benches = {**BENCHES, "many": functools.partial(many, count=args.count)}
    if args.reference:
        reference = Reference(args.reference.absolute(), args.runner)
        benches["reference"] = functools.partial(
            beside_reference,
            reference=reference,
            sides=tuple(args.side or STEPS),
            kinds=tuple(args.kind or ("eager", "compiled")),
        )
        benches["first_step"] = functools.partial(
            first_step, reference=reference, sides=tuple(args.side or STEPS)
        )
        benches["quality"] = functools.partial(
            quality.quality, reference=reference, steps=args.steps
        )
    memory = psutil.virtual_memory().total / 2**30
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB,"
        f" python {platform.python_version()}"
    )
    for name in args.names or benches:
        with tempfile.TemporaryDirectory(prefix="lorad-") as folder:
            print(f"{name}: {benches[name](Path(folder))}", flush=True)


if __name__ == "__main__":
    main()
