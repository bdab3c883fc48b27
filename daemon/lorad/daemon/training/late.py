"""Figures of a step, read when the device has them: the loop never waits for one."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from lorad.shared.messages import Point, PointReport


@dataclass(frozen=True)
class _Pending:
    step: int
    time: float
    learning_rate: float
    images_per_second: float
    figures: torch.Tensor
    """[2]: loss and gradient norm, on the host or on its way there."""
    arrived: Any
    """The CUDA event behind the copy, or none on a CPU."""


class LateFigures:
    """Takes device scalars, gives points."""

    def __init__(self) -> None:
        """Nothing is pending."""
        self._pending: deque[_Pending] = deque()

    def note(
        self,
        step: int,
        figures: torch.Tensor,
        learning_rate: float,
        images_per_second: float,
    ) -> None:
        """A step was launched; `figures` is [loss, gradient norm] on its device."""
        arrived = None
        cuda: Any = torch.cuda  # torch leaves its events untyped
        if figures.device.type == "cuda":
            host = torch.empty(2, dtype=figures.dtype, pin_memory=True)
            figures = host.copy_(figures, non_blocking=True)
            arrived = cuda.Event()
            arrived.record()
        self._pending.append(
            _Pending(step, time.time(), learning_rate, images_per_second, figures, arrived)
        )

    def forget(self) -> None:
        """Nothing is pending any more: the run goes back before those steps."""
        self._pending.clear()

    def ready(self, *, wait: bool = False) -> Iterator[PointReport]:
        """The points whose figures are here; all of them with `wait`."""
        while self._pending:
            first = self._pending[0]
            if first.arrived is not None and not first.arrived.query():
                if not wait:
                    return
                first.arrived.synchronize()
            self._pending.popleft()
            loss, norm = first.figures.tolist()
            yield PointReport(
                point=Point(
                    step=first.step,
                    time=first.time,
                    loss=loss,
                    learning_rate=first.learning_rate,
                    grad_norm=norm,
                    images_per_second=first.images_per_second,
                )
            )
