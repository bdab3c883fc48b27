"""Every family against diffusers' own pipelines, and every model that is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from peft import LoraConfig
from PIL import Image

from lorad.daemon.training.families import load_family
from lorad.daemon.training.families.base import Diffusion, Family, Flow
from lorad.daemon.training.families.registry import (
    check_fit,
    check_model,
    faults_told,
    find_configuration,
    find_model_index,
    load_counter,
)
from lorad.daemon.training.families.source import Source
from lorad.daemon.training.fit import refuse_unfit
from lorad.shared.errors import (
    LoradError,
    ModelConfigUnreachable,
    ModelMissing,
    ModelUnreachable,
    ModelUnsupported,
    PickledModel,
    WrongValue,
)
from lorad.shared.recipe import Model, Recipe, parse_recipe

from .ldm import write_checkpoint
from .tiny import NAMES, Name, build, tiny_model

PROMPTS = ["a cat", "the dog's house, a tree", ""]
SIZES = torch.tensor([[80, 64, 8, 0, 64, 64]] * len(PROMPTS))


def load(base: Path | str, **more: Any) -> Any:
    model = Model(base=str(base), **more)
    return load_family(model, Path.cwd(), torch.device("cpu"), torch.float32)


def encode(family: Family, prompts: list[str] = PROMPTS) -> dict[str, torch.Tensor]:
    return family.encode_tokens(family.tokenize(prompts)) | {"sizes": SIZES[: len(prompts)]}


def latents(family: Family, count: int = len(PROMPTS)) -> torch.Tensor:
    channels: Any = family.network.config
    generator = torch.Generator().manual_seed(3)
    return torch.randn(count, channels.in_channels, 8, 8, generator=generator)


def reference(folder: Path) -> Any:
    index = json.loads((folder / "model_index.json").read_text())
    # diffusers wants to be told what the folder says already.
    without = [
        part for part in ("text_encoder_3", "tokenizer_3") if index.get(part) == [None, None]
    ]
    return DiffusionPipeline.from_pretrained(folder, **dict.fromkeys(without))


@torch.no_grad()
def encode_by_diffusers(pipeline: Any, length: int = 256) -> list[torch.Tensor]:
    """Embeddings, and what is pooled where the family has that."""
    options: dict[str, Any] = {"do_classifier_free_guidance": False, "device": "cpu"}
    if hasattr(pipeline, "text_encoder_3"):
        options |= {"prompt_2": None, "prompt_3": None, "max_sequence_length": length}
    elif not hasattr(pipeline, "text_encoder_2"):
        options |= {"num_images_per_prompt": 1}
    encoded = pipeline.encode_prompt(PROMPTS, **options)
    return [encoded[0]] if len(encoded) == 2 else [encoded[0], encoded[2]]


@pytest.mark.parametrize("name", NAMES)
def test_captions_are_encoded_as_diffusers_does(name: Name, tmp_path: Path) -> None:
    folder = tiny_model(name, tmp_path)
    family = load(folder)
    with torch.no_grad():
        mine = encode(family)
    theirs = encode_by_diffusers(reference(folder))
    assert len({tuple(ids.shape) for ids in family.tokenize(PROMPTS).values()}) >= 1
    assert torch.equal(mine["text"], theirs[0])
    assert ("pooled" in mine) == (len(theirs) == 2)
    if len(theirs) == 2:
        assert torch.equal(mine["pooled"], theirs[1])


@pytest.mark.parametrize("name", NAMES)
def test_the_network_is_asked_as_diffusers_does(name: Name, tmp_path: Path) -> None:
    folder = tiny_model(name, tmp_path)
    family, pipeline = load(folder), reference(folder)
    noisy, timesteps = latents(family), torch.tensor([0, 500, 999])
    encoded = encode_by_diffusers(pipeline)
    with torch.no_grad():
        mine = family.predict(noisy, timesteps, encode(family))
        if name.startswith("sd3"):
            theirs = pipeline.transformer(noisy, encoded[0], encoded[1], timesteps)[0]
        else:
            pooled = encoded[1] if name == "sdxl" else None
            added = {"text_embeds": pooled, "time_ids": SIZES.float()}
            theirs = pipeline.unet(noisy, timesteps, encoded[0], added_cond_kwargs=added)[0]
    assert mine.shape == noisy.shape
    torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-6)


def test_sizes_matter_to_sdxl(tmp_path: Path) -> None:
    family = load(tiny_model("sdxl", tmp_path))
    condition, noisy = encode(family), latents(family)
    with torch.no_grad():
        one = family.predict(noisy, torch.tensor([5] * 3), condition)
        other = family.predict(
            noisy, torch.tensor([5] * 3), condition | {"sizes": condition["sizes"] * 3}
        )
    assert not torch.equal(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_encoded_and_decoded_as_diffusers_does(name: Name, tmp_path: Path) -> None:
    folder = tiny_model(name, tmp_path)
    family, pipeline = load(folder), reference(folder)
    pixels = torch.rand(2, 3, 64, 48) * 2 - 1
    posterior = family.encode_pictures(pixels)
    pipeline.vae.requires_grad_(False)  # as ours: torch multiplies otherwise in another order
    theirs = pipeline.vae.encode(pixels).latent_dist
    assert torch.equal(posterior, torch.stack([theirs.mean, theirs.std], dim=1))
    assert posterior.shape[2:] == (family.network.config.in_channels, 8, 6)
    assert family.scaling_factor == pipeline.vae.config.scaling_factor
    assert family.shift_factor == (pipeline.vae.config.shift_factor or 0)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers'
@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_drawn_as_diffusers_does(name: Name, tmp_path: Path) -> None:
    folder = tiny_model(name, tmp_path)
    family, theirs = load(folder), reference(folder)
    pictures = []
    for pipeline, output in ((family.pipeline(), "latent"), (theirs, "pil")):
        pipeline.set_progress_bar_config(disable=True)
        drawn = pipeline(
            "a cat", negative_prompt="dog", height=64, width=48, num_inference_steps=3,
            guidance_scale=4.0, output_type=output, generator=torch.Generator().manual_seed(1),
        ).images  # fmt: skip
        pictures += family.decode(drawn) if output == "latent" else drawn
    assert pictures[0].size == (48, 64)
    one, other = (np.asarray(picture).astype(int) for picture in pictures)
    assert one.std() > 0
    assert np.abs(one - other).max() <= 1


WHAT: dict[Name, tuple[str, str, str, object]] = {
    "sd1": ("sd1", "stable-diffusion-v1", "sd_v1", "epsilon"),
    "sd2": ("sd2", "stable-diffusion-v2-512", "sd_v2", "epsilon"),
    "sd2-v": ("sd2", "stable-diffusion-v2-768-v", "sd_v2_v", "v_prediction"),
    "sdxl": ("sdxl", "stable-diffusion-xl-v1-base", "sdxl_base_v1-0", "epsilon"),
    "sd3": ("sd3", "stable-diffusion-3-m", "sd3_m", 3.0),
    "sd3-t5": ("sd3", "stable-diffusion-3-m", "sd3_m", 3.0),
    "sd35": ("sd3", "stable-diffusion-3-5-medium", "sd3_5-medium", 3.0),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_family_says_what_it_is(name: Name, tmp_path: Path) -> None:
    folder = tiny_model(name, tmp_path)
    family, index = load(folder), json.loads((folder / "model_index.json").read_text())
    process = family.process
    said = process.shift if isinstance(process, Flow) else process.prediction_type
    assert (family.name, family.architecture, family.base_model_version, said) == WHAT[name]
    assert family.network_name in index
    assert family.size_multiple == (16 if name.startswith("sd3") else 8)
    clip = [part for part in ("text_encoder", "text_encoder_2") if part in index]
    assert list(family.text_encoders) == clip
    if isinstance(process, Diffusion):
        scheduler = reference(folder).scheduler
        assert torch.equal(process.alphas_cumprod, scheduler.alphas_cumprod)
    assert check_model(folder, "x").name == family.name
    assert len(set(family.tokenize(["a"]))) == len(clip) + (name == "sd3-t5")


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_adapter(name: Name, tmp_path: Path) -> None:
    family = load(tiny_model(name, tmp_path))
    assert not any(p.requires_grad for p in family.network.parameters())
    family.network.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_k"]))
    for encoder in family.text_encoders.values():
        encoder.add_adapter(LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    guess = family.predict(latents(family), torch.tensor([5, 500, 900]), encode(family))
    guess.square().mean().backward()
    for module in (family.network, *family.text_encoders.values()):
        ups = [p for n, p in module.named_parameters() if "lora_B" in n and p.grad is not None]
        assert ups
        assert any(p.grad.abs().max() > 0 for p in ups)
    for part in family._others.values():
        assert not any(p.requires_grad for p in part.parameters())


@pytest.mark.parametrize("name", ["sd1", "sdxl", "sd3-t5"])
def test_what_only_encodes_leaves_the_device_and_comes_back(
    name: Name, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = load(tiny_model(name, tmp_path))
    with torch.no_grad():
        before = encode(family)
    places: dict[str, object] = {}
    parts = {"vae": family._vae} | family.text_encoders | family._others
    for part_name, part in parts.items():

        def to(device: object, part_name: str = part_name) -> None:
            places[part_name] = device

        monkeypatch.setattr(part, "to", to)
    family.park(text=False)
    assert places == {"vae": "cpu"}
    family.park()
    assert set(places) == set(parts)
    places.clear()
    family.unpark()
    assert places == dict.fromkeys(parts, torch.device("cpu"))
    monkeypatch.undo()
    with torch.no_grad():
        assert torch.equal(encode(family)["text"], before["text"])


def test_a_network_in_half_precision_keeps_its_vae_and_clip_whole(tmp_path: Path) -> None:
    folder = tiny_model("sd3-t5", tmp_path)
    family: Any = load_family(
        Model(base=str(folder)), tmp_path, torch.device("cpu"), torch.bfloat16
    )
    assert next(family.network.parameters()).dtype == torch.bfloat16
    assert next(family._others["text_encoder_3"].parameters()).dtype == torch.bfloat16
    for part in (family._vae, *family.text_encoders.values()):
        assert {p.dtype for p in part.parameters()} == {torch.float32}
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        posterior = family.encode_pictures(torch.zeros(1, 3, 64, 64))
        guess = family.predict(latents(family), torch.tensor([5, 6, 7]), encode(family))
    assert posterior.dtype == torch.float32
    assert guess.isfinite().all()


def test_t5_can_be_left_out_and_read_less(tmp_path: Path) -> None:
    folder = tiny_model("sd3-t5", tmp_path)
    with_t5, short = load(folder), load(folder, max_sequence_length=12)
    without = load(folder, text_encoder_3=False)
    with torch.no_grad():
        texts = [encode(family)["text"] for family in (with_t5, short, without)]
    clip = with_t5.tokenizers["ids"].model_max_length
    assert texts[1].shape[1] == clip + 12
    theirs = encode_by_diffusers(reference(folder), length=12)
    assert torch.equal(texts[1], theirs[0])
    assert not texts[2][:, clip:].any()
    assert texts[0][:, clip:].any()
    assert "ids_3" not in without.tokenize(["a"])
    assert len({with_t5.text_digest, short.text_digest, without.text_digest}) == 3
    assert without.pipeline().text_encoder_3 is None


def test_digests_follow_the_weights(tmp_path: Path) -> None:
    one = load(tiny_model("sd1", tmp_path / "a"))
    again = load(tiny_model("sd1", tmp_path / "b"))
    assert (one.vae_digest, one.text_digest) == (again.vae_digest, again.text_digest)
    path = tmp_path / "b" / "sd1" / "text_encoder" / "config.json"
    path.write_text(path.read_text() + " ")
    changed = load(tmp_path / "b" / "sd1")
    assert changed.vae_digest == one.vae_digest
    assert changed.text_digest != one.text_digest


# -- where it comes from ------------------------------------------------------------------------


def test_another_vae(tmp_path: Path) -> None:
    folder, other = tiny_model("sd1", tmp_path), tiny_model("sdxl", tmp_path)
    mine, theirs = load(folder, vae=str(other)), load(other)
    assert mine.scaling_factor == theirs.scaling_factor == 0.13025
    assert mine.vae_digest == theirs.vae_digest != load(folder).vae_digest
    assert load(folder, vae=str(other / "vae")).vae_digest == theirs.vae_digest
    sd3 = tiny_model("sd3", tmp_path)
    with pytest.raises(WrongValue, match="its latents have 16 channels, and the U-Net wants 4"):
        load(folder, vae=str(sd3))
    with pytest.raises(WrongValue, match=r"model\.vae.*holds no AutoencoderKL"):
        load(folder, vae=str(folder / "unet"))
    with pytest.raises(WrongValue, match="there is no folder"):
        load(folder, vae="./none")


def test_variants(tmp_path: Path) -> None:
    folder = tiny_model("sd1", tmp_path)
    with pytest.raises(WrongValue, match=r"model\.variant.*no weight files of that variant"):
        load(folder, variant="fp16")
    whole = load(folder).network.conv_in.weight
    for part in ("unet", "text_encoder"):
        (path,) = (folder / part).glob("*.safetensors")
        path.rename(path.with_name(path.name.replace(".safetensors", ".fp16.safetensors")))
    assert torch.equal(load(folder, variant="fp16").network.conv_in.weight, whole)
    with pytest.raises(WrongValue, match='only as fp16; set variant = "fp16"'):
        load(folder)


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    here, there = one.state_dict(), other.state_dict()
    return here.keys() == there.keys() and all(torch.equal(here[k], there[k]) for k in here)


def checkpoint(name: Name, folder: Path, **more: torch.Tensor) -> Path:
    """A file in the original layout with its configuration beside it."""
    # diffusers knows SDXL by its second text encoder's tenth layer.
    pipeline = build(name, text_layers=10 if name == "sdxl" else 2)
    pipeline.save_pretrained(folder / "whole")
    configs = folder / "base"
    shutil.copytree(folder / "whole", configs, ignore=shutil.ignore_patterns("*.safetensors"))
    return write_checkpoint(pipeline, folder / "base.safetensors", **more)


@pytest.mark.parametrize("name", ["sd1", "sdxl"])
def test_one_checkpoint_file_is_the_same_as_the_folder(name: Name, tmp_path: Path) -> None:
    file = checkpoint(name, tmp_path)
    mine, theirs = load(file), load(tmp_path / "whole")
    assert mine.name == theirs.name == name
    assert same_weights(mine.network, theirs.network)
    assert same_weights(mine._vae, theirs._vae)
    for part, encoder in mine.text_encoders.items():
        assert same_weights(encoder, theirs.text_encoders[part])
    with torch.no_grad():
        assert torch.equal(encode(mine)["text"], encode(theirs)["text"])
    assert mine.process.prediction_type == "epsilon"
    assert load_counter(Model(base=str(file)), tmp_path).counts(["a cat"]) == [4]


def test_a_checkpoint_file_may_say_that_it_predicts_the_velocity(tmp_path: Path) -> None:
    family = load(checkpoint("sdxl", tmp_path, v_pred=torch.zeros(1), ztsnr=torch.zeros(1)))
    assert family.process.prediction_type == "v_prediction"
    assert family.process.alphas_cumprod[-1] < 1e-6


def test_a_checkpoint_file_with_another_vae(tmp_path: Path) -> None:
    file, other = checkpoint("sd1", tmp_path), tiny_model("sdxl", tmp_path)
    family = load(file, vae=str(other))
    assert family.vae_digest == load(other).vae_digest
    assert family.scaling_factor == 0.13025


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.mark.usefixtures("offline")
def test_a_checkpoint_file_without_its_configuration_is_a_sentence(tmp_path: Path) -> None:
    for name, wanted in (("sd1", "stable-diffusion-v1-5"), ("sdxl", "stable-diffusion-xl-base")):
        (tmp_path / name).mkdir()
        file = checkpoint(name, tmp_path / name)
        shutil.rmtree(file.with_suffix(""))
        with pytest.raises(ModelConfigUnreachable, match=wanted) as caught:
            load(file)
        assert f"into the folder {file.with_suffix('')}" in str(caught.value)
        assert "the hub cannot be reached" in str(caught.value)


# -- what is refused ----------------------------------------------------------------------------


def refused(base: Path | str, kind: type[LoradError], sentence: str) -> None:
    with pytest.raises(kind, match=sentence):
        load(base)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "text_encoder_2"])
def test_weights_that_are_cut_off(part: str, tmp_path: Path) -> None:
    folder = tiny_model("sdxl", tmp_path)
    cut_off(next((folder / part).glob("*.safetensors")))
    refused(folder, ModelUnsupported, "cannot be trained")


@pytest.mark.parametrize("part", ["unet", "text_encoder"])
def test_weights_that_lack_some(part: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tiny_model("sd1", tmp_path)
    path = next((folder / part).glob("*.safetensors"))
    tensors = load_file(path)
    name = sorted(tensors)[0]
    del tensors[name]
    save_file(tensors, path, metadata={"format": "pt"})
    refused(folder, ModelUnsupported, f"its {part} lacks 1 weights")


def test_parts_that_are_missing(tmp_path: Path) -> None:
    for part in ("unet", "scheduler", "tokenizer", "text_encoder", "vae"):
        folder = tiny_model("sd1", tmp_path / part)
        shutil.rmtree(folder / part)
        refused(folder, ModelUnsupported, "cannot be trained")


def test_a_t5_that_is_named_and_missing(tmp_path: Path) -> None:
    folder = tiny_model("sd3-t5", tmp_path)
    shutil.rmtree(folder / "text_encoder_3")
    refused(folder, WrongValue, r"model\.text_encoder_3.*set text_encoder_3 = false")
    assert load(folder, text_encoder_3=False).name == "sd3"


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_models_that_are_something_else(tmp_path: Path) -> None:
    folder = tiny_model("sd1", tmp_path)
    scheduler = folder / "scheduler" / "scheduler_config.json"
    edit(folder / "unet" / "config.json", in_channels=9)
    refused(folder, ModelUnsupported, "9 channels, as one for inpainting does")
    edit(folder / "unet" / "config.json", in_channels=4)
    edit(scheduler, prediction_type="sample")
    refused(folder, ModelUnsupported, "it predicts sample with DDIMScheduler")
    edit(scheduler, prediction_type="epsilon")
    edit(folder / "model_index.json", _class_name="FluxPipeline")
    refused(folder, ModelUnsupported, "it is a FluxPipeline")
    (folder / "model_index.json").write_text("[]")
    refused(folder, ModelUnsupported, r"its model_index\.json is a list")
    refused(tmp_path, ModelUnsupported, r"no model_index\.json")


def test_files_that_are_no_checkpoint(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    for ending in ("ckpt", "pt", "bin"):
        (tmp_path / f"m.{ending}").write_bytes(b"pickle")
        refused(tmp_path / f"m.{ending}", PickledModel, "is a pickle")
    refused(tmp_path / "none.safetensors", ModelMissing, "There is no model at")
    refused("models/none.safetensors", ModelMissing, "There is no model at")
    save_file({"lora_unet_a.lora_down.weight": torch.zeros(1)}, tmp_path / "l.safetensors")
    refused(tmp_path / "l.safetensors", ModelUnsupported, "it may be a LoRA")
    flux = "model.diffusion_model.double_blocks.0.img_attn.norm.key_norm.scale"
    save_file({flux: torch.zeros(1)}, tmp_path / "f.safetensors")
    refused(tmp_path / "f.safetensors", ModelUnsupported, "of the kind flux-schnell")
    file = checkpoint("sd1", tmp_path)
    cut_off(file)
    refused(file, ModelUnsupported, "damaged or cut off")


@pytest.mark.usefixtures("offline")
def test_the_hub_out_of_reach(tmp_path: Path) -> None:
    refused("nobody/nothing", ModelUnreachable, "the hub cannot be reached")
    for look in (find_model_index, load_counter):
        with pytest.raises(ModelUnreachable, match="the hub cannot be reached"):
            look(Model(base="nobody/nothing"), tmp_path)


# -- what does not fit --------------------------------------------------------------------------


def recipe(text: str) -> Recipe:
    train = "" if "[train]" in text else "[train]\nresolution=64\n"
    return parse_recipe(f'name="a"\n[data]\npath="p"\n{train}{text}')


def source(base: Path) -> Source:
    return find_configuration(Model(base=str(base)), base.parent)


UNFIT: tuple[tuple[Name, str, str], ...] = (
    ("sd1", '[objective]\nprediction_type="v_prediction"', "prediction_type.*guesses the noise"),
    ("sdxl", '[objective]\nprediction_type="v_prediction"', "set model.base to a v-prediction"),
    ("sd2-v", '[objective]\nprediction_type="epsilon"', "prediction_type.*the velocity"),
    ("sd1", "[model]\ntext_encoder_3=false", "text_encoder_3.*only Stable Diffusion 3"),
    ("sdxl", "[model]\nmax_sequence_length=77", "max_sequence_length.*only Stable Diffusion 3"),
    ("sd3", "[train]\nresolution=72", r"train\.resolution.*no multiple of 16.*use 64"),
    ("sd3", "[buckets]\nbucket_reso_steps=8", "bucket_reso_steps.*use 16"),
    ("sd3", '[sample]\nprompts=["a", {prompt="b", width=72}]', r"sample\.prompts\[1\]\.width"),
)


@pytest.mark.parametrize(("name", "text", "sentence"), UNFIT)
def test_what_a_base_cannot_do_is_refused(
    name: Name, text: str, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(WrongValue, match=sentence):
        check_fit(recipe(text), source(tiny_model(name, tmp_path)))


FIT: tuple[tuple[Name, str], ...] = (
    *((name, "") for name in NAMES),
    ("sd1", '[objective]\nprediction_type="epsilon"'),
    ("sd2-v", '[objective]\nprediction_type="v_prediction"\nrescale_betas_zero_snr=true'),
    ("sd3", "[objective]\nshift=2.0\n[model]\ntext_encoder_3=false\nmax_sequence_length=77"),
    ("sdxl", "[lora]\ntrain_text_encoder=true\n[buckets]\nbucket_reso_steps=8"),
)


@pytest.mark.parametrize(("name", "text"), FIT)
def test_what_a_base_can_do_is_not(name: Name, text: str, tmp_path: Path) -> None:
    check_fit(recipe(text), source(tiny_model(name, tmp_path)))


def test_a_checkpoint_files_prediction_may_be_told(tmp_path: Path) -> None:
    file = checkpoint("sd1", tmp_path)
    base = f'[model]\nbase="{file}"\n'
    check_fit(recipe(base + '[objective]\nprediction_type="v_prediction"'), source(file))
    with pytest.raises(WrongValue, match=r"model\.variant.*has no variants"):
        check_fit(recipe(base + 'variant="fp16"'), source(file))


def test_a_checkpoint_file_is_judged_by_what_it_says_itself(tmp_path: Path) -> None:
    file = checkpoint("sdxl", tmp_path, v_pred=torch.zeros(1), ztsnr=torch.zeros(1))
    base = f'[model]\nbase="{file}"\n[objective]\n'
    refuse_unfit(recipe(base + "rescale_betas_zero_snr=true"), tmp_path)
    refuse_unfit(recipe(base), tmp_path)
    with pytest.raises(WrongValue, match=r"prediction_type.*guesses the velocity"):
        refuse_unfit(recipe(base + 'prediction_type="epsilon"'), tmp_path)
    assert load(file).pipeline().scheduler.config.timestep_spacing == "trailing"
    other = checkpoint("sdxl", tmp_path / "other", ztsnr=torch.zeros(1))
    base = f'[model]\nbase="{other}"\n[objective]\n'
    refuse_unfit(recipe(base + 'prediction_type="v_prediction"'), tmp_path)
    with pytest.raises(WrongValue, match=r"prediction_type.*where no signal is left"):
        refuse_unfit(recipe(base), tmp_path)


# -- tokens are counted -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sd1", "sdxl", "sd3-t5"])
def test_tokens_are_counted_without_weights(name: Name, tmp_path: Path) -> None:
    folder = tiny_model(name, tmp_path)
    for path in folder.glob("*/*.safetensors"):
        path.unlink()
    counter = load_counter(Model(base=str(folder)), tmp_path)
    assert counter.limit == 24
    long = "cat " * 40
    assert counter.counts(["", "a cat", long]) == [2, 4, 42]
    assert counter.counts([]) == []
    shutil.rmtree(folder / "tokenizer")
    (folder / "tokenizer").mkdir()
    with pytest.raises(ModelUnsupported, match="its tokenizer has no vocabulary"):
        load_counter(Model(base=str(folder)), tmp_path)


def test_the_shipped_model_is_of_the_first_family(tmp_path: Path) -> None:
    family = load("emoji")
    assert isinstance(family.decode(torch.zeros(1, 8, 8, 8))[0], Image.Image)
    assert family.name == "sd1"
    assert load_counter(Model(), tmp_path).limit == 24


@pytest.mark.parametrize("words", ["CUDA error: out of memory", "CUDA error: device is busy"])
def test_a_card_that_fails_is_not_the_models_fault(words: str) -> None:
    """It may pass: a job that was told that its model is unsupported would end for good."""
    error = torch.AcceleratorError(words)
    with pytest.raises(torch.AcceleratorError), faults_told("owner/model"):
        raise error
    with pytest.raises(ModelUnsupported, match="owner/model"), faults_told("owner/model"):
        raise RuntimeError("size mismatch for conv_in.weight")


def test_nothing_but_the_network_needs_room_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All at once may be more than a card holds that could train."""
    moved: list[str] = []
    to = torch.nn.Module.to

    def seen(self: torch.nn.Module, *place: Any, **more: Any) -> torch.nn.Module:
        if isinstance(place[0] if place else None, torch.device):
            moved.append(type(self).__name__)
        return to(self, *place, **more)

    monkeypatch.setattr(torch.nn.Module, "to", seen)
    for name in ("sd1", "sdxl", "sd3-t5"):
        moved.clear()
        family: Any = load(tiny_model(name, tmp_path / name))
        parts = (family._vae, *family.text_encoders.values(), *family._others.values())
        encoders = {type(part).__name__ for part in parts}
        assert not encoders & set(moved), name
        family.unpark()
        assert encoders <= set(moved), name


def test_autocast_leaves_t5_alone(tmp_path: Path) -> None:
    """It keeps layers in fp32 that overflow in fp16, and pictures are drawn under autocast."""
    family: Any = load(tiny_model("sd3-t5", tmp_path))
    ids = family.tokenize(["a cat"])["ids_3"]
    t5 = family._others["text_encoder_3"]
    with torch.no_grad():
        plain = t5(ids)[0]
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(t5(ids)[0], plain)
