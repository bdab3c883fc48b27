"""What encoded data cost: data.py FOLDER prints the figures of the cache and of a batch.

data.py FOLDER RECIPE prints only what the cache adds to the encoding of the recipe's pictures.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from timing import timed

from lorad.daemon.training import keyed
from lorad.daemon.training.data import collect
from lorad.daemon.training.data.cache import Cache, Tensors, Writer
from lorad.daemon.training.data.dataset import Dataset
from lorad.daemon.training.data.encoder import Encoded, Encoder
from lorad.daemon.training.data.item import Findings
from lorad.daemon.training.data.manifest import hold
from lorad.daemon.training.data.work import Picture, Shape
from lorad.daemon.training.device import Place
from lorad.daemon.training.families import load_family
from lorad.shared import shipped
from lorad.shared.recipe import Recipe, load_recipe, parse_recipe

CPU = torch.device("cpu")
PLACE = Place(Accelerator(cpu=True), CPU, torch.float32, True, 1)
SD1_512 = (2, 4, 64, 64)


class Evenly:
    """The timesteps of an objective."""

    def timesteps(self, seed: int, places: Sequence[int]) -> torch.Tensor:
        return torch.tensor([keyed.integer(1000, seed, "timestep", place) for place in places])

    def fixed_timesteps(self, count: int) -> torch.Tensor:
        return torch.arange(count)


def opening(folder: Path, count: int) -> str:
    """A set of so many pictures of 512x512, seen both ways round, from its cache."""
    keys = [f"{number}/{side}" for number in range(count // 2) for side in "ab"]
    entry = torch.randn(SD1_512)
    began = time.perf_counter()
    with Cache(folder).writer("g") as writer:
        for number, key in enumerate(keys):
            writer.put(key, {"posterior": entry + number})
    wrote = time.perf_counter() - began
    first = timed(lambda: len(Cache(folder).find("g", keys)), 1)
    again = timed(lambda: len(Cache(folder).find("g", keys)), 5)
    return (
        f"{count} entries of SD 1 at 512: opened in {first:.2f} s, again in {again:.2f} s;"
        f" written at {count / wrote:.0f} a second"
    )


def batches(size: int, exact: bool) -> str:
    """Of four pictures, everything random on."""
    made = recipe("random_flip = true", "[objective]\nnoise_offset = 0.1")
    entry = torch.randn(2, 4, size // 8, size // 8)
    shape = Shape((size, size), [entry] * 96, [[size, size, 0, 0, size, size]] * 96)
    pictures = [Picture(str(n), str(n), 0, 0, range(2 * n, 2 * n + 2)) for n in range(48)]
    texts = [{"text": torch.randn(77, 64)} for _ in range(49)]
    encoded = Encoded(pictures, [shape], [[n] for n in range(48)], texts, {}, 48)
    place = Place(PLACE.accelerator, CPU, torch.float32, exact, 1)
    data = Dataset(encoded, made, Scales(), Evenly(), place)  # type: ignore[arg-type]
    step = iter(range(100_000))
    seconds = timed(lambda: data.batch(next(step), 0), 2000)
    return f"{size}x{size}, {'exact' if exact else 'fast'}: {seconds * 1e3:.3f} ms"


class Scales:
    """The two figures that a data set asks of a family."""

    scaling_factor, shift_factor = 0.18215, 0.0


class Unwritten(Writer):
    """Keeps everything in memory."""

    def put(self, key: str, entry: Tensors) -> None:
        self.lost[key] = entry


class NoCache(Cache):
    """Holds nothing and writes nothing."""

    def writer(self, group: str) -> Writer:
        return Unwritten(self._group(group))


class Measured(Cache):
    """Knows how long it wrote."""

    seconds = 0.0

    def writer(self, group: str) -> Writer:
        writer = super().writer(group)
        flush = writer.flush

        def timed_flush() -> None:
            began = time.perf_counter()
            flush()
            self.seconds += time.perf_counter() - began

        writer.flush = timed_flush  # type: ignore[method-assign]
        return writer


def writing(folder: Path, made: Recipe, recipe_folder: Path) -> str:
    """A recipe's pictures through the shipped model: what the cache adds to their encoding."""
    items = collect(made, recipe_folder, Findings())
    folder.mkdir(parents=True)
    entries = hold(items, folder / "manifest.json", fresh=True)
    family = load_family(made.model, recipe_folder, CPU, torch.float32)

    def encode(cache: Cache) -> float:
        encoder = Encoder(family, cache, PLACE, lambda _: None)
        return timed(lambda: encoder.encode(items, entries, made), 1)

    encode(NoCache(folder / "none"))  # the first ones of a process are slower
    plain, ratios, shares = [], [], []
    for number in range(5):
        plain.append(encode(NoCache(folder / "none")))
        cache = Measured(folder / str(number))
        seconds = encode(cache)
        ratios.append(plain[-1] / seconds)
        shares.append(cache.seconds / seconds)
    again = statistics.median(encode(Cache(folder / "0")) for _ in range(5))
    return (
        f"{len(items)} pictures encoded at {len(items) / statistics.median(plain):.1f} images/s,"
        f" with the cache being written at {statistics.median(ratios):.3f} of that (writing itself"
        f" is {statistics.median(shares):.2%} of the time); from the cache in {again * 1e3:.0f} ms"
    )


def recipe(data: str = "", more: str = "") -> Recipe:
    return parse_recipe(
        f'name="a"\n[data]\npath="pictures"\n{data}\n'
        f"[train]\nresolution=64\ntrain_batch_size=4\n{more}"
    )


def main() -> None:
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    if len(sys.argv) > 2:
        path = Path(sys.argv[2])
        print(writing(folder, load_recipe(path)[0], path.parent))
        return
    print(writing(folder / "writing", recipe(), shipped.DEMO))
    print(opening(folder / "opening", 10_000))
    parts = [batches(size, exact) for size in (64, 512) for exact in (True, False)]
    print("a batch of four: " + "; ".join(parts))


if __name__ == "__main__":
    main()
