"""A folder of many pictures: how long it is checked, and what a job's start takes on it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image, ImageDraw

LORAD = Path(sysconfig.get_path("scripts")) / "lorad"
HERE = Path(__file__).parent
CORES = 2
COUNT = 10_000
BASES, MARGIN = 40, 128
SIDE = 512
"""Of the files, in pixels; they are trained at 64."""
SUBSET = 512
"""Encoded with and without the cache."""
SETTLED = 3
"""Seconds: a file that is younger is looked at again, since its time would not tell a change."""
SUBJECTS = ("lighthouse", "harbour", "orchard", "mill", "bridge", "forest", "market", "chapel")
RECIPE = """
name = "many"
[data]
path = "pictures"
{data}
[train]
resolution = 64
mixed_precision = "no"
"""


@dataclass(frozen=True)
class Start:
    """What a job's process took before its first step, the model being loaded."""

    survey: float
    encode: float
    dataset: float
    before: int
    """Bytes with the model and no pictures."""
    peak: int

    @property
    def seconds(self) -> float:
        """From the scan to the data set."""
        return self.survey + self.encode + self.dataset


def many(folder: Path, count: int) -> str:
    """Check, encoding, start and memory, for so many pictures and for a quarter of them."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(allowed)[:CORES]))
    few_lines, few = measure(folder / "few", count // 4)
    lines, all_of_them = measure(folder / "many", count)
    encoding = folder / "many/encoding.toml"
    encoding.write_text(RECIPE.format(data=f"max_train_samples = {SUBSET}"))
    lines.append(call(HERE / "data.py", folder / "encoding", encoding).strip())
    os.sched_setaffinity(0, allowed)
    each = (all_of_them.peak - few.peak) / (count - count // 4)
    lines.append(
        f"memory at its peak in the second start: {all_of_them.peak / 2**20:.0f} MiB with {count}"
        f" pictures, {few.peak / 2**20:.0f} MiB with {count // 4}, {few.before / 2**20:.0f} MiB"
        f" with none; {each / 1024:.1f} KiB for each picture more"
    )
    return "\n  ".join(["", *few_lines, *lines])


def put(folder: Path, count: int) -> Path:
    """So many pictures; the recipe beside them."""
    began = time.perf_counter()
    size = put_pictures(folder / "pictures", count)
    seconds = time.perf_counter() - began
    print(f"  {count} pictures of {size / count / 1024:.0f} KiB put in {seconds:.0f} s", flush=True)
    recipe = folder / "many.toml"
    recipe.write_text(RECIPE.format(data=""))
    time.sleep(SETTLED)
    return recipe


def measure(folder: Path, count: int) -> tuple[list[str], Start]:
    """In a folder and home of its own; the second start."""
    recipe, home = put(folder, count), folder / "home"
    first, second = start(recipe, home / "1"), start(recipe, home / "2")
    check = checked(recipe, home, count)
    return [
        f"{count} pictures, first start: scan and full check {count / first.survey:.0f} images/s on"
        f" {CORES} cores, encoding {count / first.encode:.0f} images/s; {first.seconds:.1f} s",
        f"{count} pictures, second start: {second.seconds:.2f} s, of which survey and hold"
        f" {second.survey:.2f}, from the cache {second.encode:.2f}, data set {second.dataset:.2f};"
        f" `lorad check` then takes {check:.1f} s",
    ], second


def checked(recipe: Path, home: Path, count: int) -> float:
    """Seconds of the whole command."""
    began = time.perf_counter()
    done = subprocess.run(
        [LORAD, "check", recipe, "--json"], env={**os.environ, "LORAD_HOME": str(home)},
        capture_output=True, text=True,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    report = json.loads(done.stdout) if done.returncode == 0 else {}
    if report.get("pictures") != count or report["broken"] or report["duplicates"]:
        raise SystemExit(f"not the pictures that were made:\n{done.stdout[:2000]}{done.stderr}")
    return seconds


def start(recipe: Path, out: Path) -> Start:
    """A process of its own; `lorad check` knows the cache beside `out`."""
    told = json.loads(call(HERE / "start.py", recipe, out).splitlines()[-1])
    return Start(**told["seconds"], before=told["before"], peak=told["peak"])


def call(script: Path, *words: Path) -> str:
    """What it printed."""
    done = subprocess.run([sys.executable, script, *words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{script.name}: {done.stderr[-4000:]}")
    return done.stdout


def put_pictures(folder: Path, count: int) -> int:
    """So many JPEGs and the captions beside them, of which no two look alike; their bytes."""
    folder.mkdir(parents=True)
    random.seed(7)
    bases = [base() for _ in range(BASES)]
    with ThreadPoolExecutor(CORES) as pool:
        return sum(pool.map(partial(put_picture, folder, bases), range(count)))


def base() -> Image.Image:
    """Soft colours with some grain, larger than the pictures that are cut from it."""
    side = SIDE + MARGIN
    soft = Image.frombytes("RGB", (9, 9), random.randbytes(9 * 9 * 3))
    grain = Image.frombytes("RGB", (side // 2, side // 2), random.randbytes(3 * (side // 2) ** 2))
    sides = (side, side)
    return Image.blend(soft.resize(sides, Image.Resampling.BICUBIC), grain.resize(sides), 0.08)


def put_picture(folder: Path, bases: Sequence[Image.Image], number: int) -> int:
    """A cut of one base blended into a cut of another, and its number."""
    own = random.Random(number)
    first, second = (cut(one, own) for one in own.sample(bases, 2))
    picture = Image.blend(first, second, own.uniform(0.2, 0.8))
    ImageDraw.Draw(picture).text((16, 16), str(number), "white", font_size=48)
    path = folder / f"{number:06d}.jpg"
    picture.save(path, quality=85)
    subject = own.choice(SUBJECTS)
    path.with_suffix(".txt").write_text(f"a {subject} in soft light, view {number}\n")
    return path.stat().st_size


def cut(one: Image.Image, own: random.Random) -> Image.Image:
    """Any part of it, either way round."""
    left, top = own.randrange(MARGIN), own.randrange(MARGIN)
    part = one.crop((left, top, left + SIDE, top + SIDE))
    return part.transpose(own.choice(list(Image.Transpose)))
