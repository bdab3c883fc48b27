"""What the adapter is trained for: how pictures are noised, what is guessed, what a guess costs.

Everything that depends on the timestep alone is worked out once and kept on the device, so a step
gathers rows of small tables; nothing here waits for the device.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal, Protocol

import torch
import torch.nn.functional as F

from lorad.daemon.training import keyed
from lorad.daemon.training.families.base import Diffusion, Flow
from lorad.shared import recipe as recipes
from lorad.shared.errors import WrongValue
from lorad.shared.recipe import Recipe

log = logging.getLogger(__name__)
STREAM = "timestep"
SNR_CAP = 1000.0
"""Debiased estimation's, as sd-scripts caps it: a higher signal weighs no less."""
SMALLEST_MASK = 1e-6
"""Mean of a mask, below which it counts as empty: one cell of 1024x1024 pixels is 6e-5."""
FLOW_ONLY = (
    "weighting_scheme", "logit_mean", "logit_std", "mode_scale", "shift", "precondition_outputs",
)  # fmt: skip
DIFFUSION_ONLY = ("prediction_type", "snr_weighting", "rescale_betas_zero_snr")


class Noised(Protocol):
    """What a loss needs to know of a batch."""

    @property
    def latents(self) -> torch.Tensor:
        """[n, c, h/8, w/8], clean."""
        ...

    @property
    def noise(self) -> torch.Tensor:
        """[n, c, h/8, w/8]: what is to be guessed."""
        ...

    @property
    def timesteps(self) -> torch.Tensor:
        """[n], as the network is asked, on the device."""
        ...

    @property
    def mask(self) -> torch.Tensor | None:
        """[n, 1, h/8, w/8] in 0..1: what is trained."""
        ...


class Objective(Protocol):
    """What a run trains for."""

    @property
    def prediction_type(self) -> Literal["epsilon", "v_prediction", "flow"]:
        """What the network guesses."""
        ...

    def timesteps(self, seed: int, places: Sequence[int]) -> torch.Tensor:
        """The timestep of each place in the run, [n] on the host; keyed by the place alone."""
        ...

    def fixed_timesteps(self, count: int) -> torch.Tensor:
        """So many, [count] on the host, spread evenly over the schedule, the ends left out."""
        ...

    def add_noise(
        self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor
    ) -> torch.Tensor:
        """Latents [n, c, h/8, w/8] at their timesteps [n]."""
        ...

    def losses(self, guess: torch.Tensor, noisy: torch.Tensor, batch: Noised) -> torch.Tensor:
        """What each guess costs, [n]: masked, and weighted by its timestep."""
        ...


def make_objective(recipe: Recipe, process: Diffusion | Flow) -> Objective:
    """The objective that the recipe asks of this base model.

    Raises:
        WrongValue: the base model cannot be trained so.
    """
    wanted = recipe.objective
    refuse_foreign(wanted, flow=isinstance(process, Flow))
    refuse_no_signal(wanted, process)
    if isinstance(process, Diffusion):
        return DiffusionObjective(wanted, process)
    return FlowObjective(wanted, process)


def refuse_foreign(wanted: recipes.Objective, *, flow: bool) -> None:
    """Refuse what is for another kind of base model; `lorad check` asks before any is loaded.

    Raises:
        WrongValue: a key is set that this kind has no use for.
    """
    usual = recipes.Objective()
    foreign, why = (
        (DIFFUSION_ONLY, "this base model matches flows (SD 3), which has no such thing")
        if flow
        else (FLOW_ONLY, "it is for flow matching (SD 3), and this base model guesses noise")
    )
    for name in foreign:
        if getattr(wanted, name) != getattr(usual, name):
            raise WrongValue(key=f"objective.{name}", why=why)


def refuse_no_signal(wanted: recipes.Objective, process: Diffusion | Flow) -> None:
    """Refuse to guess the noise where there is nothing but noise.

    Raises:
        WrongValue: there is no signal left at a timestep at which the noise is to be guessed.
    """
    if isinstance(process, Flow) or _predicted(wanted, process) != "epsilon":
        return
    if _alphas(wanted, process)[-1].item() == 0:
        key, what = "prediction_type", 'set it to "v_prediction" if the base model guesses that'
        if wanted.rescale_betas_zero_snr:
            key, what = "rescale_betas_zero_snr", "it is for v-prediction models"
        why = f"where no signal is left, the noise cannot be guessed from noise alone; {what}"
        raise WrongValue(key=f"objective.{key}", why=why)


def _predicted(wanted: recipes.Objective, process: Diffusion) -> Literal["epsilon", "v_prediction"]:
    return wanted.prediction_type or process.prediction_type


