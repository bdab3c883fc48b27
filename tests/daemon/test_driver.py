"""A driver that fails, hangs or has lost a card costs gauges, and says what must be done."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from support import Daemon, eventually

from daemon.scripted import WAIT, Make, add, said
from lorad.daemon import telemetry
from lorad.daemon.scheduler import decide
from lorad.daemon.scheduler.board import Board, Need, Now
from lorad.daemon.scheduler.rules import TERMS, held_back
from lorad.daemon.telemetry import BlindError, NvmlCards, find_cards
from lorad.daemon.telemetry.late_cards import LateCards, blank
from lorad.shared.jobs import Gpu, Job, Queued
from lorad.shared.messages import CancelJob, GetStatus, WhyJob

STANDIN = Path(__file__).parents[1] / "standin" / "pynvml.py"
CALLS = (
    "nvmlDeviceGetMemoryInfo", "nvmlDeviceGetUUID", "nvmlDeviceGetPowerUsage",
    "nvmlDeviceGetEnforcedPowerLimit", "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetName",
    "nvmlDeviceGetTemperature", "nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetFieldValues",
)  # fmt: skip
NEEDED = CALLS[:2]
FIRST = ("nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex")
Fail = Callable[..., None]


@pytest.fixture
def fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Says what the stand-in's calls do from now on."""
    spec = importlib.util.spec_from_file_location("pynvml", STANDIN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "pynvml", module)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    path = tmp_path / "faults.json"
    monkeypatch.setenv("NVML_FAULTS", str(path))
    return lambda **faults: write(path, faults)


def write(path: Path, faults: dict[str, object]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps({name.replace("_at_", ":"): is_ for name, is_ in faults.items()}))
    part.replace(path)


def codes() -> tuple[int, ...]:
    module: ModuleType = sys.modules["pynvml"]
    return tuple(module.CODES)


@pytest.mark.parametrize("call", CALLS)
def test_each_call_may_raise_each_error(call: str, fail: Fail) -> None:
    cards = NvmlCards()
    whole = cards.sample()
    assert [gpu.unusable for gpu in whole] == ["", ""]
    for code in codes():
        fail(**{f"{call}_at_1": code})
        first, second = cards.sample()
        assert first == whole[0], "the other card is as it was"
        assert bool(second.unusable) == (call in NEEDED), code
        assert (second.uuid, second.index) == (whole[1].uuid, 1)
        if call not in NEEDED and call != "nvmlDeviceGetName":
            assert second == whole[1] or None in (
                second.power_watts, second.power_limit_watts, second.utilization_percent,
                second.temperature_celsius,
            )  # fmt: skip
    fail()
    assert cards.sample() == whole


@pytest.mark.parametrize("code", [15, 16, 999])
def test_a_card_that_is_lost_says_what_to_do(code: int, fail: Fail) -> None:
    cards = NvmlCards()
    cards.sample()
    fail(nvmlDeviceGetMemoryInfo_at_1=code)
    lost = cards.sample()[1]
    cures = {15: "reboot the box", 16: "nvidia-smi --gpu-reset -i 1", 999: "see `nvidia-smi -i 1`"}
    assert cures[code] in lost.unusable
    assert lost.utilization_percent is lost.power_watts is lost.temperature_celsius is None


@pytest.mark.parametrize(
    ("action", "cure"),
    [(0, ""), (1, "gpu-reset -i 0"), (2, "reboot"), (3, ""), (4, "gpu-reset -i 0"), (77, "")],
)
def test_a_driver_may_ask_for_a_reset(action: int, cure: str, fail: Fail) -> None:
    fail(nvmlDeviceGetFieldValues_at_0=f"action {action}")
    first, second = NvmlCards().sample()
    assert bool(first.unusable) == bool(cure)
    assert cure in first.unusable
    assert not second.unusable


def test_a_card_that_was_lost_before_the_daemon_came_leaves_the_others(fail: Fail) -> None:
    fail(nvmlDeviceGetHandleByIndex_at_0=15)
    cards = NvmlCards()
    assert [gpu.index for gpu in cards.sample()] == [1]
    assert "GPU 0 cannot be seen" in cards.note


