"""The gauges: what the driver and the kernel say of the machine.

They are read in a thread of their own, since a driver may hang.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
import psutil

from lorad.daemon.telemetry.owners import Owners
from lorad.shared.clean import clean_line
from lorad.shared.jobs import Disk, Gpu, GpuProcess, Host

log = logging.getLogger(__name__)
PERIOD_SECONDS = 1.0
FAKE_UUID = "GPU-fake-"
_T = TypeVar("_T")


class Cards(Protocol):
    """A source of GPU figures."""

    note: str
    """Why there are none, or empty."""

    def sample(self) -> list[Gpu]:
        """Every card as it is now."""
        ...


RESET = "reset it with `nvidia-smi --gpu-reset -i {index}`, once nothing runs on it"
REBOOT = "reboot the box"
LOOK = "see `nvidia-smi -i {index}`; a reset or a reboot may bring it back"
ACTIONS = {1: RESET, 2: REBOOT, 4: RESET, 6: RESET, 7: REBOOT}
"""By NVML_GPU_RECOVERY_ACTION_*; with the others a card can still be trained on."""
FAULTS = {"NVML_ERROR_GPU_IS_LOST": REBOOT, "NVML_ERROR_RESET_REQUIRED": RESET}


class NvmlCards:
    """NVIDIA's cards, through the driver's own library."""

    def __init__(self) -> None:
        """Raises an ImportError without the library, pynvml's NVMLError without a driver."""
        import pynvml

        self._nvml: Any = pynvml
        pynvml.nvmlInit()
        # Handles are asked for once: getting them is what makes monitors costly.
        self._handles = [
            self._try(lambda i=i: pynvml.nvmlDeviceGetHandleByIndex(i))  # type: ignore[misc]
            for i in range(pynvml.nvmlDeviceGetCount())
        ]
        self._known: dict[int, Gpu] = {}
        lost = [str(i) for i, handle in enumerate(self._handles) if handle is None]
        self.note = f"GPU {', '.join(lost)} cannot be seen at all; {REBOOT}" if lost else ""

    def sample(self) -> list[Gpu]:
        """Every card that still answers.

        Raises:
            BlindError: none does, which is no reason to train as if there were none.
        """
        cards = (
            self._card(index, handle)
            for index, handle in enumerate(self._handles)
            if handle is not None
        )
        found = [card for card in cards if card is not None and _visible(card)]
        if self._handles and not found and os.environ.get("CUDA_VISIBLE_DEVICES") is None:
            raise BlindError("no card answers")
        return found

    def _card(self, index: int, handle: Any) -> Gpu | None:
        nvml = self._nvml
        self._fault: Exception | None = None
        memory = self._try(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
        uuid = self._try(lambda: nvml.nvmlDeviceGetUUID(handle))
        if memory is None or uuid is None:
            return self._broken(index)
        power = self._try(lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        limit = self._try(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle))
        rates = self._try(lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
        found = self._known[index] = Gpu(
            uuid=_text(uuid),
            index=index,
            name=_text(self._try(lambda: nvml.nvmlDeviceGetName(handle)) or "GPU"),
            memory_total_bytes=int(memory.total),
            memory_used_bytes=int(memory.used),
            utilization_percent=None if rates is None else float(rates.gpu),
            power_watts=None if power is None else power / 1000,
            power_limit_watts=None if limit is None else limit / 1000,
            temperature_celsius=self._try(
                lambda: float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))
            ),
            processes=self._processes(handle),
            unusable=self._needs(index, handle),
        )
        return found

    def _broken(self, index: int) -> Gpu | None:
        """A card that does not answer, as it was; none if it never did."""
        if (known := self._known.get(index)) is None:
            return None
        what = f"it does not answer ({self._fault})" if self._fault else "it does not answer"
        number = getattr(self._fault, "value", None)
        cures = [cure for name, cure in FAULTS.items() if number == getattr(self._nvml, name, -1)]
        cure = (cures[0] if cures else LOOK).format(index=index)
        return Gpu(
            uuid=known.uuid,
            index=index,
            name=known.name,
            memory_total_bytes=known.memory_total_bytes,
            memory_used_bytes=known.memory_used_bytes,
            unusable=f"{what}; {cure}",
        )

    def _needs(self, index: int, handle: Any) -> str:
        """What must be done before it can be trained on; empty: nothing."""
        field = getattr(self._nvml, "NVML_FI_DEV_GET_GPU_RECOVERY_ACTION", None)
        ask = getattr(self._nvml, "nvmlDeviceGetFieldValues", None)
        if field is None or ask is None:
            return ""
        values = self._try(lambda: ask(handle, [field]))
        if not values or values[0].nvmlReturn != 0:
            return ""  # an older driver, or an older card
        cure = ACTIONS.get(int(values[0].value.uiVal))
        return f"the driver asks for it: {cure.format(index=index)}" if cure else ""

    def _processes(self, handle: Any) -> tuple[GpuProcess, ...]:
        running = self._try(lambda: self._nvml.nvmlDeviceGetComputeRunningProcesses(handle))
        return tuple(
            GpuProcess(
                pid=int(process.pid),
                memory_bytes=None if process.usedGpuMemory is None else int(process.usedGpuMemory),
            )
            for process in running or ()
        )

    def _try(self, ask: Callable[[], _T]) -> _T | None:
        """The figure, or none where this card does not give it."""
        try:
            return ask()
        except self._nvml.NVMLError as error:
            log.debug("a gauge is blank: %s", error)
            self._fault = error
            return None


