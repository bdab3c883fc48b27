"""What the daemon says of the cards' processes, of the box, and of itself."""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import Daemon, eventually

from daemon.scripted import WAIT, add, scripted
from lorad.daemon import telemetry
from lorad.daemon.health import Pulse, Troubles
from lorad.daemon.telemetry import NvmlCards, disks
from lorad.daemon.telemetry.owners import Owners
from lorad.shared.client import person
from lorad.shared.jobs import GpuProcess
from lorad.shared.messages import DaemonInfo, GetHealth, GetLogLines, GetStatus

INFO = DaemonInfo(version="0", pid=1, started=0.0, epoch="e", home="/h", hostname="box")


class NvmlError(Exception):
    """As pynvml's."""


def nvml(processes: Any) -> SimpleNamespace:
    """A driver with one card."""

    def running(handle: int) -> Any:
        if isinstance(processes, Exception):
            raise processes
        return processes

    return SimpleNamespace(
        NVMLError=NvmlError,
        NVML_TEMPERATURE_GPU=0,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(total=8, used=2),
        nvmlDeviceGetUUID=lambda handle: b"GPU-1",
        nvmlDeviceGetPowerUsage=lambda handle: 70_000,
        nvmlDeviceGetEnforcedPowerLimit=lambda handle: 700_000,
        nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=50),
        nvmlDeviceGetName=lambda handle: b"H200",
        nvmlDeviceGetTemperature=lambda handle, kind: 40,
        nvmlDeviceGetComputeRunningProcesses=running,
    )


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            [SimpleNamespace(pid=7, usedGpuMemory=5), SimpleNamespace(pid=8, usedGpuMemory=None)],
            (GpuProcess(pid=7, memory_bytes=5), GpuProcess(pid=8)),
        ),
        ([], ()),
        (NvmlError("not supported"), ()),
    ],
)
def test_the_driver_names_the_processes_on_a_card(
    said: Any, told: tuple[GpuProcess, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml(said))  # type: ignore[arg-type]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (card,) = NvmlCards().sample()
    assert card.processes == told
    assert (card.name, card.power_watts) == ("H200", 70.0)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A run's process, as its environment says."""
    env = {**os.environ, "LORAD_JOB_ID": "5", "LORAD_RUNS": "ipc:///ours"}
    with subprocess.Popen(["sleep", "60"], env=env) as process:
        # Between fork and exec it still is this program.
        eventually(lambda: b"sleep" in Path(f"/proc/{process.pid}/cmdline").read_bytes())
        yield process
        process.kill()


def test_processes_are_named_with_their_user_and_job(sleeper: subprocess.Popen[bytes]) -> None:
    process = GpuProcess(pid=sleeper.pid, memory_bytes=3)
    (ours,) = Owners("ipc:///ours").named([process])
    assert ours == GpuProcess(
        pid=sleeper.pid, memory_bytes=3, user=getpass.getuser(), name="sleep", job=5
    )
    (theirs,) = Owners("ipc:///another-daemon").named([process])
    assert (theirs.name, theirs.job) == ("sleep", None)


def test_a_process_that_is_gone_or_elsewhere_keeps_its_number() -> None:
    gone = GpuProcess(pid=2**22 + 1)
    assert Owners("x").named([gone]) == (gone,)


def test_a_python_program_is_named_by_its_script() -> None:
    owners = Owners("x")
    (this,) = owners.named([GpuProcess(pid=os.getpid())])
    assert this.name.startswith("python")
    assert this.job is None


def test_each_file_system_is_told_once_and_a_missing_one_never(tmp_path: Path) -> None:
    found = disks((tmp_path, tmp_path / "..", tmp_path / "missing", Path("/proc")))
    assert [disk.path for disk in found] == [str(tmp_path), "/proc"]
    assert 0 < found[0].free_bytes <= found[0].total_bytes


def test_troubles_are_the_newest_warnings_with_what_was_raised() -> None:
    kept = Troubles()
    logger = logging.Logger("test")
    logger.addHandler(kept)
    logger.info("fine")
    for number in range(30):
        logger.warning("number %d", number)
    try:
        raise ValueError("why")
    except ValueError:
        logger.exception("it broke")
    assert [one.text for one in kept.newest][-2:] == ["number 29", "it broke (ValueError: why)"]
    assert (len(kept.newest), kept.newest[-1].level) == (20, "error")


def test_a_trouble_is_not_cut_amid_a_token() -> None:
    kept = Troubles()
    logger = logging.Logger("test")
    logger.addHandler(kept)
    logger.warning("%s hf_%s", "x" * 478, "Zq7Xk2Lm9Pw4Rt6Vb8Nc1" * 2)
    assert kept.newest[-1].text.endswith("x " + "*" * 21)


def test_the_pulse_is_a_rate_over_the_last_seconds() -> None:
    now, events = [0.0], [0]
    pulse = Pulse(INFO, Path("/none"), lambda: events[0], lambda: 3, clock=lambda: now[0])
    for _ in range(30):
        now[0] += 1.0
        events[0] += 4
        pulse.beat(0.25)
    pulse.asked("a")
    now[0] += 50
    pulse.asked("b")
    now[0] += 20
    for frame in (b"\x01~w/1/", b"\x01queue/", b"\x01~w/2/", b"\x00~w/1/"):
        pulse.subscribed(frame)
    now[0] -= 70
    assert pulse.health().events_per_second == pytest.approx(4.0)
    now[0] += 70
    health = pulse.health()
    assert (health.clients, health.watchers, health.unsettled) == (["b"], 1, 3)
    assert (health.beat_late_seconds, health.database_bytes) == (0.25, 0)
    assert health.uptime_seconds == pytest.approx(time.time(), abs=5)


def test_a_daemon_tells_how_it_is(tmp_path: Path) -> None:
    daemon = scripted(tmp_path, WAIT, LORAD_FAKE_GPUS="2")
    try:
        look(daemon, tmp_path)
    finally:
        daemon.stop()


def look(daemon: Daemon, folder: Path) -> None:
    job = add(daemon, folder)
    daemon.wait_state(job.id, "running")
    client = daemon.client()
    status = eventually(
        lambda: status if (status := client.ask(GetStatus())).gpus[0].processes[0].name else None
    )
    assert [len(gpu.processes) for gpu in status.gpus] == [1, 0]
    assert status.gpus[0].processes[0].job is None, "pid 1 is a stranger"
    assert status.host.cpu_count == os.cpu_count()
    assert status.host.disks
    with contextlib.closing(client.watch("queue/")) as watch:
        watch.wait_attached(60)
        health = eventually(lambda: h if (h := client.ask(GetHealth())).watchers else None)
    assert health.daemon == client.daemon
    assert health.database_bytes > 0
    assert f"test {person()}" in health.clients
    eventually(lambda: client.ask(GetHealth()).watchers == 0)
    eventually(lambda: client.ask(GetHealth()).events_per_second > 0)
    lines = client.ask(GetLogLines(id=0, offset=-1, back=True, find="is up, pid")).lines
    assert len(lines) == 1
    assert lines[0].level == "info"


def test_fake_cards_have_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORAD_FAKE_GPUS", "2")
    first, second = telemetry.find_cards().sample()
    assert [process.pid for process in first.processes] == [1]
    assert second.processes == ()
