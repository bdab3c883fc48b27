"""Converting and merging LoRA files of every family and type."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lorad.daemon.tools.convert import convert
from lorad.daemon.tools.merge import merge, put_in, stored_dtype
from lorad.daemon.training.lora import attach
from lorad.daemon.training.lora_file import family_of, read_lora
from lorad.shared import errors
from lorad.shared.jobs import LORA_FILE

from .adapters import outputs
from .test_export import (
    EVERY,
    FAMILIES,
    KOHYA_FILE,
    LORA,
    OTHERS,
    PEFTS,
    assert_same,
    exported,
    full,
)
from .test_generate import write_lora
from .tiny import tiny_model

pytestmark = pytest.mark.filterwarnings("ignore:While injecting the PEFT adapters")
ALL = {**LORA, **OTHERS}


@pytest.mark.parametrize(("family", "kind"), EVERY)
def test_there_and_back_is_the_same_adapter(tmp_path: Path, family: str, kind: str) -> None:
    source = exported(family, full(family, ALL[kind]), tmp_path)
    for file in (LORA_FILE, KOHYA_FILE):
        there = convert(tmp_path / file, None, tmp_path / "there.safetensors")
        assert read_lora(there).is_kohya == (file == LORA_FILE)
        back = convert(there, None, tmp_path / "back.safetensors")
        for path in (there, back):
            pipe = source.pipeline()
            for component, layers in read_lora(path).layers.items():
                attach(getattr(pipe, component), component, layers)
            assert_same(outputs(source, pipe), outputs(source))
            path.unlink()


@pytest.mark.parametrize(("family", "kind"), PEFTS)
def test_a_converted_kohya_file_loads_in_a_pipeline(tmp_path: Path, family: str, kind: str) -> None:
    """DoRA too, and alphas that differ: diffusers loses both in a file of kohya's keys."""
    source = exported(family, full(family, LORA[kind]), tmp_path)
    convert(tmp_path / KOHYA_FILE, None, tmp_path / "c.safetensors")
    pipe = source.pipeline()
    pipe.load_lora_weights(tmp_path, weight_name="c.safetensors")
    assert_same(outputs(source, pipe), outputs(source))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_family_is_known_by_the_file(tmp_path: Path, family: str) -> None:
    exported(family, full(family, ""), tmp_path)
    for file in (LORA_FILE, KOHYA_FILE):
        found = family_of(read_lora(tmp_path / file))
        # SD 2's U-Net and names are as SD 1's; the header of kohya's file tells them apart.
        assert found == family or (family, found) == ("sd2", "sd1")


def test_metadata_come_along(tmp_path: Path) -> None:
    exported("sd1", "alpha = 2", tmp_path)
    there = convert(tmp_path / KOHYA_FILE, "diffusers", None)
    assert there.name == "small-diffusers.safetensors"
    back = convert(there, "kohya", tmp_path / "back.safetensors")
    with safe_open(tmp_path / KOHYA_FILE, "pt") as one, safe_open(back, "pt") as two:
        assert one.metadata() == two.metadata()
    one_, two_ = load_file(tmp_path / KOHYA_FILE), load_file(back)
    assert all(torch.equal(one_[key], two_[key]) for key in one_)


def test_what_cannot_be_converted_is_a_sentence(tmp_path: Path) -> None:
    exported("sd1", "alpha = 2", tmp_path)
    with pytest.raises(errors.FileMissing):
        convert(tmp_path / "none", None, None)
    with pytest.raises(errors.NotWritable, match="it is there already"):
        convert(tmp_path / KOHYA_FILE, None, tmp_path / LORA_FILE)
    with pytest.raises(errors.NotWritable, match="no such folder"):
        convert(tmp_path / KOHYA_FILE, None, tmp_path / "no" / "x.safetensors")
    tensors = load_file(tmp_path / KOHYA_FILE)
    name = next(key for key in tensors if key.endswith("lora_up.weight"))
    tensors[name.replace("lora_up.weight", "dora_scale")] = torch.ones(tensors[name].shape[0], 1)
    save_file(tensors, tmp_path / "mixed.safetensors")
    with pytest.raises(errors.NotConvertible, match="of several types"):
        convert(tmp_path / "mixed.safetensors", None, None)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(("family", "kind"), EVERY)
def test_a_merged_model_draws_as_the_adapter(tmp_path: Path, family: str, kind: str) -> None:
    source = exported(family, full(family, ALL[kind]), tmp_path)
    pipe = source.pipeline()
    put_in(pipe, read_lora(tmp_path / KOHYA_FILE).layers, 1.0)
    found = outputs(source, pipe)
    for component, value in outputs(source).items():
        assert torch.allclose(found[component], value, atol=1e-4), component
    plain = source.pipeline()
    for component in found:
        names = [name for name, _ in getattr(pipe, component).named_parameters()]
        assert names == [name for name, _ in getattr(plain, component).named_parameters()]


def test_the_precision_is_that_of_the_weights_that_are_loaded(tmp_path: Path) -> None:
    """A folder of the hub has both; without `variant` the whole ones are read."""
    half = {"a": torch.zeros(2, dtype=torch.float16)}
    save_file(half, tmp_path / "diffusion_pytorch_model.fp16.safetensors")
    assert stored_dtype(tmp_path) == torch.float16
    save_file({"a": torch.zeros(2)}, tmp_path / "diffusion_pytorch_model.safetensors")
    assert stored_dtype(tmp_path) == torch.float32
    assert stored_dtype(tmp_path / "diffusion_pytorch_model.fp16.safetensors") == torch.float16


def test_a_merge_has_its_strength(tmp_path: Path) -> None:
    source = exported("sd1", "", tmp_path)
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight"
    weights = []
    for scale in (0.0, 1.0, 0.5):
        pipe = source.pipeline()
        put_in(pipe, read_lora(tmp_path / KOHYA_FILE).layers, scale)
        weights.append(pipe.unet.get_parameter(name))
    assert torch.equal(weights[0], source.pipeline().unet.get_parameter(name))
    assert torch.allclose(weights[2] - weights[0], (weights[1] - weights[0]) / 2, atol=1e-6)


def test_two_merges_at_once_have_each_a_folder_of_their_own(
    tmp_path: Path,
) -> None:
    base = tiny_model("sd1", tmp_path)
    lora = write_lora(base, tmp_path / "l.safetensors")
    (tmp_path / ".merged.part").mkdir()  # of one that is at work
    out = merge(lora, str(base), tmp_path / "merged", 1.0)
    assert (out / "unet" / "diffusion_pytorch_model.safetensors").is_file()
    assert (tmp_path / ".merged.part").exists()
    shutil.rmtree(tmp_path / ".merged.part")
    assert not list(tmp_path.glob(".*"))


def test_a_base_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    base = tiny_model("sd1", tmp_path)
    lora = write_lora(base, tmp_path / "l.safetensors")
    weights = base / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(errors.ModelUnsupported, match="sd1 cannot be trained"):
        merge(lora, str(base), tmp_path / "merged", 1.0)
    assert not (tmp_path / "merged").exists()


def test_a_lora_of_another_model_is_refused(tmp_path: Path) -> None:
    exported("sdxl", "", tmp_path)
    from .adapters import Tiny

    with pytest.raises(errors.LoraUnfit, match=r"unet has no layer"):
        put_in(Tiny("sd1").pipeline(), read_lora(tmp_path / KOHYA_FILE).layers, 1.0)
