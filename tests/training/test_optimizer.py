"""Every optimiser: saved and gone on equals never stopped, to the last bit."""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lorad.daemon.training import keyed
from lorad.daemon.training.ema import shown
from lorad.daemon.training.optimizer import (
    Group,
    make_groups,
    make_optimizer,
    optimizer_state,
    repeats_exactly,
    restore_optimizer,
    set_learning_rate,
)
from lorad.shared.errors import OptimizerMissing, WrongValue
from lorad.shared.recipe import Recipe, parse_recipe

EXACT = ("adamw", "adafactor", "prodigy", "schedulefree", "lion")
PACKAGED = {"prodigy": "prodigyopt", "schedulefree": "schedulefree", "lion": "lion_pytorch"}
MOVING = {"prodigy": "prodigy_d_coef = 10.0"}
"""So that what they estimate changes within a few steps."""
SHAPES = {
    "unet.a.lora_A.weight": (4, 6),
    "unet.a.lora_B.weight": (6, 4),  # begins at 0, as an adapter's does
    "unet.c.lora_A.weight": (4, 3, 3, 3),
    "unet.a.magnitude": (5,),
    "text_encoder.q.lora_A.weight": (4, 7),
}
CPU = torch.device("cpu")
Parameters = dict[str, torch.nn.Parameter]


def recipe(kind: str, more: str = "", train: str = "") -> Recipe:
    schedule = 'lr_scheduler = "constant"' if kind == "schedulefree" else ""
    rate = (
        "" if "learning_rate" in train else f"learning_rate = {1.0 if kind == 'prodigy' else 1e-2}"
    )
    return parse_recipe(
        f"""
        name = "a"
        data = {{ path = "p" }}
        lora = {{ train_text_encoder = true }}
        [train]
        {rate}
        {train}
        [schedule]
        {schedule}
        [optimizer]
        type = "{kind}"
        {more}
        """
    )


def weights() -> Parameters:
    made = {}
    for number, (name, shape) in enumerate(SHAPES.items()):
        value = torch.zeros(shape) if "_B" in name else keyed.normal(shape, 1, "weight", number)
        if len(shape) == 4:
            value = value.to(memory_format=torch.channels_last)
        made[name] = torch.nn.Parameter(value)
    return made


class Toy:
    """Parameters, their optimiser, and steps by keyed gradients."""

    def __init__(self, kind: str, more: str = "", train: str = "") -> None:
        self.recipe = recipe(kind, more or MOVING.get(kind, ""), train)
        self.parameters = weights()
        self.optimizer: Any = make_optimizer(
            make_groups(self.parameters, self.recipe), self.recipe, CPU
        )

    def take(self, first: int, last: int) -> Toy:
        for step in range(first, last):
            for number, p in enumerate(self.parameters.values()):
                # Towards 0, so that Prodigy's estimate grows, and once away: it would shrink.
                way = p.detach() + 0.1 * keyed.normal(tuple(p.shape), 2, "g", step, number)
                p.grad = -0.1 * way if step == 4 else way
            set_learning_rate(self.optimizer, 1 - step / 20)
            self.optimizer.step()
            self.optimizer.zero_grad()
        return self

    def save(self, folder: Path) -> None:
        adapter = {name: p.detach().contiguous() for name, p in self.parameters.items()}
        tensors, rest = optimizer_state(self.optimizer, self.parameters)
        save_file(adapter, folder / "adapter.safetensors")
        save_file(tensors, folder / "optimizer.safetensors")
        (folder / "rest.json").write_text(json.dumps(rest, allow_nan=False))

    def load(self, folder: Path) -> Toy:
        with torch.no_grad():
            for name, value in load_file(folder / "adapter.safetensors").items():
                self.parameters[name].copy_(value)
        restore_optimizer(
            self.optimizer,
            self.parameters,
            load_file(folder / "optimizer.safetensors"),
            json.loads((folder / "rest.json").read_text()),
        )
        return self

    def bits(self) -> dict[str, Any]:
        tensors, rest = optimizer_state(self.optimizer, self.parameters)
        return {
            **{name: p.detach().clone() for name, p in self.parameters.items()},
            **tensors,
            "rest": json.dumps(rest),
        }


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(value, other[name]) and value.dtype == other[name].dtype
        if isinstance(value, torch.Tensor)
        else value == other[name]
        for name, value in one.items()
    )


