"""The cache: shared, never stale, safe to delete, with several writers and after kill -9."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from support import eventually, small_recipe

from lorad.daemon.training import files
from lorad.daemon.training.data import cache as cache_module
from lorad.daemon.training.data.cache import Cache
from lorad.daemon.training.data.trim import limit_bytes, trim
from lorad.shared.messages import AnyReport, ReadyReport

from .runs import Line, run


def entry(number: int, length: int = 3) -> dict[str, torch.Tensor]:
    half = torch.tensor(number).half()
    return {"x": torch.full((2, length), float(number)), "y": half, "z": half.repeat(3)}


def fill(folder: Path, numbers: range, group: str = "g", length: int = 3) -> None:
    with Cache(folder).writer(group) as writer:
        for number in numbers:
            writer.put(str(number), entry(number, length))


def found(folder: Path, numbers: range, group: str = "g", length: int = 3) -> set[int]:
    """Which of them are there; they must be what was put."""
    entries = Cache(folder).find(group, map(str, numbers))
    for key, value in entries.items():
        wanted = entry(int(key), length)
        assert all(torch.equal(value[name], wanted[name]) for name in wanted)
    return {int(key) for key in entries}


def shards(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.safetensors"))


def test_what_was_put_is_found_by_key_and_group(tmp_path: Path) -> None:
    assert found(tmp_path / "cache", range(3)) == set()
    fill(tmp_path / "cache", range(600))
    assert len(shards(tmp_path / "cache")) == 3  # 256, 256, 88
    assert found(tmp_path / "cache", range(700)) == set(range(600))
    assert found(tmp_path / "cache", range(3), "other") == set()


def test_a_full_megabyte_or_five_seconds_make_a_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "SHARD_BYTES", 4000)
    fill(tmp_path / "a", range(10), length=250)  # 2008 bytes each
    assert len(shards(tmp_path / "a")) == 5
    clock = itertools.count(0.0, 2.0)
    monkeypatch.setattr(cache_module.time, "monotonic", lambda: next(clock))
    fill(tmp_path / "b", range(12))
    assert len(shards(tmp_path / "b")) == 4  # two seconds a look at the clock, late after five
    assert found(tmp_path / "b", range(12)) == set(range(12))


@pytest.mark.parametrize("how", ["junk", "empty", "cut", "bit", "zeros", "stranger"])
def test_a_damaged_shard_is_passed_over_and_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    fill(tmp_path, range(10))
    (first,) = shards(tmp_path)
    fill(tmp_path, range(10, 20))
    data = bytearray(first.read_bytes())
    if how == "bit":
        data[-11] ^= 4
    elif how == "zeros":
        data[-40:] = bytes(40)
    elif how == "stranger":
        from safetensors.torch import save

        data = bytearray(save({"x": torch.ones(3)}))
    else:
        data = {"junk": bytearray(b"junk"), "empty": bytearray(), "cut": data[:-9]}[how]
    first.write_bytes(data)
    assert found(tmp_path, range(20)) == set(range(10, 20))
    assert "damaged and made again" in caplog.text
    assert not first.exists()
    caplog.clear()
    fill(tmp_path, range(10))
    assert found(tmp_path, range(20)) == set(range(20))
    assert not caplog.text


def test_every_single_bit_of_the_entries_counts(tmp_path: Path) -> None:
    fill(tmp_path, range(1))
    (path,) = shards(tmp_path)
    whole = path.read_bytes()
    for bit in range(32 * 8):  # of six floats and four halves, behind the header
        data = bytearray(whole)
        data[-1 - bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        assert found(tmp_path, range(1)) == set()
    path.write_bytes(whole)
    assert found(tmp_path, range(1)) == {0}


def test_what_was_found_stays_when_the_cache_is_deleted(tmp_path: Path) -> None:
    fill(tmp_path, range(5))
    entries = Cache(tmp_path).find("g", map(str, range(5)))
    for path in shards(tmp_path):
        path.unlink()
    assert torch.equal(entries["3"]["x"], entry(3)["x"])
    assert found(tmp_path, range(5)) == set()


def test_a_full_disk_costs_only_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "sync", full)
    with Cache(tmp_path).writer("g") as writer:
        writer.put("1", entry(1))
    assert torch.equal(writer.lost["1"]["x"], entry(1)["x"])
    assert "not cached" in caplog.text
    monkeypatch.undo()
    assert found(tmp_path, range(3)) == set()
    assert not list(tmp_path.rglob(".*"))


def test_mapped_entries_take_no_memory(tmp_path: Path) -> None:
    fill(tmp_path, range(64), length=64 * 1024)
    keys = list(map(str, range(64)))
    before = anonymous()
    entries = Cache(tmp_path).find("g", keys)
    assert sum(float(value["x"].sum()) for value in entries.values()) > 0
    assert anonymous() - before < 8 << 20  # of 32 MiB


def anonymous() -> int:
    """Bytes of this process that no file backs."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


