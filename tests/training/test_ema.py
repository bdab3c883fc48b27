"""The moving average, the weights that are shown, and looks at held-out pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
import torch

from lorad.daemon.training import keyed
from lorad.daemon.training.device import find_place
from lorad.daemon.training.ema import Ema, shown
from lorad.daemon.training.families.base import Condition, Tokens
from lorad.daemon.training.families.registry import load_family
from lorad.daemon.training.lora import add_lora
from lorad.daemon.training.objective import make_objective
from lorad.daemon.training.validation import Best, Validator
from lorad.shared.recipe import Model, parse_recipe

Parameters = dict[str, torch.nn.Parameter]


def weights() -> Parameters:
    shapes = {"unet.a": (4, 3), "unet.b": (3,)}
    return {n: torch.nn.Parameter(keyed.normal(s, 1, n)) for n, s in shapes.items()}


def take(parameters: Parameters, ema: Ema, first: int, last: int) -> None:
    for step in range(first, last):
        with torch.no_grad():
            for name, p in parameters.items():
                p.add_(keyed.normal(tuple(p.shape), 2, name, step))
        ema.update(parameters, step)


def test_the_average_is_the_formulas() -> None:
    parameters = weights()
    ema = Ema(parameters, 0.9)
    assert [ema.decay(step) for step in (0, 8, 80, 10**6)] == [0.1, 0.5, 0.9, 0.9]
    wanted = {name: p.detach().double() for name, p in parameters.items()}
    for step in range(100):
        take(parameters, ema, step, step + 1)
        decay = min(0.9, (1 + step) / (10 + step))
        wanted = {n: decay * w + (1 - decay) * parameters[n].detach() for n, w in wanted.items()}
    for name, average in ema.averages.items():
        torch.testing.assert_close(average.double(), wanted[name], rtol=1e-5, atol=1e-5)


def test_saved_and_gone_on_equals_never_stopped() -> None:
    parameters, other = weights(), weights()
    ema = Ema(parameters, 0.99)
    take(parameters, ema, 0, 4)
    saved = {name: average.clone() for name, average in ema.averages.items()}
    with torch.no_grad():
        for name, p in other.items():
            p.copy_(parameters[name])
    resumed, forgotten = Ema(other, 0.99), Ema(other, 0.99)
    resumed.restore(saved)
    take(parameters, ema, 4, 7)
    for step in range(4, 7):
        take(other, resumed, step, step + 1)
        forgotten.update(other, step)
    assert all(torch.equal(ema.averages[n], t) for n, t in resumed.averages.items())
    assert not any(torch.equal(ema.averages[n], t) for n, t in forgotten.averages.items())


def test_the_average_is_shown_and_the_trained_weights_come_back() -> None:
    parameters = weights()
    ema = Ema(parameters, 0.99)
    optimizer = torch.optim.AdamW(parameters.values())
    take(parameters, ema, 0, 3)
    before = {name: p.detach().clone() for name, p in parameters.items()}
    pointers = [p.data_ptr() for p in parameters.values()]
    for wrong in (False, True):
        try:
            with shown(parameters, optimizer, ema):
                assert all(torch.equal(p, ema.averages[n]) for n, p in parameters.items())
                assert not any(torch.equal(p, before[n]) for n, p in parameters.items())
                if wrong:
                    raise KeyError
        except KeyError:
            assert wrong
        assert all(torch.equal(p, before[n]) for n, p in parameters.items())
    assert [p.data_ptr() for p in parameters.values()] == pointers  # a graph may hold them
    with shown(parameters, optimizer, None):
        assert all(torch.equal(p, before[n]) for n, p in parameters.items())


def test_the_best_is_the_lowest_and_patience_counts_looks_without_one() -> None:
    best = Best()
    assert not best.stop(1)
    for step, loss, wanted in [
        (10, math.nan, Best(None, 0, 1)),
        (20, 0.5, Best(0.5, 20, 0)),
        (30, 0.5, Best(0.5, 20, 1)),
        (40, math.nan, Best(0.5, 20, 2)),
        (50, math.inf, Best(0.5, 20, 3)),
        (60, -math.inf, Best(0.5, 20, 4)),
        (70, 0.4, Best(0.4, 70, 0)),
    ]:
        best = best.after(step, loss)
        assert best == wanted
        assert msgspec.json.decode(msgspec.json.encode(best), type=Best) == best
    worse = Best(0.5, 20, 3)
    assert [worse.stop(patience) for patience in (0, 2, 3, 4)] == [False, True, True, False]


@dataclass
class Batch:
    latents: torch.Tensor
    noise: torch.Tensor
    perturbed: torch.Tensor
    timesteps: torch.Tensor
    condition: Condition
    tokens: Tokens
    mask: torch.Tensor | None = None


@pytest.fixture(scope="module")
def looked_at() -> tuple[Validator, Parameters, torch.nn.Module, Held]:
    recipe = parse_recipe('name = "a"\n[data]\npath = "p"\n[train]\ntrain_batch_size = 2')
    place = find_place(recipe, 1)
    family = load_family(Model(), Path(), place.device, place.dtype)
    objective = make_objective(recipe, family.process)
    held = Held()
    held.network, held.tokens = family.network, family.tokenize(["cat", "dog", "a rocket"])
    with torch.no_grad():
        held.condition = family.encode_tokens(held.tokens)
    parameters = add_lora(family, recipe, Path())
    family.network.train()
    return Validator(held, objective, family, place, recipe), parameters, family.network, held


def _rows(tensors: dict[str, torch.Tensor], rows: tuple[int, ...]) -> dict[str, torch.Tensor]:
    return {name: tensor[list(rows)] for name, tensor in tensors.items()}


class Held:
    """Three pictures at two timesteps."""

    condition: Condition
    tokens: Tokens
    network: torch.nn.Module
    encoded = True

    def fixed_batches(self, size: int) -> Iterator[Batch]:
        rows = [(picture, timestep) for picture in range(3) for timestep in (250, 750)]
        for first in range(0, len(rows), size):
            assert not torch.is_grad_enabled()
            assert not any(module.training for module in self.network.modules())
            pictures, steps = zip(*rows[first : first + size], strict=True)
            noise = torch.stack([keyed.normal((8, 8, 8), 1, "noise", p) for p in pictures])
            yield Batch(
                latents=torch.stack([keyed.normal((8, 8, 8), 1, "latent", p) for p in pictures]),
                noise=noise,
                perturbed=noise,
                timesteps=torch.tensor(steps),
                condition=_rows(self.condition, pictures) if self.encoded else {"sizes": noise},
                tokens={} if self.encoded else _rows(self.tokens, pictures),
            )


def test_a_look_is_the_mean_loss_and_leaves_no_trace(
    looked_at: tuple[Validator, Parameters, torch.nn.Module, Held],
) -> None:
    validator, parameters, network, _ = looked_at
    one = validator.look(3)
    assert 0 < one < 10
    assert validator.look(4) == one
    assert network.training
    assert all(p.grad is None for p in parameters.values())
    inner = next(module for module in network.modules() if module is not network)
    inner.eval()
    validator.look(5)
    assert not inner.training  # each module is in its own mode again
    inner.train()


def test_a_look_is_over_all_pictures_and_encodes_captions_where_it_must(
    looked_at: tuple[Validator, Parameters, torch.nn.Module, Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    validator, _, _, held = looked_at
    wanted = validator.look(0)
    for size in (1, 6):
        monkeypatch.setattr(validator, "_size", size)
        assert validator.look(0) == pytest.approx(wanted, rel=1e-4)
    monkeypatch.undo()
    heard: list[set[str]] = []
    predict = validator._family.predict

    def listen(noisy: torch.Tensor, timesteps: torch.Tensor, given: Condition) -> torch.Tensor:
        heard.append(set(given))
        return predict(noisy, timesteps, given)

    monkeypatch.setattr(validator._family, "predict", listen)
    monkeypatch.setattr(held, "encoded", False)
    assert validator.look(0) == pytest.approx(wanted, rel=1e-4)
    assert heard == [{"sizes", "text"}] * 3


def test_a_look_sees_the_weights_as_they_are(
    looked_at: tuple[Validator, Parameters, torch.nn.Module, Held],
) -> None:
    validator, parameters, _, _ = looked_at
    before = validator.look(0)
    ema = Ema(parameters, 0.9)
    with torch.no_grad():
        for average in ema.averages.values():
            average.add_(0.05)
    optimizer = torch.optim.AdamW(parameters.values())
    with shown(parameters, optimizer, ema):
        averaged = validator.look(0)
    assert averaged != before
    assert validator.look(0) == before
    name, p = next((n, p) for n, p in parameters.items() if "lora_B" in n)
    with torch.no_grad():
        p.fill_(math.nan)
    assert math.isnan(validator.look(0)), name
    with torch.no_grad():
        p.zero_()
