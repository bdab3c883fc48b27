"""Jobs that share a card: whose memory the driver says is whose. The driver is a file here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Daemon, eventually

from lorad.shared.messages import GetStatus, SetGroup, WhyJob

from .scripted import WAIT, add, said, scripted

DRIVER = """
# What lorad asks of the real one. Lines of the file: a pid, and how many GiB it has.
import os
from types import SimpleNamespace as Struct

NVML_TEMPERATURE_GPU = 0
class NVMLError(Exception): pass

def _lines():
    with open(os.environ["CARD_FILE"]) as file:
        return [tuple(map(int, line.split())) for line in file]

def nvmlInit(): pass
def nvmlDeviceGetCount(): return 1
def nvmlDeviceGetHandleByIndex(index): return index
def nvmlDeviceGetUUID(handle): return "GPU-real"
def nvmlDeviceGetName(handle): return "Card"
def nvmlDeviceGetMemoryInfo(handle):
    return Struct(total=24 << 30, used=sum(size for _, size in _lines()) << 30)
def nvmlDeviceGetComputeRunningProcesses(handle):
    return [Struct(pid=pid, usedGpuMemory=(size << 30) or None) for pid, size in _lines()]
def _blank(*args): raise NVMLError("not supported")
nvmlDeviceGetPowerUsage = nvmlDeviceGetEnforcedPowerLimit = _blank
nvmlDeviceGetUtilizationRates = nvmlDeviceGetTemperature = _blank
"""


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """One card, which the jobs of `default` share."""
    (tmp_path / "driver").mkdir()
    (tmp_path / "driver" / "pynvml.py").write_text(DRIVER)
    path = filter(None, [str(tmp_path / "driver"), os.environ.get("PYTHONPATH")])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    write(tmp_path, (1, 4))
    daemon = scripted(tmp_path, WAIT, CARD_FILE=str(tmp_path / "card"))
    daemon.client().ask(SetGroup(name="default", slots=4))
    yield daemon
    daemon.stop()


def write(folder: Path, *processes: tuple[int, int]) -> None:
    """Who has how many GiB, all at once."""
    (folder / "new").write_text("".join(f"{pid} {size}\n" for pid, size in processes))
    (folder / "new").rename(folder / "card")


def pid(daemon: Daemon, job_id: int) -> int:
    process = daemon.wait_state(job_id, "running").process
    assert process is not None
    assert process.gpus == ("GPU-real",)
    return process.pid


def test_what_a_run_has_taken_is_not_counted_again(daemon: Daemon, tmp_path: Path) -> None:
    first = add(daemon, tmp_path, "gpu_memory_gib = 10")
    one = pid(daemon, first.id)
    second = add(daemon, tmp_path, "gpu_memory_gib = 12")

    def has(free: float) -> bool:
        sentence = daemon.client().ask(WhyJob(id=second.id)).sentence
        return f"GPU 0 has {free:.1f} GiB free, job {first.id} (a) and other prog" in sentence

    # A stranger has 4, the run nothing yet: its 10 are still to come.
    eventually(lambda: has(10), 10)
    # It has 6 of them: what is free for others is the same.
    write(tmp_path, (1, 4), (one, 6))
    eventually(lambda: daemon.client().ask(GetStatus()).gpus[0].memory_used_bytes == 10 << 30, 10)
    assert has(10)
    # It has more than it said.
    write(tmp_path, (1, 4), (one, 11))
    eventually(lambda: has(9), 10)
    # A size that the driver keeps to itself is not known to be ours.
    write(tmp_path, (1, 4), (one, 0))
    eventually(lambda: has(10), 10)
    assert daemon.job(second.id).state == "queued"
    # The stranger goes.
    write(tmp_path, (one, 10))
    pid(daemon, second.id)
    assert said(first) == said(second) == ["task 0.5 0"]
