"""What the network makes of a batch: the same way for steps and for looks."""

from __future__ import annotations

import torch

from lorad.daemon.training.data.dataset import Batch
from lorad.daemon.training.device import Place
from lorad.daemon.training.families import Family
from lorad.daemon.training.objective import Objective


def losses_of(batch: Batch, objective: Objective, family: Family, place: Place) -> torch.Tensor:
    """The loss of each picture, [n], as the objective weighs it; not by `batch.weights`."""
    noisy = objective.add_noise(batch.latents, batch.perturbed, batch.timesteps)
    with place.accelerator.autocast():
        condition = family.encode_tokens(batch.tokens) if batch.tokens else {}
        guess = family.predict(noisy, batch.timesteps, batch.condition | condition)
    return objective.losses(guess, noisy, batch)