class BlindError(Exception):
    """There are cards, or may be, and they cannot be read."""

    def __init__(self, why: str, cards: list[Gpu] | None = None) -> None:
        """`cards` are those that are known from before."""
        super().__init__(why)
        self.cards = cards or []


class NoCards:
    """A box without a GPU that can be used."""

    def __init__(self, note: str, *, blind: bool = False) -> None:
        """`note` says why; `blind` when there may well be cards."""
        self.note = note
        self.blind = blind

    def sample(self) -> list[Gpu]:
        """None."""
        if self.blind:
            raise BlindError(self.note)
        return []


class FakeCards:
    """As many cards as one likes, for tests and for looking at the screens without any."""

    note = ""

    def __init__(self, count: int) -> None:
        """All alike, 24 GiB each."""
        self._count = count

    def sample(self) -> list[Gpu]:
        """Idle cards."""
        return [
            Gpu(
                uuid=f"{FAKE_UUID}{index}",
                index=index,
                name="Fake RTX",
                memory_total_bytes=24 << 30,
                memory_used_bytes=1 << 30,
                utilization_percent=0.0,
                power_watts=20.0,
                power_limit_watts=350.0,
                temperature_celsius=35.0,
                # A stranger on the first card, who holds what of it is used.
                processes=() if index else (GpuProcess(pid=1, memory_bytes=1 << 30),),
            )
            for index in range(self._count)
        ]


def find_cards() -> Cards:
    """The cards of this box; `LORAD_FAKE_GPUS=2` puts made-up ones in their place."""
    if fake := os.environ.get("LORAD_FAKE_GPUS", ""):
        return FakeCards(int(fake))
    try:
        return NvmlCards()
    except ImportError:
        return NoCards("nvidia-ml-py is not installed, so GPUs cannot be seen")
    except Exception as error:  # NVMLError, whose classes only exist where pynvml does
        log.info("no GPU gauges: %s", error)
        if type(error).__name__ in ("NVMLError_LibraryNotFound", "NVMLError_DriverNotLoaded"):
            return NoCards("no NVIDIA driver here; training uses the CPU")
        # As after an update of the driver, until the reboot.
        return NoCards(f"the NVIDIA driver does not work ({error})", blind=True)


class Reading(NamedTuple):
    """One look at the machine."""

    gpus: list[Gpu]
    host: Host
    blind: str = ""
    """Why the cards cannot be read, when there may be some: nothing is started then."""


class Gauges:
    """The newest reading, always at hand."""

    def __init__(self, cards: Cards, owners: Owners, home: Path) -> None:
        """Takes the first reading at once. `home` is where the daemon itself writes."""
        self._cards = cards
        self._owners = owners
        self._home = home
        self._blind = False
        self.outputs: tuple[Path, ...] = ()
        """Where the runs write now."""
        self._stop = threading.Event()
        psutil.cpu_percent(None)  # the first call only sets the mark that the next counts from
        self.newest = self._read()
        self._thread = threading.Thread(target=self._run, name="gauges", daemon=True)

    def start(self) -> None:
        """Read on, once a second."""
        self._thread.start()

    def stop(self) -> None:
        """Read no more; a hanging driver is not waited for."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_SECONDS):
            try:
                self.newest = self._read()
            except Exception:
                log.exception("the gauges could not be read")

    def _read(self) -> Reading:
        memory = psutil.virtual_memory()
        host = Host(
            cpu_percent=psutil.cpu_percent(None),
            memory_total_bytes=memory.total,
            memory_used_bytes=memory.total - memory.available,
            cpu_count=psutil.cpu_count() or 0,
            load=psutil.getloadavg(),
            disks=disks((self._home, *self.outputs)),
        )
        try:
            cards = [self._named(card) for card in self._cards.sample()]
            self._blind = False
            return Reading(cards, msgspec.structs.replace(host, gpu_note=self._cards.note))
        except BlindError as error:
            if not self._blind:
                log.warning("the GPUs cannot be read: %s", error)
            self._blind = True
            return Reading(
                error.cards, msgspec.structs.replace(host, gpu_note=str(error)), str(error)
            )

    def _named(self, card: Gpu) -> Gpu:
        return msgspec.structs.replace(card, processes=self._owners.named(card.processes))


def disks(folders: Iterable[Path]) -> tuple[Disk, ...]:
    """The file systems of these folders, each once, by the first folder on it."""
    found: dict[int, Disk] = {}
    for folder in folders:
        with contextlib.suppress(OSError):  # it is gone, or its server is
            device = folder.stat().st_dev
            if device not in found:
                about = os.statvfs(folder)
                found[device] = Disk(
                    path=clean_line(str(folder), 4096),
                    total_bytes=about.f_blocks * about.f_frsize,
                    free_bytes=about.f_bavail * about.f_frsize,
                )
    return tuple(found.values())


def _visible(card: Gpu) -> bool:
    """Whether the user left this card to us: CUDA_VISIBLE_DEVICES names indices or UUIDs."""
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return True
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    return any(name == str(card.index) or card.uuid.startswith(name) for name in names)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