WRITER = textwrap.dedent("""
    import sys, itertools, torch
    from pathlib import Path
    from lorad.daemon.training.data import cache
    cache.SHARD_ENTRIES = 5
    folder, first = Path(sys.argv[1]), int(sys.argv[2])
    with cache.Cache(folder).writer("g") as writer:
        for number in itertools.count(first):
            half = torch.tensor(number).half()
            x = torch.full((2, 3), float(number))
            writer.put(str(number), {"x": x, "y": half, "z": half.repeat(3)})
            print(number, flush=True)
""")


def test_killed_writers_lose_only_their_last_shard(tmp_path: Path) -> None:
    """Three at once, two of them with the same keys, killed wherever they are."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path, str(first)], stdout=subprocess.PIPE
        )
        for first in (0, 10, 5000)
    ]
    told = []
    for writer in writers:
        assert writer.stdout is not None
        told.append([int(writer.stdout.readline()) for _ in range(40)])
    for writer in writers:
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        assert writer.stdout is not None
        writer.stdout.close()
    for lines in told:
        numbers = range(lines[0], lines[-1] + 1)
        missing = set(numbers) - found(tmp_path, numbers)
        assert missing <= set(lines[-5:])


def test_what_a_killed_writer_left_aside_goes_in_time(tmp_path: Path) -> None:
    fill(tmp_path, range(2))
    (path,) = shards(tmp_path)
    old, new = path.with_name(".a.safetensors.1234"), path.with_name(".b.safetensors.1234")
    for aside in (old, new):
        aside.write_bytes(b"half")
    os.utime(old, (1, 1))
    fill(tmp_path, range(2, 3))
    assert not old.exists()
    assert new.exists()
    assert eventually(lambda: found(tmp_path, range(3)) == {0, 1, 2})


def aged(folder: Path) -> list[Path]:
    """Four shards of one entry each, the first unused for the longest time."""
    paths = []
    for number in range(4):
        before = set(shards(folder))
        fill(folder, range(number, number + 1), length=1000)
        (path,) = set(shards(folder)) - before
        os.utime(path, (1000 * (number + 1),) * 2)
        paths.append(path)
    return paths


def test_what_was_not_used_for_the_longest_time_goes_first(tmp_path: Path) -> None:
    paths = aged(tmp_path)
    sizes = [path.stat().st_size for path in paths]
    Cache(tmp_path).settle(sum(sizes))
    assert found(tmp_path, range(4), length=1000) == {0, 1, 2, 3}  # which uses them all
    for number, path in enumerate(paths):
        os.utime(path, (1000 * (number + 1),) * 2)
    assert found(tmp_path, range(1), length=1000) == {0}
    Cache(tmp_path).settle(sizes[0] + sizes[3])
    assert set(shards(tmp_path)) == {paths[0], paths[3]}
    Cache(tmp_path).settle(0)
    assert shards(tmp_path) == [paths[0]]  # used just now


HOLDER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from lorad.daemon.training.data.cache import Cache
    cache = Cache(Path(sys.argv[1]))
    cache.find("g", ["1"])
    cache.settle(float("inf"))
    print("held", flush=True)
    sys.stdin.read()
""")


def test_what_a_live_run_maps_stays(tmp_path: Path) -> None:
    paths = aged(tmp_path)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    os.utime(paths[1], (1, 1))
    assert trim(tmp_path, 0) == 3
    assert shards(tmp_path) == [paths[1]]
    holder.kill()
    holder.communicate()
    assert trim(tmp_path, 0) == 1
    assert not list((tmp_path / "live").iterdir())


@pytest.mark.parametrize(
    ("given", "gib"), [(None, 20), ("", 20), ("1.5", 1.5), ("0", float("inf")), ("much", 20)]
)
def test_the_bound_is_the_environments(
    monkeypatch: pytest.MonkeyPatch, given: str | None, gib: float
) -> None:
    monkeypatch.delenv("LORAD_CACHE_GIB", raising=False)
    if given is not None:
        monkeypatch.setenv("LORAD_CACHE_GIB", given)
    assert limit_bytes() == gib * (1 << 30)


def test_a_run_holds_its_part_and_clears_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small_recipe(tmp_path, steps=2)
    run(recipe, tmp_path / "first", Line())
    paths = aged(tmp_path / "cache")
    monkeypatch.setenv("LORAD_CACHE_GIB", "1e-6")
    during: list[set[Path]] = []

    def look(report: AnyReport) -> None:
        if isinstance(report, ReadyReport):
            for path in shards(tmp_path / "cache"):
                os.utime(path, (1, 1))
            trim(tmp_path / "cache", 0)
            during.append(set(shards(tmp_path / "cache")))

    run(recipe, tmp_path / "out", Line(hook=look))
    assert len(during[0]) == 2  # a shard of pictures and one of captions
    assert not during[0] & set(paths)