@pytest.mark.parametrize("kind", EXACT)
def test_saved_and_gone_on_equals_never_stopped(kind: str, tmp_path: Path) -> None:
    straight = Toy(kind).take(0, 9)
    assert not equal(straight.bits(), Toy(kind).take(0, 8).bits())
    Toy(kind).take(0, 4).save(tmp_path)
    resumed = Toy(kind).load(tmp_path)
    again = Toy(kind).take(0, 4)
    assert equal(resumed.bits(), again.bits())
    assert equal(resumed.take(4, 9).bits(), straight.bits())


@pytest.mark.parametrize("kind", EXACT)
def test_saved_after_every_step_and_before_the_first(kind: str, tmp_path: Path) -> None:
    straight = Toy(kind).take(0, 5)
    chain = Toy(kind)
    for step in range(5):
        chain.save(tmp_path)
        chain = Toy(kind).load(tmp_path).take(step, step + 1)
    assert equal(chain.bits(), straight.bits())


def parts(kind: str, folder: Path) -> list[tuple[str, Callable[[], None]]]:
    """Everything that a checkpoint of this optimiser holds, and how to drop it."""
    tensors = load_file(folder / "optimizer.safetensors")
    rest = json.loads((folder / "rest.json").read_text())

    def drop_tensor(part: str) -> Callable[[], None]:
        def drop() -> None:
            kept = {
                key: torch.zeros_like(t) if key.startswith(part + "/") else t
                for key, t in tensors.items()
            }
            save_file(kept, folder / "optimizer.safetensors")

        return drop

    def drop_group(key: str) -> Callable[[], None]:
        def drop() -> None:
            groups = [{k: v for k, v in g.items() if k != key} for g in rest["groups"]]
            (folder / "rest.json").write_text(json.dumps({**rest, "groups": groups}))

        return drop

    def drop_state(part: str) -> Callable[[], None]:
        def drop() -> None:
            state = {
                name: {k: 0 if k == part else v for k, v in values.items()}
                for name, values in rest["state"].items()
            }
            (folder / "rest.json").write_text(json.dumps({**rest, "state": state}))

        return drop

    return [
        *((part, drop_tensor(part)) for part in sorted({k.split("/")[0] for k in tensors})),
        *((key, drop_group(key)) for key in sorted({k for g in rest["groups"] for k in g})),
        *(
            (part, drop_state(part))
            for part in sorted({k for values in rest["state"].values() for k in values})
        ),
    ]


# Kept for a reader, or for a counter that nothing asks: without them the weights are the same.
UNUSED = {
    "adafactor": {"RMS"},
    "prodigy": {"step", "d_denom", "d_hat"},
    "schedulefree": {"scheduled_lr"},
}
HELD = {
    "adamw": {"exp_avg", "exp_avg_sq", "step"},
    "adafactor": {"RMS", "exp_avg_sq", "exp_avg_sq_col", "exp_avg_sq_row", "step"},
    "prodigy": {"exp_avg", "exp_avg_sq", "p0", "s", "step"}
    | {"d", "d_denom", "d_hat", "d_max", "d_numerator", "k"},
    "schedulefree": {"exp_avg_sq", "z"}
    | {"k", "lr_max", "scheduled_lr", "train_mode", "weight_sum"},
    "lion": {"exp_avg"},
}


