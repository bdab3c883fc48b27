"""Loss on pictures that are not trained, and what it says of when to stop."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from msgspec import Struct

from lorad.daemon.training.data.dataset import Dataset
from lorad.daemon.training.device import Place
from lorad.daemon.training.families import Family
from lorad.daemon.training.forward import losses_of
from lorad.daemon.training.objective import Objective
from lorad.shared.recipe import Recipe

log = logging.getLogger(__name__)


class Validator:
    """Looks at the held-out pictures, always with the same noise at the same timesteps."""

    def __init__(
        self, dataset: Dataset, objective: Objective, family: Family, place: Place, recipe: Recipe
    ) -> None:
        """Nothing is looked at yet."""
        self._dataset = dataset
        self._objective = objective
        self._family = family
        self._place = place
        self._size = recipe.train.train_batch_size

    def look(self, step: int) -> float:
        """The mean loss under the weights as they are, after so many steps; may be NaN."""
        with torch.no_grad(), _evaluating(self._family):
            losses = [
                losses_of(batch, self._objective, self._family, self._place)
                for batch in self._dataset.fixed_batches(self._size)
            ]
            loss = torch.cat(losses).double().mean().item()
        log.info("Step %d: validation loss %.5f", step, loss)
        return loss


@contextmanager
def _evaluating(family: Family) -> Iterator[None]:
    """Without dropout; afterwards every module is in the mode that it was in."""
    roots = [family.network, *family.text_encoders.values()]
    modules = [module for root in roots for module in root.modules()]
    modes = [module.training for module in modules]
    for root in roots:
        root.eval()
    try:
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode


class Best(Struct, frozen=True):
    """The lowest validation loss so far; JSON by msgspec."""

    loss: float | None = None
    """None: there was no look yet, or every one was NaN."""
    step: int = 0
    """Steps taken when it was seen."""
    since: int = 0
    """Looks since then without a lower one."""

    def after(self, step: int, loss: float) -> Best:
        """With another look. NaN and infinity are never the best."""
        if math.isfinite(loss) and (self.loss is None or loss < self.loss):
            return Best(loss, step)
        return Best(self.loss, self.step, self.since + 1)

    def stop(self, patience: int) -> bool:
        """Whether so many looks in a row brought nothing better; never with 0."""
        return 0 < patience <= self.since
