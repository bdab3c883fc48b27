"""A driver for tests in the place of NVIDIA's: two cards, and whatever faults a file asks for.

The file that NVML_FAULTS names holds a JSON object: by a call's name, or `NAME:CARD`, what it does.
A number is the error that it raises, `hang` waits for as long as that stays in the file, `junk`
raises what is none of the library's errors, `action N` is a recovery action. `*` is every call.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

NVML_TEMPERATURE_GPU = 0
NVML_ERROR_UNINITIALIZED = 1
NVML_ERROR_NOT_SUPPORTED = 3
NVML_ERROR_DRIVER_NOT_LOADED = 9
NVML_ERROR_LIBRARY_NOT_FOUND = 12
NVML_ERROR_GPU_IS_LOST = 15
NVML_ERROR_RESET_REQUIRED = 16
NVML_ERROR_UNKNOWN = 999
NVML_FI_DEV_GET_GPU_RECOVERY_ACTION = 230
CODES = (*range(1, 30), 999)
"""All that the library has names for."""
CALLS = (
    "nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex", "nvmlDeviceGetMemoryInfo",
    "nvmlDeviceGetUUID", "nvmlDeviceGetPowerUsage", "nvmlDeviceGetEnforcedPowerLimit",
    "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetName", "nvmlDeviceGetTemperature",
    "nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetFieldValues",
)  # fmt: skip


class NVMLError(Exception):
    """As the library's: `value` is the code."""

    def __init__(self, value: int) -> None:
        super().__init__(f"error {value} of the driver")
        self.value = value


class NVMLError_LibraryNotFound(NVMLError):
    """There is no driver."""


class NVMLError_DriverNotLoaded(NVMLError):
    """There is one, and it is not loaded."""


KINDS = {
    NVML_ERROR_LIBRARY_NOT_FOUND: NVMLError_LibraryNotFound,
    NVML_ERROR_DRIVER_NOT_LOADED: NVMLError_DriverNotLoaded,
}


def faults() -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(Path(os.environ["NVML_FAULTS"]).read_text())
    except (KeyError, OSError, ValueError):
        return {}
    return found


def asked(name: str, card: object) -> Any:
    now = faults()
    return now.get(f"{name}:{card}", now.get(name, now.get("*")))


def call(name: str, answer: Callable[..., Any]) -> Callable[..., Any]:
    def does(*given: Any) -> Any:
        card = given[0] if given else None
        while (fault := asked(name, card)) == "hang":
            time.sleep(0.02)
        if isinstance(fault, int):
            raise KINDS.get(fault, NVMLError)(fault)
        if fault == "junk":
            raise TypeError("an integer is required")
        if isinstance(fault, str):
            return fields(int(fault.removeprefix("action ")))
        return answer(*given)

    return does


def fields(action: int) -> list[SimpleNamespace]:
    return [SimpleNamespace(nvmlReturn=0, value=SimpleNamespace(uiVal=action))]


ANSWERS: dict[str, Callable[..., Any]] = {
    "nvmlInit": lambda: None,
    "nvmlDeviceGetCount": lambda: 2,
    "nvmlDeviceGetHandleByIndex": lambda index: index,
    "nvmlDeviceGetMemoryInfo": lambda card: SimpleNamespace(total=24 << 30, used=1 << 30),
    "nvmlDeviceGetUUID": lambda card: f"GPU-fake-{card}",
    "nvmlDeviceGetPowerUsage": lambda card: 70_000,
    "nvmlDeviceGetEnforcedPowerLimit": lambda card: 700_000,
    "nvmlDeviceGetUtilizationRates": lambda card: SimpleNamespace(gpu=50),
    "nvmlDeviceGetName": lambda card: "Stand-in",
    "nvmlDeviceGetTemperature": lambda card, kind: 40,
    "nvmlDeviceGetComputeRunningProcesses": lambda card: [],
    "nvmlDeviceGetFieldValues": lambda card, wanted: fields(0),
}
for _name in CALLS:
    globals()[_name] = call(_name, ANSWERS[_name])