@pytest.mark.parametrize("kind", EXACT)
def test_it_notices_when_a_saved_part_is_missing(kind: str, tmp_path: Path) -> None:
    """The tests above can fail: whatever is left out changes the run."""
    straight = Toy(kind).take(0, 9)
    wanted = {name: p.detach().clone() for name, p in straight.parameters.items()}
    Toy(kind).take(0, 4).save(tmp_path)
    found = parts(kind, tmp_path)
    assert {part for part, _ in found} == HELD[kind]
    for part, drop in found:
        Toy(kind).take(0, 4).save(tmp_path)
        drop()
        resumed = Toy(kind).load(tmp_path)
        if part == "train_mode":
            with pytest.raises(Exception, match="train mode"):
                resumed.take(4, 9)
            continue
        resumed.take(4, 9)
        same = all(torch.equal(wanted[name], p) for name, p in resumed.parameters.items())
        assert same == (part in UNUSED.get(kind, ())), part


def test_schedulefree_shows_its_average_and_goes_on_exactly(tmp_path: Path) -> None:
    straight = Toy("schedulefree").take(0, 9)
    toy = Toy("schedulefree")
    with shown(toy.parameters, toy.optimizer, None):
        pass  # before the first step there is nothing to switch to
    toy.take(0, 4)
    before = toy.bits()
    with shown(toy.parameters, toy.optimizer, None):
        averaged = {name: p.detach().clone() for name, p in toy.parameters.items()}
        with pytest.raises(Exception, match="train mode"):
            toy.optimizer.step()
        with shown(toy.parameters, toy.optimizer, None):
            assert all(torch.equal(averaged[n], p) for n, p in toy.parameters.items())
    assert not any(torch.equal(averaged[name], before[name]) for name in averaged)
    assert equal(toy.bits(), before)
    toy.save(tmp_path)
    assert equal(Toy("schedulefree").load(tmp_path).take(4, 9).bits(), straight.bits())


def test_other_dtypes_and_odd_numbers_come_back_as_they_were(tmp_path: Path) -> None:
    """As 8-bit states are: bytes, tables that all share, and what no JSON number can say."""
    toy, table = Toy("adamw"), torch.linspace(-1, 1, 256, dtype=torch.float64)
    odd = {"count": 3, "ratio": 0.1 + 0.2, "most": math.inf, "on": True, "none": None}
    for parameter in toy.parameters.values():
        toy.optimizer.state[parameter] = {
            "state1": torch.arange(parameter.numel(), dtype=torch.uint8).view(parameter.shape),
            "qmap1": table,
            **odd,
        }
    toy.optimizer.param_groups[0]["seen"] = math.nan
    before = toy.bits()
    toy.save(tmp_path)
    other = Toy("adamw").take(0, 1).load(tmp_path)
    assert equal(other.bits(), before)
    (first, *_) = other.parameters.values()
    restored = other.optimizer.state[first]
    assert {key: restored[key] for key in odd} == odd
    assert restored["on"] is True
    assert restored["qmap1"].dtype == torch.float64
    assert math.isnan(other.optimizer.param_groups[0]["seen"])


def test_what_no_checkpoint_can_hold_is_not_dropped_in_silence() -> None:
    toy = Toy("adamw").take(0, 1)
    (first, *_) = toy.parameters.values()
    toy.optimizer.state[first]["history"] = [1, 2]
    with pytest.raises(TypeError, match="list"):
        optimizer_state(toy.optimizer, toy.parameters)


def test_a_saved_state_is_not_changed_by_later_steps() -> None:
    toy = Toy("adamw").take(0, 2)
    tensors, _ = optimizer_state(toy.optimizer, toy.parameters)
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    toy.take(2, 3)
    assert all(torch.equal(before[name], tensors[name]) for name in tensors)


