"""`lorad check` on every folder of `hostile_data`: named with its reason, and nothing else read."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .hostile_data import CASES, build

RECIPE = """
name = "hostile"
[data]
path = "cases/{name}"
{more}
[train]
max_train_steps = 2
train_batch_size = 1
resolution = 64
"""
IN_ACCESS, IN_OPEN, IN_NONBLOCK = 0x1, 0x20, 0o4000
PEAK = 3 << 30
"""Bytes that one process may have had at most: the decoder's limit and what it began with."""
CODE = """
import resource, sys
from pathlib import Path
from lorad.daemon.tools.check import check
codes = {}
for name in sys.argv[2:]:
    sys.stdout = open(f"{sys.argv[1]}/said/{name}.json", "w")
    codes[name] = check(Path(f"{sys.argv[1]}/{name}.toml"), as_json=True)
    sys.stdout.close()
peaks = [resource.getrusage(who).ru_maxrss for who in
         (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(max(peaks), file=sys.stderr)
"""
"""Several in one process, as `lorad check` would each begin with the same imports."""


def recipe(root: Path, name: str) -> None:
    more = CASES[name].recipe
    (root / f"{name}.toml").write_text(RECIPE.format(name=name, more=more))


class Opened:
    """Tells whether a file in a folder was opened or read, by the kernel's word."""

    def __init__(self, folder: Path) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._queue = self._libc.inotify_init1(IN_NONBLOCK)
        assert self._queue >= 0
        watch = self._libc.inotify_add_watch(
            self._queue, os.fsencode(folder), ctypes.c_uint32(IN_ACCESS | IN_OPEN)
        )
        assert watch >= 0

    def any(self) -> bool:
        try:
            return bool(os.read(self._queue, 4096))
        except BlockingIOError:
            return False

    def close(self) -> None:
        os.close(self._queue)


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The folder with what was said, and the largest peak; once for all workers."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    root = base / "hostile"
    with (base / "hostile.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "peak").exists():
            root.mkdir()
            (root / "peak").write_text(str(check_all(root)))
    return root / "said", int((root / "peak").read_text())


def check_all(root: Path) -> int:
    """Have all of them looked at; the largest peak. Nothing outside is opened."""
    outside = build(root)
    (root / "said").mkdir()
    for name in CASES:
        recipe(root, name)
    names = list(CASES)
    opened = Opened(outside)
    (outside / "secret.txt").read_bytes()
    assert opened.any(), "the watch itself works"
    env = {**os.environ, "LORAD_HOME": str(root / "home"), "HF_HOME": str(root / "hf")}
    with ThreadPoolExecutor(2) as pool:
        runs = pool.map(lambda some: run(root, env, some), (names[::2], names[1::2]))
        peak = max(runs)
    assert not opened.any(), "something outside was read"
    opened.close()
    assert not list(root.rglob("executed"))
    return peak


def run(root: Path, env: dict[str, str], names: list[str]) -> int:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(root), *names],
        cwd=root, env=env, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return int(done.stderr.split()[-1]) * 1024


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 60


@pytest.mark.proof
@pytest.mark.parametrize("name", CASES)
def test_each_is_named_with_its_reason(name: str, checked: tuple[Path, int]) -> None:
    report = json.loads((checked[0] / f"{name}.json").read_text())
    one = CASES[name]
    assert bool(report["problems"]) != one.trained, report["problems"]
    told = "\n".join([*report["problems"], *report["notes"], *report["marks"]])
    told += "\n".join(f"smaller {small}" for small in report["smaller"])
    for word in one.words:
        assert word in told, told
    assert "SECRET" not in json.dumps(report)
    assert not set("\x1b\x07\u202e") & set(told)
    for problem in report["problems"]:
        assert "\n" not in problem
        assert "Traceback" not in problem
        assert len(problem) < 3000


@pytest.mark.proof
def test_their_memory_is_bounded(checked: tuple[Path, int]) -> None:
    assert checked[1] < PEAK
    print(f"{len(CASES)} folders, at most {checked[1] >> 20} MiB in one process")


def test_a_decoder_may_not_have_more(tmp_path: Path) -> None:
    from lorad.daemon.training.data import decoder

    code = (
        "from lorad.daemon.training.data import decoder\nimport resource\ndecoder._set_up()\n"
        "print(resource.getrlimit(resource.RLIMIT_AS)[0])"
    )
    limit = int(subprocess.check_output([sys.executable, "-c", code]))
    assert decoder.MEMORY < limit < decoder.MEMORY + (2 << 30)
    assert limit != resource.RLIM_INFINITY