@pytest.mark.parametrize("call", FIRST)
def test_a_driver_that_does_not_begin_is_asked_again(call: str, fail: Fail) -> None:
    cards = LateCards(find_cards, patience=20)
    fail(**{call: 999})
    with pytest.raises(BlindError, match=r"999|no card answers"):
        LateCards(find_cards, patience=20).sample()
    late = LateCards(find_cards, patience=20)
    with pytest.raises(BlindError):
        late.sample()
    fail()
    assert len(cards.sample()) == 2
    if call != "nvmlDeviceGetHandleByIndex":
        assert len(late.sample()) == 2


@pytest.mark.parametrize("code", [9, 12])
def test_a_box_without_a_driver_trains_on_its_cpu(code: int, fail: Fail) -> None:
    fail(nvmlInit=code)
    cards = LateCards(find_cards, patience=20)
    assert cards.sample() == []
    assert "no NVIDIA driver" in cards.note


@pytest.mark.parametrize("call", ["nvmlInit", "nvmlDeviceGetUUID", "nvmlDeviceGetPowerUsage"])
def test_a_driver_that_hangs_is_not_waited_for(call: str, fail: Fail) -> None:
    fail(**({} if call != "nvmlInit" else {call: "hang"}))
    cards = LateCards(find_cards, patience=0.3)
    known = [] if call == "nvmlInit" else blank(cards.sample())
    fail(**{call: "hang"})
    for _ in range(5):
        with pytest.raises(BlindError, match="has not answered for") as caught:
            cards.sample()
        assert caught.value.cards == known
    fail()
    eventually(lambda: answers(cards))


def answers(cards: LateCards) -> bool:
    try:
        return len(cards.sample()) == 2
    except BlindError:
        return False


def test_what_nobody_expects_of_a_driver_is_told(fail: Fail) -> None:
    cards = LateCards(find_cards, patience=20)
    whole = cards.sample()
    fail(nvmlDeviceGetPowerUsage="junk")
    with pytest.raises(BlindError, match="integer") as caught:
        cards.sample()
    assert caught.value.cards == blank(whole)
    assert caught.value.cards[0].power_watts is None
    assert caught.value.cards[0].power_limit_watts == 700.0


# -- who is started --------------------------------------------------------------------------------


def gpu(index: int, unusable: str = "") -> Gpu:
    return Gpu(
        uuid=f"GPU-{index}", index=index, name="x", memory_total_bytes=8 << 30,
        memory_used_bytes=0, unusable=unusable,
    )  # fmt: skip


def queued(**more: object) -> Job:
    return Job(id=1, name="a", status=Queued(), folder="/f", max_train_steps=1, created=0.0, **more)  # type: ignore[arg-type]


def test_nobody_starts_on_a_card_that_is_lost() -> None:
    job, lost = queued(), "it does not answer; reboot the box"
    now = Now(jobs=[job], gpus=[gpu(0, lost), gpu(1)], needs={1: Need()})
    assert [start.gpus for start in decide(now)] == [("GPU-1",)]
    now = Now(jobs=[job], gpus=[gpu(0, lost)], needs={1: Need()})
    assert decide(now) == [], "nor on the CPU in its place"
    said = held_back(job, Board(now), TERMS)
    assert said is not None
    assert said.sentence == f"Job 1 waits for a card that works. GPU 0: {lost}."
    named = queued(gpus=("GPU-0",))
    now = Now(jobs=[named], gpus=[gpu(0, lost), gpu(1)], needs={1: Need()})
    assert decide(now) == []
    said = held_back(named, Board(now), TERMS)
    assert said is not None
    assert "reboot the box" in said.sentence


# -- a real daemon ---------------------------------------------------------------------------------

LOSES = """
def train(task, line, looking=None):
    cards = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    say(task, "begins", cards)
    line.report(ReadyReport(step=1, last_step=40), point(1))
    if cards.endswith("0"):
        from lorad.shared.errors import CardFault
        while not os.path.exists(task.folder + "/break"):
            time.sleep(0.02)
        raise CardFault(what="CUDA error: unspecified launch failure")
    line.report(FinishReport())
    return EndReport(outcome="done")
"""


@pytest.fixture
def driver(tmp_path: Path, make: Make) -> Callable[[str], tuple[Daemon, Fail]]:
    """A daemon on the stand-in, whose faults are a file's."""

    def one(script: str) -> tuple[Daemon, Fail]:
        faults = tmp_path / "faults.json"
        path = os.pathsep.join(filter(None, [str(STANDIN.parent), os.environ.get("PYTHONPATH")]))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", path)
            patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
            daemon = make(script, NVML_FAULTS=str(faults))
        return daemon, lambda **wanted: write(faults, wanted)

    return one