def test_text_encoders_have_their_own_rate() -> None:
    toy = Toy("adamw", train="text_encoder_lr = 5e-3")
    assert [len(group["params"]) for group in toy.optimizer.param_groups] == [4, 1]
    set_learning_rate(toy.optimizer, 0.5)
    assert [group["lr"] for group in toy.optimizer.param_groups] == [5e-3, 2.5e-3]
    set_learning_rate(toy.optimizer, 1.0)
    assert [group["lr"] for group in toy.optimizer.param_groups] == [1e-2, 5e-3]
    assert len(make_groups({"unet.a": toy.parameters["unet.a.magnitude"]}, toy.recipe)) == 1


def test_the_recipes_options_arrive() -> None:
    more = "adam_beta1 = 0.8\nadam_beta2 = 0.95\nadam_weight_decay = 0.3\nadam_epsilon = 1e-6\n"
    for kind in EXACT:
        group = Toy(kind, more).optimizer.param_groups[0]
        assert group["weight_decay"] == 0.3
        if kind != "adafactor":
            assert tuple(group["betas"]) == (0.8, 0.95)
        if kind in ("adamw", "prodigy", "schedulefree"):
            assert group["eps"] == 1e-6
    assert Toy("adamw").optimizer.param_groups[0]["betas"] == (0.9, 0.999)
    assert Toy("lion").optimizer.param_groups[0]["betas"] == (0.9, 0.99)
    none = Toy("adamw", "adam_beta2 = 0.0").optimizer.param_groups[0]
    assert none["betas"] == (0.9, 0.0)
    group = Toy("prodigy", "prodigy_d_coef = 2.0\nprodigy_beta3 = 0.5").optimizer.param_groups[0]
    assert (group["d_coef"], group["beta3"], group["safeguard_warmup"]) == (2.0, 0.5, True)


def test_prodigy_says_nothing_on_the_console(capsys: pytest.CaptureFixture[str]) -> None:
    Toy("prodigy").take(0, 1)
    assert capsys.readouterr().out == ""


def test_prodigy_wants_one_rate_and_says_so_if_it_is_small(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(WrongValue, match=r"text_encoder_lr.*one rate for all"):
        Toy("prodigy", train="text_encoder_lr = 0.5")
    with caplog.at_level(logging.WARNING):
        Toy("prodigy", train="learning_rate = 0.05")
    assert "usually 1.0; it is 0.05" in caplog.text
    caplog.clear()
    Toy("prodigy")
    assert not caplog.text


@pytest.mark.parametrize("kind", sorted(PACKAGED))
def test_a_missing_package_is_a_sentence(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package = PACKAGED[kind].replace("_", "-")
    monkeypatch.setitem(sys.modules, PACKAGED[kind], None)
    for name in [n for n in sys.modules if n.startswith(PACKAGED[kind] + ".")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(OptimizerMissing, match=f"pip install {package}"):
        Toy(kind)


def test_8_bits_need_a_gpu_and_do_not_promise_the_same_ones() -> None:
    wanted = recipe("adamw8bit")
    with pytest.raises(WrongValue, match="needs a GPU"):
        make_optimizer([Group(list(weights().values()), 1e-3)], wanted, CPU)
    assert "bit for bit" in (repeats_exactly(wanted, "cuda") or "")
    for kind in EXACT:
        assert repeats_exactly(recipe(kind), "cuda") is None


@pytest.mark.parametrize("kind", EXACT)
def test_it_learns(kind: str) -> None:
    """Each one brings a square down, from its usual rate."""
    rate = {"prodigy": 1.0, "lion": 1e-2}.get(kind, 3e-2)
    wanted = recipe(kind, "adam_weight_decay = 0.0", f"learning_rate = {rate}")
    parameter = torch.nn.Parameter(torch.full((4, 4), 2.0))
    optimizer = make_optimizer([Group([parameter], rate)], wanted, CPU)
    for _ in range(200):
        parameter.grad = 2 * parameter.detach()
        optimizer.step()
    with shown({"a": parameter}, optimizer, None):
        assert parameter.abs().max() < 0.7