def _alphas(wanted: recipes.Objective, process: Diffusion) -> torch.Tensor:
    """The signal's power that is trained with, [timesteps]."""
    alphas = process.alphas_cumprod.float()
    return zero_terminal_snr(alphas) if wanted.rescale_betas_zero_snr else alphas


class DiffusionObjective:
    """Noise or velocity is guessed, DDPM's way of noising."""

    def __init__(self, wanted: recipes.Objective, process: Diffusion) -> None:
        """Works out the tables on the device of `process.alphas_cumprod`."""
        self.prediction_type = _predicted(wanted, process)
        if self.prediction_type != process.prediction_type:
            log.warning(
                "The base model says that it guesses %s; the recipe trains it for %s",
                process.prediction_type,
                self.prediction_type,
            )
        alphas = _alphas(wanted, process)
        self._count = len(alphas)
        # [timesteps, 2, 1, 1, 1]: what signal and noise are multiplied with, in one gather.
        self._parts = torch.stack([alphas.sqrt(), (1 - alphas).sqrt()], 1)[..., None, None, None]
        self._weights = snr_weights(alphas, wanted, self.prediction_type)
        self._loss = PixelLoss(wanted)

    def timesteps(self, seed: int, places: Sequence[int]) -> torch.Tensor:
        """[n] in 0..999, int64; every one as likely."""
        return torch.tensor([keyed.integer(self._count, seed, STREAM, place) for place in places])

    def fixed_timesteps(self, count: int) -> torch.Tensor:
        """[count], int64, ascending."""
        return torch.tensor(_spread(count, self._count))

    def add_noise(
        self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor
    ) -> torch.Tensor:
        """DDPM, Ho et al. 2020 (arXiv 2006.11239), equation 4."""
        signal, sigma = self._parts.index_select(0, timesteps).unbind(1)
        return torch.addcmul(signal * latents, sigma, noise)

    def losses(self, guess: torch.Tensor, noisy: torch.Tensor, batch: Noised) -> torch.Tensor:
        """[n]; the target is the noise, or the velocity of Salimans and Ho 2022 (2202.00512)."""
        target = batch.noise
        if self.prediction_type == "v_prediction":
            signal, sigma = self._parts.index_select(0, batch.timesteps).unbind(1)
            target = torch.addcmul(signal * batch.noise, sigma, batch.latents, value=-1)
        losses = self._loss(guess.float(), target, batch.mask)
        if self._weights is None:
            return losses
        return losses * self._weights.index_select(0, batch.timesteps)


class FlowObjective:
    """The flow from picture to noise is guessed: SD 3, Esser et al. 2024 (arXiv 2403.03206)."""

    def __init__(self, wanted: recipes.Objective, process: Flow) -> None:
        """Works out the sigmas.

        Raises:
            WrongValue: two of the recipe's wishes exclude each other.
        """
        if wanted.input_perturbation and wanted.precondition_outputs:
            raise WrongValue(
                key="objective.input_perturbation",
                why="the loss of the picture would have the perturbation guessed as well; set"
                " precondition_outputs = false",
            )
        self.prediction_type: Literal["flow"] = "flow"
        self._wanted = wanted
        self._scale = process.timesteps
        shift = wanted.shift or process.shift
        # As diffusers' FlowMatchEulerDiscreteScheduler lists them: from all noise downwards.
        sigmas = torch.arange(self._scale, 0, -1) / self._scale
        # The paper's equation 23.
        self._timesteps = shift * sigmas / (1 + (shift - 1) * sigmas) * self._scale
        self._loss = PixelLoss(wanted)

    def timesteps(self, seed: int, places: Sequence[int]) -> torch.Tensor:
        """[n] in 0..1000, fp32, distributed as `weighting_scheme` says, then shifted."""
        rows = [self._row(keyed.key(seed, STREAM, place)) for place in places]
        return self._timesteps[rows]

    def fixed_timesteps(self, count: int) -> torch.Tensor:
        """[count], fp32, ascending."""
        return self._timesteps.flip(0)[_spread(count, len(self._timesteps))]

    def _row(self, bits: int) -> int:
        """Which of the timesteps 63 random bits mean.

        The paper's section 3.1, in the direction of diffusers' training script: it counts from all
        noise, so a positive `logit_mean` leans towards the picture.
        """
        wanted = self._wanted
        share = ((bits >> 11) + 0.5) / (1 << 52)  # strictly between 0 and 1
        if wanted.weighting_scheme == "logit_normal":
            normal = wanted.logit_mean + wanted.logit_std * NormalDist().inv_cdf(share)
            share = 0.5 + 0.5 * math.tanh(normal / 2)  # the sigmoid, without its overflow
        elif wanted.weighting_scheme == "mode":
            bend = math.cos(math.pi * share / 2) ** 2 - 1 + share
            share = 1 - share - wanted.mode_scale * bend
        last = len(self._timesteps) - 1
        return min(max(int(share * len(self._timesteps)), 0), last)

    def add_noise(
        self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor
    ) -> torch.Tensor:
        """On the straight line between the two, the paper's equation 13."""
        sigmas = timesteps.view(-1, 1, 1, 1) / self._scale
        return torch.lerp(latents, noise, sigmas)

    def losses(self, guess: torch.Tensor, noisy: torch.Tensor, batch: Noised) -> torch.Tensor:
        """[n]; the target is noise - latents, or with precondition_outputs the picture itself."""
        sigmas = batch.timesteps / self._scale
        guess = guess.float()
        if self._wanted.precondition_outputs:
            guess = torch.addcmul(noisy, sigmas.view(-1, 1, 1, 1), guess, value=-1)
            target = batch.latents
        else:
            target = batch.noise - batch.latents
        losses = self._loss(guess, target, batch.mask)
        if self._wanted.weighting_scheme == "sigma_sqrt":
            return losses / sigmas.square()
        if self._wanted.weighting_scheme == "cosmap":
            return losses * (2 / math.pi) / (1 - 2 * sigmas + 2 * sigmas.square())
        return losses