def test_a_driver_that_hangs_costs_the_gauges_alone(
    driver: Callable[[str], tuple[Daemon, Fail]], tmp_path: Path
) -> None:
    daemon, fail = driver(WAIT)
    client = daemon.client()
    eventually(lambda: len(client.ask(GetStatus()).gpus) == 2)
    job = add(daemon, tmp_path)
    daemon.wait_state(job.id, "running")
    fail(**{"*": "hang"})
    status = eventually(lambda: s if (s := client.ask(GetStatus())).host.gpu_note else None)
    assert "has not answered" in status.host.gpu_note
    assert [gpu.utilization_percent for gpu in status.gpus] == [None, None]
    assert [gpu.uuid for gpu in status.gpus] == ["GPU-fake-0", "GPU-fake-1"]
    second = add(daemon, tmp_path)
    assert "waits for the GPU driver to answer" in client.ask(WhyJob(id=second.id)).sentence
    ended = threading.Event()
    threading.Thread(target=lambda: (client_of(daemon, job.id), ended.set())).start()
    assert ended.wait(60), "the run hears what is said to it all along"
    assert daemon.job(second.id).state == "queued"
    fail()
    daemon.wait_state(second.id, "running")
    assert not client.ask(GetStatus()).host.gpu_note


def client_of(daemon: Daemon, job_id: int) -> None:
    daemon.client().ask(CancelJob(id=job_id))
    daemon.wait_state(job_id, "cancelled")


def test_a_run_whose_card_is_lost_goes_on_with_another(
    driver: Callable[[str], tuple[Daemon, Fail]], tmp_path: Path
) -> None:
    daemon, fail = driver(LOSES)
    eventually(lambda: len(daemon.client().ask(GetStatus()).gpus) == 2)
    job = daemon.wait_state(add(daemon, tmp_path).id, "running")
    assert job.process is not None
    assert job.process.gpus == ("GPU-fake-0",)
    fail(nvmlDeviceGetMemoryInfo_at_0=15)
    eventually(lambda: daemon.client().ask(GetStatus()).gpus[0].unusable)
    (Path(job.folder) / "break").touch()
    job = daemon.wait_state(job.id, "done")
    assert said(job) == ["begins GPU-fake-0", "begins GPU-fake-1"]
    log = daemon.home.log(job.id).read_text()
    assert "ERROR: The GPU failed, and not for want of memory: CUDA error" in log


def test_a_run_waits_where_no_card_is_left(
    driver: Callable[[str], tuple[Daemon, Fail]], tmp_path: Path
) -> None:
    daemon, fail = driver(LOSES)
    client = daemon.client()
    eventually(lambda: len(client.ask(GetStatus()).gpus) == 2)
    job = daemon.wait_state(add(daemon, tmp_path, gpus=("GPU-fake-0",)).id, "running")
    fail(nvmlDeviceGetFieldValues_at_0="action 1")
    eventually(lambda: client.ask(GetStatus()).gpus[0].unusable)
    (Path(job.folder) / "break").touch()
    job = daemon.wait_state(job.id, "queued")
    assert "the log ends with: ERROR: The GPU failed" in job.status.cause
    why = client.ask(WhyJob(id=job.id)).sentence
    assert "waits for a card that works" in why
    assert "nvidia-smi --gpu-reset -i 0" in why
    (Path(job.folder) / "break").unlink()
    fail()
    daemon.wait_state(job.id, "running")  # it was reset


def test_errors_of_a_card_are_told_from_others() -> None:
    import torch

    from lorad.daemon.training.device import is_card_fault, is_full_card

    for text in (
        "CUDA error: unspecified launch failure", "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
        "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`",
        "CUDA error: uncorrectable ECC error encountered", "NCCL error in: x.cpp:1",
    ):  # fmt: skip
        assert is_card_fault(RuntimeError(text)), text
        assert not is_full_card(RuntimeError(text)), text
    assert is_card_fault(torch.AcceleratorError("anything"))
    assert not is_card_fault(RuntimeError("shapes cannot be multiplied"))
    assert is_full_card(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"))
    assert is_full_card(torch.OutOfMemoryError("CUDA out of memory"))


def test_fake_cards_go_on_being_asked_for_by_their_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LORAD_FAKE_GPUS", "3")
    assert len(LateCards(telemetry.find_cards, patience=20).sample()) == 3
