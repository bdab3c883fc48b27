"""The LoRA files of every family and type: in diffusers, and against other programs' key maps."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest
import torch
from diffusers.loaders.lora_conversion_utils import (
    _convert_non_diffusers_lora_to_diffusers,
    _maybe_map_sgm_blocks_to_diffusers,
)
from diffusers.utils import convert_unet_state_dict_to_peft
from safetensors.torch import load_file, save_file

from lorad.daemon.training.export import export
from lorad.daemon.training.keys import from_kohya
from lorad.daemon.training.layers import Layer, live_layers
from lorad.daemon.training.lora import attach
from lorad.daemon.training.lora_file import read_lora, write_diffusers, write_kohya
from lorad.shared import errors
from lorad.shared.jobs import LORA_FILE

from .adapters import ABOUT, Tiny, adapted, make_recipe, outputs
from .key_maps import comfy_map

pytestmark = pytest.mark.filterwarnings("ignore:While injecting the PEFT adapters")

KOHYA_FILE = "small.safetensors"
TEXT = "train_text_encoder = true\n"
LORA = {
    "plain": "alpha = 2",
    "rslora": "alpha = 2\nuse_rslora = true",
    "dora": "alpha = 2\nuse_dora = true",
    "patterns": "alpha = 2\nrank_pattern = { to_q = 6, q_proj = 3 }\nalpha_pattern = { to_v = 1 }",
}
OTHERS = {
    "loha": 'type = "loha"\nalpha = 2',
    "lokr": 'type = "lokr"\nalpha = 2\ndecompose_factor = 4',
    "lokr whole": 'rank = 64\ntype = "lokr"\nalpha = 32',
}
FAMILIES = ("sd1", "sd2", "sdxl", "sd3")
EVERY = [
    pytest.param(
        family, kind,
        # One U-Net's layers are another's under other names; SD 3's are fused in files of others.
        marks=[] if family in ("sd1", "sd3") or kind == "plain" else pytest.mark.proof,
    )
    for family in FAMILIES
    for kind in (*LORA, *OTHERS)
]  # fmt: skip
PEFTS = [case for case in EVERY if case.values[1] in LORA]
TARGETS = {"sd3": 'target_modules = "full"\n'}
CONVOLUTIONS = 'target_modules = "full"\nconv_rank = 3\nconv_alpha = 1.5\n'


def full(family: str, lora: str) -> str:
    """Everything that can be trained, convolutions and text encoders too."""
    return f"{lora}\n{TARGETS.get(family, CONVOLUTIONS)}{TEXT}"


def exported(family: str, lora: str, folder: Path, more: str = "") -> Tiny:
    """Its files are in `folder`; what was exported is everybody's, to look at alone."""
    source, files = exported_once(family, lora, more)
    shutil.copytree(files, folder, dirs_exist_ok=True)
    return source