class PixelLoss:
    """How far a guess is from its target, picture by picture.

    Huber and smooth L1 are the pseudo-Huber losses of Khrapov et al. 2024 (arXiv 2403.16728) with a
    constant c, scaled as sd-scripts and diffusers' scripts have them: 2c(sqrt(d²+c²)-c), which is
    d² for small errors, and 2(sqrt(d²+c²)-c), which is twice |d| for large ones.
    """

    def __init__(self, wanted: recipes.Objective) -> None:
        self._type = wanted.loss_type
        self._c = wanted.huber_c

    def __call__(
        self, guess: torch.Tensor, target: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """[n], the mean over a picture or over what its mask lets through."""
        errors = F.mse_loss(guess, target, reduction="none")
        if self._type != "l2":
            factor = 2 * self._c if self._type == "huber" else 2.0
            errors = factor * ((errors + self._c**2).sqrt() - self._c)
        if mask is None:
            return errors.mean(dim=(1, 2, 3))
        # By the mask's mean, so that a small mask does not shrink the loss; an empty one costs 0.
        shares = mask.mean(dim=(1, 2, 3)).clamp(min=SMALLEST_MASK)
        return (errors * mask).mean(dim=(1, 2, 3)) / shares


def zero_terminal_snr(alphas_cumprod: torch.Tensor) -> torch.Tensor:
    """The schedule with no signal left at its end; Lin et al. 2023 (arXiv 2305.08891), alg. 1."""
    roots = alphas_cumprod.sqrt()
    first, last = roots[0], roots[-1]
    return ((roots - last) * (first / (first - last))).square()


def snr_weights(
    alphas_cumprod: torch.Tensor,
    wanted: recipes.Objective,
    prediction_type: Literal["epsilon", "v_prediction"],
) -> torch.Tensor | None:
    """What each timestep weighs, [timesteps]; none if all weigh 1.

    With snr the power of the signal over that of the noise, for the loss of the noise:
    min_snr: min(snr, gamma)/snr, Hang et al. 2023 (arXiv 2303.09556).
    soft_min_snr: gamma/(snr + gamma), Crowson et al. 2024 (arXiv 2401.11605).
    debiased: 1/sqrt(min(snr, 1000)), Yu et al. 2023 (arXiv 2310.08442), capped as in sd-scripts.
    Velocity is off by sqrt(snr + 1) times as much, so its weight is snr/(snr + 1) of the noise's;
    debiased estimation has 1/(snr + 1) there, again as in sd-scripts. Where no signal is left the
    weight is 1, as diffusers advises, or zero terminal SNR would never train its last timestep.
    """
    gamma, scheme = wanted.snr_gamma, wanted.snr_weighting
    if scheme != "debiased" and gamma == 0:
        return None
    alphas = alphas_cumprod.double()
    snr = alphas / (1 - alphas)
    if scheme == "debiased":
        capped = snr.clamp(max=SNR_CAP)
        weights = 1 / capped.sqrt() if prediction_type == "epsilon" else 1 / (capped + 1)
    else:
        counted = snr.clamp(max=gamma) if scheme == "min_snr" else snr * gamma / (snr + gamma)
        weights = counted / (snr if prediction_type == "epsilon" else snr + 1)
    return weights.where(snr > 0, 1.0).float()


def _spread(count: int, length: int) -> list[int]:
    """The middles of `count` equal parts of 0..length-1."""
    return [(2 * part + 1) * length // (2 * count) for part in range(count)]
