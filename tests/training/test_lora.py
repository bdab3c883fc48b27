"""The adapter on tiny models of every family's shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from lorad.daemon.training.export import export
from lorad.daemon.training.layers import parameters, tuners
from lorad.daemon.training.lora import add_lora, draws_dropout, seed_dropout
from lorad.shared import errors

from .adapters import ABOUT, Tiny, adapted, disturb, make_recipe, outputs
from .tiny import WIDTH

pytestmark = pytest.mark.filterwarnings("ignore:While injecting the PEFT adapters")


def trained(name: str, lora: str = "") -> dict[str, tuple[int, float]]:
    """Rank and scale of each layer."""
    family = adapted(name, lora)
    modules = {family.network_name: family.network, **family.text_encoders}
    return {
        f"{component}.{name}": (tuner.r["default"], tuner.scaling["default"])
        for component, module in modules.items()
        for name, tuner in tuners(module).items()
    }


def every(whole: str, *kinds: str) -> list[Any]:
    """Families with kinds of adapters; but for some, their first one does where time counts."""
    return [
        pytest.param(
            name, kind,
            marks=[] if name in whole.split() or kind == kinds[0] else pytest.mark.proof,
        )
        for name in ("sd1", "sdxl", "sd3")
        for kind in kinds
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl", "sd3"])
@pytest.mark.parametrize("preset", ["attention", "attention+ff", "full"])
def test_presets_mean_the_same_layers_in_every_family(name: str, preset: str) -> None:
    family = Tiny(name)
    add_lora(family, make_recipe(f'target_modules = "{preset}"'), Path())
    inside = "transformer_blocks" if name == "sd3" else "attentions"
    flat = {
        layer
        for layer, module in Tiny(name).network.named_modules()
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d) and inside in layer
    }
    expected = {
        "attention": {layer for layer in flat if ".attn" in layer},
        "attention+ff": {layer for layer in flat if ".attn" in layer or ".ff" in layer},
        "full": flat,
    }[preset]
    assert set(tuners(family.network)) == expected
    assert len(expected) > 4


def test_a_list_a_regex_and_whole_names() -> None:
    assert set(trained("sd1", 'target_modules = ["to_q", "conv_in"]')) == {
        name for name in trained("sd1", r"target_modules = '.*to_q|conv_in'")
    }
    only = trained("sd3", 'target_modules = ["proj_out"]')
    assert set(only) == {"transformer.proj_out"}


def test_what_matches_nothing_is_named() -> None:
    with pytest.raises(errors.TargetsMissing, match="names tok, which"):
        trained("sd1", 'target_modules = ["to_q", "tok"]')
    with pytest.raises(errors.TargetsMissing, match=r"names \.\*tok, which"):
        trained("sd1", 'target_modules = ".*tok"')
    with pytest.raises(errors.TargetsMissing, match=r"text_encoder_target_modules` names fc9"):
        trained("sd1", 'train_text_encoder = true\ntext_encoder_target_modules = ["fc9"]')
    with pytest.raises(errors.WrongValue, match=r"rank_pattern.*`conv1` names no layer to train"):
        trained("sd1", "rank_pattern = { conv1 = 8 }")
    with pytest.raises(errors.WrongValue, match=r"conv_rank.*no 3x3 convolutions"):
        trained("sd3", "conv_rank = 2")


def test_ranks_and_alphas_by_pattern_and_for_convolutions() -> None:
    layers = trained(
        "sd1",
        'alpha = 2\nconv_rank = 3\nconv_alpha = 1.5\nrank_pattern = { to_q = 8, ".*conv2" = 6 }\n'
        "alpha_pattern = { to_v = 1 }",
    )
    by_end = {name.rsplit(".", 1)[1]: value for name, value in layers.items()}
    assert by_end["to_q"] == (8, 2 / 8)
    assert by_end["to_k"] == (4, 2 / 4)
    assert by_end["to_v"] == (4, 1 / 4)
    assert by_end["conv1"] == (3, 1.5 / 3)
    assert by_end["conv2"] == (6, 1.5 / 6)
    assert by_end["conv"] == (3, 1.5 / 3)  # down- and upsamplers
    assert "conv_shortcut" not in by_end  # 1x1


def test_without_an_alpha_nothing_is_scaled() -> None:
    layers = trained("sd1", "conv_rank = 3\nrank_pattern = { to_q = 8 }")
    assert {scale for _, scale in layers.values()} == {1.0}


def test_rslora_scales_by_the_root() -> None:
    assert {scale for _, scale in trained("sd1", "alpha = 6\nuse_rslora = true").values()} == {3.0}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", ['type = "lora"', "use_dora = true", 'type = "loha"',
                                  'type = "lokr"'])  # fmt: skip
def test_the_adapter_is_fp32_whatever_the_base(dtype: torch.dtype, kind: str) -> None:
    family = Tiny("sdxl")
    for module in (family.network, *family.text_encoders.values()):
        module.to(dtype)
    found = add_lora(family, make_recipe(f"{kind}\ntrain_text_encoder = true"), Path())
    assert {parameter.dtype for parameter in found.values()} == {torch.float32}
    assert {name.split(".")[0] for name in found} == {"unet", "text_encoder", "text_encoder_2"}
    modules = (family.network, *family.text_encoders.values())
    live = [p for module in modules for p in module.parameters() if p.requires_grad]
    assert {id(p) for p in live} == {id(p) for p in found.values()}
    assert not any(
        tuner.cast_input_dtype_enabled for module in modules for tuner in tuners(module).values()
    )


@pytest.mark.parametrize("kind", ['init_lora_weights = "gaussian"', 'type = "loha"', ""])
def test_the_first_weights_are_the_seeds_alone(kind: str) -> None:
    def first(seed: int, disturbance: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(disturbance)
        family = Tiny("sd1")
        torch.manual_seed(disturbance)
        before = torch.get_rng_state()
        recipe = make_recipe(f"{kind}\ntrain_text_encoder = true", f"[train]\nseed = {seed}")
        found = add_lora(family, recipe, Path())
        assert torch.equal(torch.get_rng_state(), before)
        return found

    one, again, other = first(1, 1), first(1, 2), first(2, 1)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_gaussian_is_another_beginning() -> None:
    def spread(lora: str) -> float:
        found = add_lora(Tiny("sd1"), make_recipe(lora), Path())
        return torch.cat([p.flatten() for n, p in found.items() if "lora_A" in n]).std().item()

    assert spread('init_lora_weights = "gaussian"') == pytest.approx(1 / 4, rel=0.1)
    assert spread("") != pytest.approx(1 / 4, rel=0.1)
    with pytest.raises(errors.WrongValue, match="loha has no such beginning"):
        trained("sd1", 'type = "loha"\ninit_lora_weights = "gaussian"')


@pytest.mark.parametrize(
    ("name", "kind"),
    every("sd1", 'type = "lora"', "use_dora = true", 'type = "loha"', 'type = "lokr"',
          "use_rslora = true"),
)  # fmt: skip
def test_a_fresh_adapter_changes_nothing_and_learns_everywhere(name: str, kind: str) -> None:
    family = Tiny(name)
    more = "" if name == "sd3" else "conv_rank = 2\n"
    found = add_lora(family, make_recipe(f"{kind}\n{more}train_text_encoder = true"), Path())
    bare = outputs(Tiny(name))
    for component, value in outputs(family).items():
        assert torch.allclose(value, bare[component], atol=1e-5)
    disturb(family)
    for component, value in outputs(family).items():
        assert not torch.allclose(value, bare[component], atol=1e-3), component
    with torch.enable_grad():
        encoders = family.text_encoders.values()
        ids = torch.arange(16).reshape(2, 8)
        total = sum(e(ids, output_hidden_states=True).hidden_states[-1].sum() for e in encoders)
        total.backward()
    text = [name for name, p in found.items() if name.startswith("text_") and p.grad is None]
    assert not text


@pytest.mark.parametrize("kind", ['type = "lora"', 'type = "loha"', 'type = "lokr"'])
def test_dropout_is_a_function_of_its_place(kind: str) -> None:
    lora = f'{kind}\ndropout = 0.5\ntarget_modules = ["to_q", "to_k"]'
    assert draws_dropout(make_recipe(lora))
    family = adapted("sd1", lora)
    family.network.train()

    def drawn(*place: int) -> torch.Tensor:
        torch.rand(3)  # what others draw in between
        seed_dropout(*place)
        return outputs(family)["unet"]

    assert torch.equal(drawn(7, 1, 0), drawn(7, 1, 0))
    for other in ((7, 2, 0), (7, 1, 1), (8, 1, 0), (7, 1, 0, 1)):
        assert not torch.equal(drawn(7, 1, 0), drawn(*other))


def test_dropout_is_drawn_again_alike_under_gradient_checkpointing() -> None:
    lora = 'dropout = 0.5\ntarget_modules = "attention"'
    grads = []
    for checkpointing in (False, True):
        family = Tiny("sd1")
        found = add_lora(family, make_recipe(lora), Path())
        disturb(family)
        family.network.train()
        if checkpointing:
            family.network.enable_gradient_checkpointing()
        seed_dropout(7, 1, 0)
        generator = torch.Generator().manual_seed(3)
        noisy = torch.randn(2, 4, 8, 8, generator=generator)
        text = torch.randn(2, 5, WIDTH, generator=generator)
        family.network(noisy, torch.tensor([1, 2]), text, return_dict=False)[0].sum().backward()
        grads.append({name: p.grad for name, p in found.items()})
    assert all(torch.allclose(grads[0][name], grads[1][name], atol=1e-6) for name in grads[0])


# -- init_from ------------------------------------------------------------------------------------


KINDS = [
    "alpha = 2", "use_dora = true\nalpha = 3", 'type = "loha"\nalpha = 2',
    'type = "lokr"\nalpha = 2\ndecompose_factor = 4', "use_rslora = true",
    "alpha = 2\nconv_rank = 2\nconv_alpha = 1\nrank_pattern = { to_q = 6 }",
]  # fmt: skip


@pytest.mark.parametrize("file", ["pytorch_lora_weights.safetensors", "small.safetensors"])
@pytest.mark.parametrize(("name", "kind"), every("sd1 sd3", *KINDS))
def test_a_run_begins_with_a_file_of_either_keys(
    tmp_path: Path, name: str, kind: str, file: str
) -> None:
    if name == "sd3" and "conv" in kind:
        kind = "alpha = 2\nrank_pattern = { to_q = 6 }"
    lora = f'{kind}\ntrain_text_encoder = true\ntarget_modules = "attention+ff"'
    source = adapted(name, lora)
    export(source, make_recipe(lora), 1, ABOUT, tmp_path, None)
    other = lora.replace("alpha = 2", "alpha = 5")  # the update is the same, its factors are not
    family = Tiny(name)
    add_lora(family, make_recipe(f'{other}\ninit_from = "{file}"'), tmp_path)
    wanted = outputs(source)
    for component, value in outputs(family).items():
        assert torch.allclose(value, wanted[component], atol=1e-5), component


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ("rank = 8", r"is \[4, .*\] where \[8, "),
        ('target_modules = "full"', r"it lacks .* layers that are to be trained, such as unet\."),
        ('target_modules = ["to_q"]', r"it has .* layers that are not to be trained"),
        ("use_dora = true", r"has lora_A, lora_B where lora_A, lora_B, lora_magnitude_vector"),
        ('type = "lokr"', r"has lora_A, lora_B where lokr_"),
    ],
)
def test_a_file_that_does_not_fit_says_how(tmp_path: Path, other: str, why: str) -> None:
    export(adapted("sd1"), make_recipe(), 1, ABOUT, tmp_path, None)
    recipe = make_recipe(f'{other}\ninit_from = "small.safetensors"')
    with pytest.raises(errors.LoraUnfit, match=why):
        add_lora(Tiny("sd1"), recipe, tmp_path)


def test_a_file_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(errors.FileMissing, match=r"no file .*none\.safetensors"):
        add_lora(Tiny("sd1"), make_recipe('init_from = "none.safetensors"'), tmp_path)
    (tmp_path / "bad.safetensors").write_bytes(b"no such file")
    with pytest.raises(errors.LoraUnreadable, match="cannot be read as a LoRA"):
        add_lora(Tiny("sd1"), make_recipe('init_from = "bad.safetensors"'), tmp_path)


def test_first_weights_are_live_parameters(tmp_path: Path) -> None:
    """What begins with a file is still what the optimiser moves."""
    export(adapted("sd1"), make_recipe(), 1, ABOUT, tmp_path, None)
    family = Tiny("sd1")
    found = add_lora(family, make_recipe('init_from = "small.safetensors"'), tmp_path)
    live = {
        id(tensor)
        for tuner in tuners(family.network).values()
        for tensor in parameters(tuner).values()
    }
    assert {id(parameter) for parameter in found.values()} == live