@cache
def exported_once(family: str, lora: str, more: str) -> tuple[Tiny, Path]:
    folder = Path(tempfile.mkdtemp(prefix="lorad-exported-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    source = adapted(family, lora, more)
    export(source, make_recipe(lora, more), 3, ABOUT, folder, None)
    return source, folder


def assert_same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    for component, value in wanted.items():
        assert torch.allclose(found[component], value, atol=1e-5), component


def assert_differs(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    for component, value in wanted.items():
        assert not torch.allclose(found[component], value, atol=1e-3), component


# -- diffusers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "kind"), PEFTS)
def test_our_diffusers_file_in_a_pipeline(tmp_path: Path, family: str, kind: str) -> None:
    source = exported(family, full(family, LORA[kind]), tmp_path)
    pipe = source.pipeline()
    assert_differs(outputs(source), outputs(source, pipe))
    pipe.load_lora_weights(tmp_path, weight_name=LORA_FILE)
    assert_same(outputs(source, pipe), outputs(source))


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
@pytest.mark.parametrize("kind", ["plain", "rslora"])
def test_our_kohya_file_in_a_pipeline(tmp_path: Path, family: str, kind: str) -> None:
    lora = f'{LORA[kind]}\ntarget_modules = "full"\n{TEXT}'
    source = exported(family, lora, tmp_path)
    pipe = source.pipeline()
    pipe.load_lora_weights(tmp_path, weight_name=KOHYA_FILE)
    assert_same(outputs(source, pipe), outputs(source))


@pytest.mark.parametrize("family", FAMILIES)
def test_lokr_in_a_model_of_diffusers(tmp_path: Path, family: str) -> None:
    source = exported(family, OTHERS["lokr"], tmp_path)
    pipe = source.pipeline()
    network = getattr(pipe, source.network_name)
    network.load_lora_adapter(
        tmp_path, weight_name=LORA_FILE, prefix=source.network_name, adapter_name="a"
    )
    name = source.network_name
    assert_same({name: outputs(source, pipe)[name]}, {name: outputs(source)[name]})


@pytest.mark.parametrize("file", [LORA_FILE, KOHYA_FILE])
@pytest.mark.parametrize(("family", "kind"), EVERY)
def test_both_files_are_the_adapter_itself(
    tmp_path: Path, family: str, kind: str, file: str
) -> None:
    lora = {**LORA, **OTHERS}[kind]
    source = exported(family, full(family, lora), tmp_path)
    pipe = source.pipeline()
    for component, layers in read_lora(tmp_path / file).layers.items():
        attach(getattr(pipe, component), component, layers)
    assert_same(outputs(source, pipe), outputs(source))


@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
@pytest.mark.parametrize("file", [LORA_FILE, KOHYA_FILE])
def test_save_dtype(tmp_path: Path, dtype: str, file: str) -> None:
    exported("sdxl", "alpha = 0.3\n" + TEXT, tmp_path, f'[output]\nsave_dtype = "{dtype}"')
    tensors = load_file(tmp_path / file)
    alphas = {key: tensor for key, tensor in tensors.items() if key.endswith(".alpha")}
    wanted = {"fp16": torch.float16, "bf16": torch.bfloat16}[dtype]
    assert {tensors[key].dtype for key in tensors.keys() - alphas.keys()} == {wanted}
    assert all(float(alpha) == pytest.approx(0.3, rel=1e-6) for alpha in alphas.values())


# -- tensor by tensor -----------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "kind"), EVERY)
def test_no_tensor_is_lost_or_changed_on_the_way(tmp_path: Path, family: str, kind: str) -> None:
    lora = {**LORA, **OTHERS}[kind]
    source = exported(family, full(family, lora), tmp_path)
    wanted = live_layers(source)
    for file in (LORA_FILE, KOHYA_FILE):
        found = read_lora(tmp_path / file).layers
        assert found.keys() == wanted.keys()
        for component, layers in wanted.items():
            assert found[component].keys() == layers.keys(), (file, component)
            for name, layer in layers.items():
                _assert_same_layer(found[component][name], layer, name)


def _assert_same_layer(found: Layer, wanted: Layer, name: str) -> None:
    assert found.parts.keys() == wanted.parts.keys(), name
    if found.kind == "lokr" or found.scale != pytest.approx(wanted.scale):
        wanted = wanted.rescaled(found.scale)  # a scale that a format cannot say is in a factor
    for part, tensor in wanted.parts.items():
        assert torch.allclose(found.parts[part], tensor, atol=1e-6), (name, part)


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_alphas_are_of_each_layer(tmp_path: Path, family: str) -> None:
    exported(family, full(family, LORA["patterns"]), tmp_path)
    tensors = load_file(tmp_path / KOHYA_FILE)
    ends = {"attn1_to_q": 2, "attn1_to_v": 1, "attn1_to_k": 2}
    for end, alpha in ends.items():
        found = {float(t) for key, t in tensors.items() if key.endswith(f"{end}.alpha")}
        assert found == {alpha}
    conv = "in_layers_2" if family == "sdxl" else "conv1"
    assert {float(t) for k, t in tensors.items() if k.endswith(f"{conv}.alpha")} == {1.5}
    downs = {key.split(".")[0] for key in tensors if key.endswith("lora_down.weight")}
    assert downs == {key.split(".")[0] for key in tensors if key.endswith(".alpha")}


def test_rslora_is_said_by_alpha(tmp_path: Path) -> None:
    exported("sd1", "alpha = 6\nuse_rslora = true", tmp_path)
    tensors = load_file(tmp_path / KOHYA_FILE)
    assert {float(t) for key, t in tensors.items() if key.endswith(".alpha")} == {12.0}  # 6/√4·4


def test_dora_scales_have_lycoris_shapes(tmp_path: Path) -> None:
    source = exported("sd1", full("sd1", LORA["dora"]), tmp_path)
    tensors = load_file(tmp_path / KOHYA_FILE)
    scales = {key: t for key, t in tensors.items() if key.endswith(".dora_scale")}
    assert len(scales) == sum(len(layers) for layers in live_layers(source).values())
    for key, scale in scales.items():
        up = tensors[key.replace("dora_scale", "lora_up.weight")]
        assert scale.shape == (up.shape[0], *[1] * (up.dim() - 1))


def test_whole_lokr_factors_hold_their_scale(tmp_path: Path) -> None:
    """Programs leave the alpha of such a layer out of account."""
    source = exported("sd1", OTHERS["lokr whole"], tmp_path)
    tensors = load_file(tmp_path / KOHYA_FILE)
    name, tuner = next(iter(live_layers(source)["unet"].items()))
    module = "lora_unet_" + name.replace(".", "_")
    assert tuner.scale == 0.5
    delta = torch.kron(tensors[f"{module}.lokr_w1"], tensors[f"{module}.lokr_w2"])
    live = torch.kron(tuner.parts["lokr_w1"], tuner.parts["lokr_w2"]) * 0.5
    assert torch.allclose(delta, live)


# -- other programs' maps -------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "kind"), EVERY)
def test_every_key_of_ours_is_in_comfys_and_forges_maps(
    tmp_path: Path, family: str, kind: str
) -> None:
    source = exported(family, full(family, {**LORA, **OTHERS}[kind]), tmp_path)
    modules = {key.split(".")[0] for key in load_file(tmp_path / KOHYA_FILE)}
    assert sorted(modules - comfy_map(source))[:5] == []


def test_sdxl_is_named_as_sd_scripts_names_it(tmp_path: Path) -> None:
    exported("sdxl", full("sdxl", ""), tmp_path)
    modules = {key.split(".")[0] for key in load_file(tmp_path / KOHYA_FILE)}
    # By sd-scripts' tables for the real model, whose blocks are laid out as these.
    for module in (
        "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q",
        "lora_unet_input_blocks_8_1_transformer_blocks_1_ff_net_0_proj",
        "lora_unet_middle_block_1_transformer_blocks_0_attn2_to_out_0",
        "lora_unet_output_blocks_0_1_proj_in",
        "lora_unet_input_blocks_1_0_in_layers_2",
        "lora_unet_input_blocks_3_0_op",
        "lora_unet_output_blocks_2_2_conv",
        "lora_te1_text_model_encoder_layers_0_self_attn_q_proj",
        "lora_te2_text_model_encoder_layers_1_self_attn_out_proj",
    ):
        assert module in modules, module
    assert not any("down_blocks" in module for module in modules)


# -- files of others ------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_names_are_read_as_diffusers_reads_them(tmp_path: Path, family: str) -> None:
    """Its own converter, which knows LoRA on U-Nets, finds the same layers."""
    source = exported(family, 'target_modules = "full"\nconv_rank = 3', tmp_path)
    tensors = load_file(tmp_path / KOHYA_FILE)
    mapped = _maybe_map_sgm_blocks_to_diffusers(dict(tensors), source.network.config)
    theirs, _ = _convert_non_diffusers_lora_to_diffusers(mapped)
    theirs = convert_unet_state_dict_to_peft(theirs)
    ours, unknown = from_kohya(tensors)
    assert not unknown
    assert {key.removesuffix(".weight") for key in theirs} == {
        f"unet.{name}.{part}" for name, layer in ours["unet"].items() for part in layer.parts
    }


def test_text_encoders_under_either_prefix_and_lycoris_names(tmp_path: Path) -> None:
    exported("sd1", full("sd1", ""), tmp_path)
    tensors = load_file(tmp_path / KOHYA_FILE)
    other = {
        key.replace("lora_te_", "lora_te1_").replace("lora_unet_", "lycoris_"): tensor
        for key, tensor in tensors.items()
    }
    one, two = from_kohya(tensors)[0], from_kohya(other)[0]
    assert {c: set(layers) for c, layers in one.items()} == {c: set(n) for c, n in two.items()}


def test_a_fused_layer_of_sd_scripts_is_taken_apart(tmp_path: Path) -> None:
    """Trained on the one layer, its lora_up has no blocks."""
    down, up = torch.randn(3, 16), torch.randn(48, 3)
    module = "lora_unet_joint_blocks_0_x_block_attn_qkv"
    layers, unknown = from_kohya(
        {f"{module}.lora_down.weight": down, f"{module}.lora_up.weight": up,
         f"{module}.alpha": torch.tensor(1.5)}
    )  # fmt: skip
    assert not unknown
    delta = (up @ down).chunk(3)
    for index, name in enumerate(("to_q", "to_k", "to_v")):
        layer = layers["transformer"][f"transformer_blocks.0.attn.{name}"]
        found = layer.parts["lora_B"] @ layer.parts["lora_A"]
        assert torch.allclose(found, delta[index], atol=1e-5)
        assert layer.scale == 0.5
    write_diffusers(tmp_path / "out.safetensors", layers, {})  # tensors of their own memory


def test_sd3s_last_modulations_have_their_halves_the_other_way_round(tmp_path: Path) -> None:
    """As diffusers' converter of whole models has it (`swap_scale_shift`)."""
    lora = 'target_modules = ["norm1_context.linear", "norm_out.linear"]'
    source = exported("sd3", lora, tmp_path)
    tensors = load_file(tmp_path / KOHYA_FILE)
    live = live_layers(source)["transformer"]
    for name, module, swapped in (
        ("transformer_blocks.0.norm1_context.linear",
         "joint_blocks_0_context_block_adaLN_modulation_1", False),
        ("transformer_blocks.1.norm1_context.linear",
         "joint_blocks_1_context_block_adaLN_modulation_1", True),
        ("norm_out.linear", "final_layer_adaLN_modulation_1", True),
    ):  # fmt: skip
        ours = live[name].parts["lora_B"]
        shift, scale = ours.chunk(2)
        wanted = torch.cat([scale, shift]) if swapped else ours
        assert torch.equal(tensors[f"lora_unet_{module}.lora_up.weight"], wanted), name


def test_sd3_with_a_part_of_a_fused_layer(tmp_path: Path) -> None:
    for lora in (
        'target_modules = ["attn.to_k"]',
        'target_modules = ["attn.to_k"]\nuse_dora = true',
    ):
        source = exported("sd3", lora, tmp_path)
        pipe = source.pipeline()
        found = read_lora(tmp_path / KOHYA_FILE).layers
        assert found["transformer"].keys() == live_layers(source)["transformer"].keys()
        attach(pipe.transformer, "transformer", found["transformer"])
        assert_same(
            {"transformer": outputs(source, pipe)["transformer"]},
            {"transformer": outputs(source)["transformer"]},
        )


def test_a_new_adapter_keeps_all_its_layers(tmp_path: Path) -> None:
    from lorad.daemon.training.lora import add_lora

    source = Tiny("sd3")
    add_lora(source, make_recipe(), Path())
    export(source, make_recipe(), 0, ABOUT, tmp_path, None)
    found = read_lora(tmp_path / KOHYA_FILE).layers["transformer"]
    assert found.keys() == live_layers(source)["transformer"].keys()
    assert {layer.rank for layer in found.values()} == {4}


def test_what_is_no_lora_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"lora_unet_a.oft_blocks": torch.ones(1), "model.weight": torch.ones(1)}, path)
    with pytest.raises(errors.LoraKeysUnknown, match=r"lora_unet_a\.oft_blocks, model\.weight"):
        read_lora(path)
    save_file({"lora_unet_a.lora_down.weight": torch.ones(1, 1)}, path)
    with pytest.raises(errors.LoraUnreadable, match="has only lora_A"):
        read_lora(path)
    along_input = {"lora_down.weight": (2, 6), "lora_up.weight": (4, 2), "dora_scale": (1, 6)}
    save_file({f"lora_unet_a.{key}": torch.ones(*s) for key, s in along_input.items()}, path)
    with pytest.raises(errors.LoraUnreadable, match="norms along its input"):
        read_lora(path)


def test_a_peft_file_without_metadata_is_at_scale_one(tmp_path: Path) -> None:
    layers = live_layers(adapted("sd1", "alpha = 4"))
    bare = {
        f"base_model.model.{name}.{part}.weight": tensor
        for name, layer in layers["unet"].items()
        for part, tensor in layer.parts.items()
    }
    save_file(bare, tmp_path / "x.safetensors")
    found = read_lora(tmp_path / "x.safetensors").layers
    assert found["unet"].keys() == layers["unet"].keys()
    assert {layer.scale for layer in found["unet"].values()} == {1.0}


def test_written_again_the_files_are_the_same(tmp_path: Path) -> None:
    exported("sdxl", full("sdxl", LORA["patterns"]), tmp_path)
    for file, family in ((LORA_FILE, None), (KOHYA_FILE, "sdxl")):
        read = read_lora(tmp_path / file)
        if family:
            write_kohya(tmp_path / "again.safetensors", read.layers, family, read.metadata)
        else:
            write_diffusers(tmp_path / "again.safetensors", read.layers, read.metadata)
        one, two = load_file(tmp_path / file), load_file(tmp_path / "again.safetensors")
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)
