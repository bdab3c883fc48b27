"""What is trained for, against diffusers' own figures and the papers' formulas."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler, FlowMatchEulerDiscreteScheduler
from diffusers.schedulers.scheduling_ddpm import rescale_zero_terminal_snr
from diffusers.training_utils import (
    compute_density_for_timestep_sampling,
    compute_loss_weighting_for_sd3,
    compute_snr,
)
from torch.utils._python_dispatch import TorchDispatchMode

from lorad.daemon.training import keyed
from lorad.daemon.training.families.base import Diffusion, Flow
from lorad.daemon.training.objective import Objective, make_objective, snr_weights
from lorad.shared.errors import WrongValue
from lorad.shared.recipe import Objective as Wanted
from lorad.shared.recipe import Recipe, parse_recipe

SHAPE = (8, 4, 6, 5)
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


@dataclass
class Batch:
    latents: torch.Tensor
    noise: torch.Tensor
    timesteps: torch.Tensor
    mask: torch.Tensor | None = None
    guess: torch.Tensor = field(default_factory=lambda: draw(3))


def draw(number: int) -> torch.Tensor:
    return keyed.normal(SHAPE, 1, "test", number)


def recipe(objective: str = "") -> Recipe:
    return parse_recipe(f'name = "a"\n[data]\npath = "p"\n[objective]\n{objective}')


def schedule(kind: str = "epsilon") -> Any:
    return DDPMScheduler(prediction_type=kind, clip_sample=False, **BETAS)


def diffusion(text: str = "", kind: Any = "epsilon") -> Objective:
    return make_objective(recipe(text), Diffusion(kind, schedule().alphas_cumprod))


def flow(text: str = "", shift: float = 3.0) -> Objective:
    return make_objective(recipe(text), Flow(shift, 1000))


def batch(objective: Objective) -> Batch:
    return Batch(draw(1), draw(2), objective.timesteps(7, range(SHAPE[0])))


def price(objective: Objective, some: Batch) -> torch.Tensor:
    noisy = objective.add_noise(some.latents, some.noise, some.timesteps)
    return objective.losses(some.guess, noisy, some)


def test_noise_is_added_as_diffusers_adds_it() -> None:
    some = batch(objective := diffusion())
    noisy = objective.add_noise(some.latents, some.noise, some.timesteps)
    wanted = schedule().add_noise(some.latents, some.noise, some.timesteps)
    torch.testing.assert_close(noisy, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_min_snr_is_diffusers_own(kind: str) -> None:
    """As train_text_to_image_lora.py weighs them."""
    some = batch(objective := diffusion(f'prediction_type = "{kind}"'))
    assert objective.prediction_type == kind
    scheduler = schedule(kind)
    snr = compute_snr(scheduler, some.timesteps)
    weight = snr.clamp(max=5.0) / (snr if kind == "epsilon" else snr + 1)
    target = some.noise
    if kind == "v_prediction":
        target = scheduler.get_velocity(some.latents, some.noise, some.timesteps)
    wanted = (some.guess - target).square().mean(dim=(1, 2, 3)) * weight
    torch.testing.assert_close(price(objective, some), wanted, rtol=2e-6, atol=0)
    assert weight.min() < 0.9 * weight.max()


def weights(text: str, alphas: list[float], kind: Any = "epsilon") -> list[float]:
    table = snr_weights(torch.tensor(alphas), recipe(text).objective, kind)
    return [1.0] * len(alphas) if table is None else table.tolist()


def test_weights_are_the_papers() -> None:
    """At a signal of 0.9, 0.5 and 0 the snr is 9, 1 and 0."""
    alphas = [0.9, 0.5, 0.0]
    soft, debiased = 'snr_weighting = "soft_min_snr"', 'snr_weighting = "debiased"'
    assert weights("", alphas) == pytest.approx([5 / 9, 1, 1])
    assert weights("", alphas, "v_prediction") == pytest.approx([5 / 10, 1 / 2, 1])
    assert weights(soft, alphas) == pytest.approx([5 / 14, 5 / 6, 1])
    assert weights(soft, alphas, "v_prediction") == pytest.approx([45 / 14 / 10, 5 / 6 / 2, 1])
    assert weights(debiased, alphas) == pytest.approx([1 / 3, 1, 1])
    assert weights(debiased, alphas, "v_prediction") == pytest.approx([1 / 10, 1 / 2, 1])
    assert weights("snr_gamma = 0", alphas) == [1, 1, 1]
    # A signal of 0.9999 has an snr of 9999, which counts as 1000.
    assert weights(debiased, [0.9999]) == pytest.approx([1000**-0.5])


def test_zero_terminal_snr_is_diffusers_own_and_trains_its_last_timestep() -> None:
    text = 'prediction_type = "v_prediction"\nrescale_betas_zero_snr = true'
    objective = diffusion(text, "v_prediction")
    alphas = torch.cumprod(1 - rescale_zero_terminal_snr(schedule().betas), dim=0)
    every = torch.arange(1000)
    ones, zeros = torch.ones(1000, 1, 1, 1), torch.zeros(1000, 1, 1, 1)
    signal = objective.add_noise(ones, zeros, every).flatten()
    torch.testing.assert_close(signal, alphas.sqrt(), rtol=0, atol=1e-5)
    assert signal[-1] == 0
    assert objective.add_noise(zeros, ones, every).flatten()[-1] == 1
    some = batch(objective)
    some.timesteps = torch.full((SHAPE[0],), 999)
    some.guess = -some.latents  # what v is where no signal is left
    assert price(objective, some).tolist() == [0.0] * SHAPE[0]
    some.guess = 1 - some.latents
    assert price(objective, some).tolist() == pytest.approx([1.0] * SHAPE[0])


def test_losses_of_known_errors() -> None:
    plain = batch(diffusion("snr_gamma = 0"))
    plain.guess = plain.noise + 3.0
    bends = {"l2": "", "huber": "huber_c = 0.5", "smooth_l1": "huber_c = 0.5"}
    loss = {
        kind: price(diffusion(f'snr_gamma = 0\nloss_type = "{kind}"\n{bend}'), plain)
        for kind, bend in bends.items()
    }
    root = math.sqrt(9.25)
    assert loss["l2"].tolist() == pytest.approx([9.0] * 8)
    assert loss["huber"].tolist() == pytest.approx([1.0 * (root - 0.5)] * 8)
    assert loss["smooth_l1"].tolist() == pytest.approx([2 * (root - 0.5)] * 8)


def test_a_mask_is_what_is_trained_and_a_small_one_counts_as_much() -> None:
    objective = diffusion("snr_gamma = 0")
    some = batch(objective)
    some.guess = some.noise.clone()
    some.guess[:, :, 2, 3] += 2.0
    some.guess[:, :, 0, 0] += 100.0
    some.mask = torch.zeros(SHAPE[0], 1, *SHAPE[2:])
    some.mask[:, :, 2, 3] = 1.0
    assert price(objective, some).tolist() == pytest.approx([4.0] * 8)
    some.mask *= 0.25
    assert price(objective, some).tolist() == pytest.approx([4.0] * 8)
    some.mask[1] = 0.0
    assert price(objective, some)[1].item() == 0.0
    some.mask = torch.ones_like(some.mask)
    whole, some.mask = price(objective, some), None
    torch.testing.assert_close(price(objective, some), whole)


def test_timesteps_of_diffusion_are_the_keyed_ones() -> None:
    """Pinned: a run that goes on under a newer version must draw the same."""
    objective = diffusion()
    wanted = [keyed.integer(1000, 7, "timestep", place) for place in (5, 6, 90)]
    assert objective.timesteps(7, (5, 6, 90)).tolist() == wanted
    assert (
        objective.timesteps(7, range(4)).tolist()[1:]
        == objective.timesteps(7, range(1, 4)).tolist()
    )
    assert objective.timesteps(8, range(4)).tolist() != objective.timesteps(7, range(4)).tolist()


def test_fixed_timesteps_are_spread_and_leave_out_the_ends() -> None:
    assert diffusion().fixed_timesteps(4).tolist() == [125, 375, 625, 875]
    assert diffusion().fixed_timesteps(1).tolist() == [500]
    plain = flow(shift=1.0).fixed_timesteps(4).tolist()
    assert plain == pytest.approx([126, 376, 626, 876])
    assert len(set(flow().fixed_timesteps(64).tolist())) == 64


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_flow_noises_and_asks_as_diffusers(shift: float) -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    objective = flow(shift=shift)
    some = batch(objective)
    rows = [int((scheduler.timesteps - t).abs().argmin()) for t in some.timesteps]
    torch.testing.assert_close(some.timesteps, scheduler.timesteps[rows], rtol=0, atol=1e-4)
    sigma = scheduler.sigmas[rows].view(-1, 1, 1, 1)
    noisy = objective.add_noise(some.latents, some.noise, some.timesteps)
    wanted = (1 - sigma) * some.latents + sigma * some.noise
    torch.testing.assert_close(noisy, wanted, rtol=0, atol=1e-6)


def test_the_recipes_shift_holds() -> None:
    places = range(50)
    given = flow("shift = 5.0", shift=3.0).timesteps(1, places)
    assert given.tolist() == flow(shift=5.0).timesteps(1, places).tolist()
    assert given.tolist() != flow(shift=3.0).timesteps(1, places).tolist()


@pytest.mark.parametrize("scheme", ["none", "sigma_sqrt", "logit_normal", "mode", "cosmap"])
@pytest.mark.parametrize("precondition", ["true", "false"])
def test_flow_losses_are_diffusers_own(scheme: str, precondition: str) -> None:
    """As train_dreambooth_lora_sd3.py takes them."""
    objective = flow(f'weighting_scheme = "{scheme}"\nprecondition_outputs = {precondition}')
    some = batch(objective)
    sigma = (some.timesteps / 1000).view(-1, 1, 1, 1)
    noisy = (1 - sigma) * some.latents + sigma * some.noise
    guess, target = some.guess, some.noise - some.latents
    if precondition == "true":
        guess, target = guess * -sigma + noisy, some.latents
    weight = compute_loss_weighting_for_sd3(scheme, sigma)
    wanted = (weight * (guess - target).square()).mean(dim=(1, 2, 3))
    torch.testing.assert_close(price(objective, some), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("scheme", "more"),
    [
        ("none", {}),
        ("sigma_sqrt", {}),
        ("cosmap", {}),
        ("logit_normal", {"logit_mean": 0.5, "logit_std": 0.7}),
        ("mode", {"mode_scale": 1.29}),
        ("mode", {"mode_scale": -0.5}),
    ],
)
def test_flow_timesteps_are_distributed_as_diffusers_draws_them(
    scheme: str, more: dict[str, float]
) -> None:
    """Kolmogorov and Smirnov's distance of 20,000 draws from diffusers' density."""
    text = f'weighting_scheme = "{scheme}"\n' + "\n".join(f"{k} = {v}" for k, v in more.items())
    ours = flow(text, shift=1.0).timesteps(3, range(20_000))
    usual = {"logit_mean": 0.0, "logit_std": 1.0, "mode_scale": 1.29} | more
    theirs = compute_density_for_timestep_sampling(
        scheme, 20_000, **usual, generator=torch.Generator().manual_seed(1)
    )
    rows = (theirs * 1000).long().clamp(0, 999)
    theirs = FlowMatchEulerDiscreteScheduler().timesteps[rows]
    grid = torch.arange(1, 1001).float()
    share = [
        torch.searchsorted(drawn.sort().values, grid, right=True) / 20_000
        for drawn in (ours, theirs)
    ]
    assert (share[0] - share[1]).abs().max() < 0.02
    assert ours.min() >= 1
    assert ours.max() <= 1000


def test_extreme_densities_stay_in_range() -> None:
    for text in ("logit_mean = 1e30", "logit_mean = -1e30", "logit_std = 1e30"):
        drawn = flow(text, shift=1.0).timesteps(1, range(100))
        assert drawn.min() >= 1
        assert drawn.max() <= 1000
    bent = flow('weighting_scheme = "mode"\nmode_scale = 50.0', shift=1.0).timesteps(1, range(100))
    assert bent.min() >= 1
    assert bent.max() <= 1000


@pytest.mark.parametrize(
    ("base", "text", "key"),
    [
        ("flow", 'prediction_type = "epsilon"', "objective.prediction_type"),
        ("flow", 'snr_weighting = "debiased"', "objective.snr_weighting"),
        ("flow", "rescale_betas_zero_snr = true", "objective.rescale_betas_zero_snr"),
        ("flow", "input_perturbation = 0.1", "objective.input_perturbation"),
        ("epsilon", "shift = 3.0", "objective.shift"),
        ("epsilon", 'weighting_scheme = "cosmap"', "objective.weighting_scheme"),
        ("epsilon", "precondition_outputs = false", "objective.precondition_outputs"),
        ("epsilon", "rescale_betas_zero_snr = true", "objective.rescale_betas_zero_snr"),
    ],
)
def test_what_the_base_cannot_do_is_refused(base: Any, text: str, key: str) -> None:
    with pytest.raises(WrongValue) as error:
        _ = flow(text) if base == "flow" else diffusion(text, base)
    assert error.value.details["key"] == key


def test_noise_is_not_guessed_where_no_signal_is_left() -> None:
    alphas = torch.tensor([0.5, 0.0])
    with pytest.raises(WrongValue, match=r"objective\.prediction_type"):
        make_objective(recipe('prediction_type = "epsilon"'), Diffusion("v_prediction", alphas))


def test_snr_gamma_does_not_matter_for_flows() -> None:
    for text in ("", "snr_gamma = 0", "snr_gamma = 1.0"):
        objective = flow(text)
        assert price(objective, batch(objective)).tolist() == price(flow(), batch(flow())).tolist()


class Ops(TorchDispatchMode):
    """Every operation that is launched; views cost nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name not in ("view", "unbind", "_unsafe_view", "detach"):
            self.names.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("objective", "most"),
    [
        (diffusion(), 7),
        (diffusion("snr_gamma = 0"), 5),
        (diffusion(kind="v_prediction"), 10),
        (flow(), 6),
    ],
)
def test_a_step_takes_few_operations_and_waits_for_none(objective: Objective, most: int) -> None:
    some = batch(objective)
    price(objective, some)
    with Ops() as ops:
        price(objective, some)
    assert len(ops.names) <= most, ops.names
    assert not {"_local_scalar_dense", "item", "nonzero", "_to_copy"} & set(ops.names)


def test_the_defaults_are_those_of_the_recipe() -> None:
    assert Wanted() == recipe().objective
