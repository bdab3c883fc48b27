"""Where a run computes, how precisely, and whether it repeats bit for bit."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils.memory import should_reduce_batch_size

from lorad.daemon.training.threads import count_threads
from lorad.shared.errors import NoCuda, WrongValue
from lorad.shared.recipe import Recipe

_DTYPES = {"no": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
FULL_CARD = ("ALLOC_FAILED", "out of memory", "INSUFFICIENT_RESOURCES", "unable to find an engine")
"""What cuBLAS and cuDNN say of a full card; torch passes it on as a plain RuntimeError."""

CARD_FAULTS = ("CUDA error", "CUBLAS_STATUS_", "CUDNN_STATUS_", "CUSOLVER_STATUS_", "NCCL error")
"""What torch says of a card that failed, when that is no `AcceleratorError`."""


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
    """Set up torch for this recipe; `threads` is the number that a resumed run began with.

    Raises:
        NoCuda: a card was given, and torch cannot use it.
        WrongValue: the precision needs a GPU.
    """
    device_type = "cuda" if torch.cuda.is_available() else "cpu"
    if (gpu := os.environ.get("LORAD_GPU", "")) and device_type == "cpu":
        raise NoCuda(gpu=gpu, why=f"built for CUDA {torch.version.cuda or 'nowhere'}")
    exact = recipe.train.exact if recipe.train.exact is not None else device_type == "cpu"
    threads = threads or count_threads(recipe)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(exact)
    torch.backends.cudnn.deterministic = exact
    torch.backends.cudnn.benchmark = not exact
    torch.backends.cuda.matmul.allow_tf32 = not exact
    torch.backends.cudnn.allow_tf32 = not exact
    determinism: Any = torch.utils.deterministic  # whose attribute torch leaves undeclared
    determinism.fill_uninitialized_memory = False  # costs 6 % of a step and only helps debugging
    precision = _precision(recipe.train.mixed_precision, device_type)
    accelerator = Accelerator(mixed_precision=precision, cpu=device_type == "cpu")
    return Place(accelerator, accelerator.device, _DTYPES[precision], exact, threads)


def _precision(wanted: str, device_type: str) -> str:
    if device_type == "cpu":
        if wanted == "fp16":
            raise WrongValue(key="train.mixed_precision", why="fp16 needs a GPU; use bf16 or no")
        return "no" if wanted == "auto" else wanted
    if wanted == "auto":
        # Without the flag an older card says yes and computes it in software.
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return wanted


def is_card_fault(error: RuntimeError) -> bool:
    """Whether the card or its driver failed; what was computed on it since is not to be trusted."""
    if isinstance(error, torch.AcceleratorError):
        return True
    return any(words in str(error) for words in CARD_FAULTS)


def is_full_card(error: RuntimeError) -> bool:
    """Whether it is what torch, cuBLAS or cuDNN raise where memory is short."""
    if isinstance(error, torch.OutOfMemoryError) or should_reduce_batch_size(error):
        return True
    return any(words in str(error) for words in FULL_CARD)
