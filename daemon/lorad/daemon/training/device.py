"""Where a run computes, how precisely, and whether it repeats bit for bit."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from accelerate import Accelerator

from lorad.shared.recipe import Recipe

_DTYPES = {"no": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Place:
    """The machine as a run uses it."""

    accelerator: Accelerator
    device: torch.device
    dtype: torch.dtype
    """Of the frozen base; the adapter is always fp32."""
    exact: bool
    threads: int

    @property
    def name(self) -> str:
        """The device by its name."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return "cpu"


def find_place(recipe: Recipe, threads: int | None) -> Place:
    """Set up torch for this recipe; `threads` is the number that a resumed run began with."""
    device_type = "cuda" if torch.cuda.is_available() else "cpu"
    exact = recipe.train.exact if recipe.train.exact is not None else device_type == "cpu"
    threads = threads or _threads()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(exact)
    torch.backends.cudnn.deterministic = exact
    torch.backends.cudnn.benchmark = not exact
    torch.backends.cuda.matmul.allow_tf32 = not exact
    torch.backends.cudnn.allow_tf32 = not exact
    precision = recipe.train.mixed_precision
    if precision == "auto":
        usable = device_type == "cuda" and torch.cuda.is_bf16_supported()
        precision = "bf16" if usable else "no"
    accelerator = Accelerator(mixed_precision=precision, cpu=device_type == "cpu")
    return Place(accelerator, accelerator.device, _DTYPES[precision], exact, threads)


def _threads() -> int:
    """All cores that this process may use, or what OMP_NUM_THREADS says."""
    if given := os.environ.get("OMP_NUM_THREADS", ""):
        return max(1, int(given))
    return len(os.sched_getaffinity(0))
