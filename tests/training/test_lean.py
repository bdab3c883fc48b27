"""The short ways of a training step, each against the long one."""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lorad.daemon.training import compiled, packed
from lorad.daemon.training.flat import clear, flatten
from lorad.daemon.training.lean import (
    LeanAttention,
    LeanConvolution,
    LeanLinear,
    LeanResidual,
    make_lean,
)
from lorad.daemon.training.packed import PackedConvolution, PointConvolution, pack
from lorad.shared import shipped

TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "conv1", "conv_shortcut"]
CLOSE: dict[str, float] = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(scope="module")
def trained() -> Any:
    """The shipped U-Net with an adapter that changes what it draws."""
    unet = UNet2DConditionModel.from_pretrained(shipped.MODELS["emoji"], subfolder="unet")
    unet.requires_grad_(False)
    torch.manual_seed(3)
    unet.to(memory_format=torch.channels_last)
    unet.add_adapter(LoraConfig(r=4, lora_alpha=2, target_modules=TARGETS))
    for name, parameter in unet.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(std=0.02)
    return unet.train()


def batch(side: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(5)
    return torch.randn(3, 8, side, side), torch.tensor([5, 400, 900]), torch.randn(3, 16, 128)


def step(unet: Any, side: int = 8) -> tuple[Tensor, dict[str, Tensor]]:
    """What the network guesses, and the gradient of each adapter weight."""
    unet.zero_grad()
    guess = unet(*batch(side), return_dict=False)[0]
    guess.square().mean().backward()
    return guess.detach(), {n: p.grad for n, p in unet.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("side", [8, 12])
def test_a_lean_step_is_the_long_one(trained: Any, side: int) -> None:
    guess, gradients = step(trained, side)
    lean = copy.deepcopy(trained)
    make_lean(lean)
    ways = {type(vars(layer).get("forward")) for layer in lean.modules()}
    assert ways >= {LeanLinear, LeanConvolution, LeanAttention, LeanResidual}
    assert ways >= {PackedConvolution, PointConvolution}
    lean_guess, lean_gradients = step(lean, side)
    torch.testing.assert_close(lean_guess, guess, **CLOSE)
    assert lean_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        scale = gradient.abs().max().item()
        torch.testing.assert_close(
            lean_gradients[name], gradient, rtol=1e-3, atol=1e-4 * scale, msg=name
        )
    again, _ = step(lean, side)
    assert torch.equal(again, lean_guess)


@torch.no_grad()
def test_an_adapter_that_is_off_or_scaled_is_so_on_the_short_way(trained: Any) -> None:
    lean = copy.deepcopy(trained)
    make_lean(lean)
    on = lean(*batch()).sample
    lean.disable_adapters()
    trained.disable_adapters()
    off = trained(*batch()).sample
    trained.enable_adapters()
    torch.testing.assert_close(lean(*batch()).sample, off, **CLOSE)
    assert not torch.allclose(on, off, **CLOSE)
    lean.enable_adapters()
    half = lean(*batch(), cross_attention_kwargs={"scale": 0.5}).sample
    torch.testing.assert_close(
        half, trained(*batch(), cross_attention_kwargs={"scale": 0.5}).sample, **CLOSE
    )
    assert not torch.allclose(half, on, **CLOSE)


def test_a_layer_with_dropout_keeps_the_long_way(trained: Any) -> None:
    other = copy.deepcopy(trained)
    other.delete_adapters("default")
    other.add_adapter(LoraConfig(r=2, target_modules=["to_q"], lora_dropout=0.5))
    make_lean(other)
    assert not any(isinstance(vars(m).get("forward"), LeanLinear) for m in other.modules())


@pytest.mark.parametrize(("stride", "dilation", "padding"), [(1, 1, 1), (2, 1, 1), (1, 2, 1)])
def test_packed_convolutions_give_torchs_own_numbers(
    stride: int, dilation: int, padding: int
) -> None:
    torch.manual_seed(1)
    layer = nn.Conv2d(12, 20, 3, stride, padding, dilation).requires_grad_(False)
    packed_layer = copy.deepcopy(layer)
    assert pack(packed_layer) == 1
    for shape in ((2, 12, 8, 8), (1, 12, 16, 10)):  # laid out for the first, right for the second
        x = torch.randn(shape).contiguous(memory_format=torch.channels_last).requires_grad_()
        expected, got = layer(x), packed_layer(x)
        assert torch.equal(got, expected)
        gradient = torch.randn_like(expected)
        (to_x,) = torch.autograd.grad(got, x, gradient)
        torch.testing.assert_close(to_x, torch.autograd.grad(expected, x, gradient)[0], **CLOSE)


def test_too_much_to_pack_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "PACK_LIMIT", 100)
    assert pack(nn.Conv2d(4, 4, 3).requires_grad_(False)) == 0


def test_weights_in_one_row_train_as_they_would_alone(tmp_path: Path) -> None:
    torch.manual_seed(2)
    alone = {f"unet.{i}": nn.Parameter(torch.randn(3, i + 2)) for i in range(4)}
    alone["text_encoder.a"] = nn.Parameter(torch.randn(5))
    rowed = copy.deepcopy(alone)
    rows = flatten(rowed)
    assert list(rows) == ["unet", "text_encoder"]
    one = torch.optim.AdamW(alone.values(), lr=0.1)
    other = torch.optim.AdamW(rows.values(), lr=0.1)
    for _ in range(3):
        for parameters in (alone, rowed):
            sum(p.sin().sum() for p in parameters.values()).backward()  # type: ignore[union-attr]
        one.step()
        other.step()
        one.zero_grad()
        clear(rows.values())
    for name, parameter in alone.items():
        torch.testing.assert_close(rowed[name], parameter)
    save_file({n: p.detach() for n, p in rowed.items()}, tmp_path / "rowed.safetensors")
    for name, tensor in load_file(tmp_path / "rowed.safetensors").items():
        assert torch.equal(tensor, rowed[name])


def test_compiling_pays_back_only_in_long_runs_on_known_devices() -> None:
    assert not compiled.pays_back(0.05, 3000, 296, "cpu")
    assert compiled.pays_back(0.05, 100_000, 296, "cpu")
    assert not compiled.pays_back(0.05, 100_000, 296, "mps")


def small_network() -> nn.Module:
    torch.manual_seed(4)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, padding=1), nn.SiLU(), nn.Conv2d(8, 4, 3, 2, 1)
    )
    network[1:].requires_grad_(False)  # the first one trains, so the others must pass it on
    pack(network)
    return network


def test_a_compiled_network_with_packed_convolutions_is_the_plain_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    network, x = small_network(), torch.randn(2, 3, 8, 8)
    network(x).square().sum().backward()
    expected, gradient = network(x), network[0].weight.grad.clone()  # type: ignore[union-attr]
    network.zero_grad()
    assert compiled.compile_network(network, lambda: network(x).square().sum().backward())
    torch.testing.assert_close(network[0].weight.grad, gradient, **CLOSE)
    torch.testing.assert_close(network(x), expected, **CLOSE)


def test_a_compiler_that_fails_is_said_and_done_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(plain: Any, **_: Any) -> Any:
        def call(*_: Any) -> None:
            raise RuntimeError("no C++ compiler\nand a page about it")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    network, x = small_network(), torch.randn(2, 3, 8, 8)
    expected = network(x)
    assert not compiled.compile_network(network, lambda: network(x))
    assert torch.equal(network(x), expected)
    assert "failed: no C++ compiler" in caplog.text
    assert "a page" not in caplog.text
