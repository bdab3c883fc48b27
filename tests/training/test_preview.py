"""Pictures drawn while it trains: what each prompt says, in every family, on a full card too."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoHaConfig, LoraConfig, inject_adapter_in_model
from PIL import Image

from lorad.daemon.training import preview
from lorad.daemon.training.card import write_card
from lorad.daemon.training.families import Family, load_family
from lorad.daemon.training.preview import Preview, batches, make_thumb, open_pipeline, plan, scaled
from lorad.daemon.training.sheets import HEADING, SIDE, grid
from lorad.shared.messages import SamplePicture
from lorad.shared.recipe import Model, Prompt, Recipe, Sample, parse_recipe

from .tiny import NAMES, Name, tiny_model

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RECIPE = 'name="a"\n[data]\npath="p"\n[train]\nresolution=64\n'
SAMPLE = Sample(prompts=("a cat", "a dog"), num_inference_steps=2, guidance_scale=3.0)


def load(name: Name, folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    base = str(tiny_model(name, folder))
    return load_family(Model(base=base), folder, torch.device("cpu"), dtype)


def recipe(more: str = "") -> Recipe:
    return parse_recipe(RECIPE + more)


def draw(family: Family, folder: Path, sample: Sample, step: int = 0) -> list[SamplePicture]:
    return list(Preview(family, recipe(), folder).draw(step, sample))


def pixels(picture: SamplePicture) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(picture.path)).astype(int)


def adapt(module: torch.nn.Module, config: Any) -> None:
    """An adapter that does something."""
    inject_adapter_in_model(config, module)
    generator = torch.Generator().manual_seed(2)
    for name, parameter in module.named_parameters():
        if "lora_" in name or "hada_" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5


def test_due() -> None:
    assert [step for step in range(11) if Preview.due(step, 10, 4)] == [0, 4, 8, 10]
    assert [step for step in range(11) if Preview.due(step, 10, 0)] == [0, 10]


def test_a_prompt_says_what_it_wants_and_the_section_the_rest() -> None:
    own = Prompt(
        prompt="b", negative_prompt="", seed=0, width=32, height=48, num_inference_steps=3,
        guidance_scale=0.0, lora_scale=0.0,
    )  # fmt: skip
    sample = Sample(prompts=("a", own), negative_prompt="bad", seed=5, lora_scale=0.5)
    one, other = plan(sample, 64)
    assert (one.prompt, one.negative_prompt, one.seed, one.lora_scale) == ("a", "bad", 5, 0.5)
    assert (one.width, one.height, one.num_inference_steps, one.guidance_scale) == (64, 64, 25, 7.5)
    assert (other.negative_prompt, other.seed, other.width, other.height) == ("", 0, 32, 48)
    assert (other.num_inference_steps, other.guidance_scale, other.lora_scale) == (3, 0, 0)
    assert plan(Sample(prompts=("a", "b"), seed=5), 64)[1].seed == 6


def test_only_pictures_alike_are_drawn_together() -> None:
    prompts = ("a", "b", Prompt(prompt="c", width=32), Prompt(prompt="d", negative_prompt="x"), "e")
    assert list(batches(plan(Sample(prompts=prompts), 64))) == [[0, 1], [2], [3], [4]]
    many = plan(Sample(prompts=("a",) * 20), 64)
    assert [len(batch) for batch in batches(many)] == [8, 8, 4]
    large = plan(Sample(prompts=("a",) * 2), 1024)
    assert [len(batch) for batch in batches(large)] == [1, 1]


@pytest.mark.parametrize("name", NAMES)
def test_every_family_draws_the_same_again(name: Name, tmp_path: Path) -> None:
    family = load(name, tmp_path)
    family.network.train()
    prompts = ("a cat", Prompt(prompt="a cat", seed=1, width=48, height=64, negative_prompt="dog"))
    sample = Sample(prompts=prompts, num_inference_steps=2, guidance_scale=3.0)
    first = draw(family, tmp_path / "one", sample)
    again = draw(family, tmp_path / "other", sample)
    assert [picture.sha256 for picture in first] == [picture.sha256 for picture in again]
    assert [(p.index, p.seed, p.width, p.height) for p in first] == [(0, 1, 64, 64), (1, 1, 48, 64)]
    for picture in first:
        data = Path(picture.path).read_bytes()
        assert hashlib.sha256(data).hexdigest() == picture.sha256
        assert pixels(picture).std() > 0
    assert family.network.training


@pytest.mark.parametrize("name", ["sd1", "sdxl", "sd3-t5"])
def test_a_network_in_half_precision_draws(name: Name, tmp_path: Path) -> None:
    (picture,) = draw(
        load(name, tmp_path, torch.bfloat16),
        tmp_path,
        Sample(prompts=("a cat",), num_inference_steps=2),
    )
    assert pixels(picture).std() > 0


@pytest.mark.parametrize(
    "option",
    [
        {"negative_prompt": "dog"},
        {"seed": 9},
        {"num_inference_steps": 3},
        {"guidance_scale": 9.0},
        {"lora_scale": 0.3},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["sd2-v", "sdxl", "sd3"])
def test_each_setting_changes_the_picture(
    name: Name, option: dict[str, Any], tmp_path: Path
) -> None:
    family = load(name, tmp_path)
    adapt(family.network, LoraConfig(r=2, target_modules=["to_q", "to_v"]))
    plain, other = draw(
        family,
        tmp_path,
        Sample(
            prompts=(
                Prompt(prompt="a cat", seed=1),
                Prompt(**{"prompt": "a cat", "seed": 1} | option),
            ),
            num_inference_steps=2,
            guidance_scale=3.0,
        ),
    )
    assert not np.array_equal(pixels(plain), pixels(other))


@pytest.mark.parametrize(
    "config",
    [
        LoraConfig(r=2, target_modules=["to_q", "to_v"]),
        LoraConfig(r=2, target_modules=["to_q", "to_v"], use_dora=True),
        LoHaConfig(r=2, target_modules=["to_q", "to_v"]),
    ],
    ids=["lora", "dora", "loha"],
)
def test_the_adapters_strength(config: Any, tmp_path: Path) -> None:
    family = load("sd1", tmp_path)
    base = draw(family, tmp_path / "base", SAMPLE)
    adapt(family.network, config)
    learned = draw(family, tmp_path / "learned", SAMPLE)
    before = {n: (p.requires_grad, p.clone()) for n, p in family.network.named_parameters()}
    off = draw(family, tmp_path / "off", Sample(
        prompts=SAMPLE.prompts, num_inference_steps=2, guidance_scale=3.0, lora_scale=0.0
    ))  # fmt: skip
    again = draw(family, tmp_path / "again", SAMPLE)
    assert [p.sha256 for p in off] == [p.sha256 for p in base]
    assert [p.sha256 for p in again] == [p.sha256 for p in learned] != [p.sha256 for p in base]
    for name, parameter in family.network.named_parameters():
        assert parameter.requires_grad == before[name][0]
        assert torch.equal(parameter, before[name][1])


def test_the_strength_comes_back_to_the_bit(tmp_path: Path) -> None:
    network = load("sd1", tmp_path).network
    adapt(network, LoraConfig(r=3, lora_alpha=1, target_modules=["to_q"]))
    layers = [layer for layer in network.modules() if hasattr(layer, "scaling")]
    before = [dict(layer.scaling) for layer in layers]
    with pytest.raises(KeyError), scaled([network], 0.1):
        assert layers[0].scaling["default"] == pytest.approx(1 / 30)
        raise KeyError
    assert [dict(layer.scaling) for layer in layers] == before


@pytest.mark.parametrize("name", ["sd1", "sdxl", "sd3"])
def test_trained_text_encoders_are_drawn_with_and_stay(name: Name, tmp_path: Path) -> None:
    family = load(name, tmp_path)
    base = draw(family, tmp_path / "base", SAMPLE)
    parked: list[bool] = []
    park = family.park
    family.park = lambda *, text=True: (parked.append(text), park(text=text))
    encoder = list(family.text_encoders.values())[-1].train()
    adapt(encoder, LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    learned = draw(family, tmp_path / "learned", SAMPLE)
    assert [p.sha256 for p in learned] != [p.sha256 for p in base]
    assert parked == [False]
    assert encoder.training


def test_the_sampler_follows_what_is_trained(tmp_path: Path) -> None:
    family = load("sd2-v", tmp_path)
    plain = open_pipeline(family, recipe().objective).scheduler.config
    assert (plain.prediction_type, plain.timestep_spacing) == ("v_prediction", "leading")
    objective = recipe("[objective]\nrescale_betas_zero_snr=true").objective
    scheduler = open_pipeline(family, objective).scheduler
    assert scheduler.config.timestep_spacing == "trailing"
    assert scheduler.alphas_cumprod[-1] < 1e-6
    objective = recipe('[objective]\nprediction_type="v_prediction"').objective
    other = open_pipeline(load("sd1", tmp_path), objective).scheduler
    assert other.config.prediction_type == "v_prediction"


def test_a_sampler_that_draws_at_random_is_not_used(tmp_path: Path) -> None:
    path = tiny_model("sdxl", tmp_path) / "scheduler" / "scheduler_config.json"
    path.write_text(path.read_text().replace("EulerDiscrete", "EulerAncestralDiscrete"))
    name = type(load("sdxl", tmp_path).pipeline().scheduler).__name__
    assert name == "EulerDiscreteScheduler"
    path.write_text(path.read_text().replace("EulerAncestralDiscrete", "DPMSolverMultistep"))
    name = type(load("sdxl", tmp_path).pipeline().scheduler).__name__
    assert name == "DPMSolverMultistepScheduler"


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED."),
    ],
)
def test_a_full_card_ends_the_round_and_nothing_else(
    error: RuntimeError,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    family = load("sd1", tmp_path)
    family.network.train()

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(preview, "draw_alike", fail)
    assert draw(family, tmp_path, SAMPLE, step=3) == []
    assert "No pictures at step 3: the GPU has too little free memory." in caplog.text
    assert family.network.training


def test_another_fault_is_not_taken_for_a_full_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(preview, "draw_alike", fail)
    with pytest.raises(RuntimeError, match="mat1"):
        draw(load("sd1", tmp_path), tmp_path, SAMPLE)


def test_rounds_are_kept_and_put_on_sheets(tmp_path: Path) -> None:
    family = load("sd1", tmp_path)
    shown = Preview(family, recipe(), tmp_path)
    wide = Prompt(prompt="wide", width=64, height=32)
    prompts: tuple[tuple[str | Prompt, ...], ...] = (("a", wide), ("a", wide, "new"), ("a", wide))
    for step, texts in zip((0, 5, 10), prompts, strict=True):
        list(shown.draw(step, Sample(prompts=texts, num_inference_steps=1)))
    assert [picture.size for picture in shown.pictures(5)] == [(64, 64), (64, 32), (64, 64)]
    assert shown.pictures(4) == []
    shown.write_before_after(10, tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * SIDE, 2 * SIDE, 3)
    assert (sheet[: SIDE // 4, SIDE:] == 255).all()  # a wide picture is not stretched
    assert np.array_equal(sheet[:SIDE:4, :SIDE:4], np.asarray(shown.pictures(0)[0]))
    assert np.array_equal(sheet[SIDE::4, :SIDE:4], np.asarray(shown.pictures(10)[0]))
    shown.write_before_after(7, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_the_grid_has_a_row_for_each_prompt_and_a_column_for_each_step(tmp_path: Path) -> None:
    assert grid(tmp_path) is None
    for step in range(20):
        for index in range(2):
            color = (step * 10, index * 200, 0)
            Image.new("RGB", (8, 8), color).save(tmp_path / f"step-{step:06d}-{index}.png")
    sheet = grid(tmp_path, columns=4)
    assert sheet is not None
    assert sheet.width == 4 * SIDE
    row = sheet.height - SIDE // 2
    reds = [sheet.getpixel((column * SIDE + SIDE // 2, row)) for column in range(4)]
    assert reds == [(0, 200, 0), (60, 200, 0), (130, 200, 0), (190, 200, 0)]


def test_a_cut_picture_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for step in (0, 5):
        for index in range(2):
            path = tmp_path / "samples" / f"step-{step:06d}-{index}.png"
            path.parent.mkdir(exist_ok=True)
            Image.effect_noise((64, 64), 100).save(path)
    path.write_bytes(path.read_bytes()[:200])
    shown = Preview(load("sd1", tmp_path), recipe(), tmp_path)
    assert len(shown.pictures(5)) == 1
    assert "step-000005-1.png is left out: it cannot be read" in caplog.text
    shown.write_before_after(5, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (SIDE, 2 * SIDE)
    assert write_card(tmp_path, "sd1", recipe(), 5) == ["README.md", "samples.png"]


def test_pictures_meet_those_of_the_same_prompt(tmp_path: Path) -> None:
    shown = Preview(load("sd1", tmp_path), recipe(), tmp_path)
    for step, prompts in ((0, ("a", "b", "b", "ü\n")), (5, ("b", "new", "ü\n", "b"))):
        list(shown.draw(step, Sample(prompts=prompts, num_inference_steps=1)))
    before, after = shown.pictures(0), shown.pictures(5)
    shown.write_before_after(5, tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * SIDE, 3 * SIDE, 3)
    for column, (one, other) in enumerate([(1, 0), (3, 2), (2, 3)]):
        left = slice(column * SIDE, (column + 1) * SIDE, 4)
        assert np.array_equal(sheet[:SIDE:4, left], np.asarray(before[one]))
        assert np.array_equal(sheet[SIDE::4, left], np.asarray(after[other]))
    rows = np.asarray(grid(tmp_path / "samples"))[HEADING:]
    assert rows.shape == (4 * SIDE, 2 * SIDE, 3)  # those of the last round
    assert np.array_equal(rows[:SIDE:4, :SIDE:4], np.asarray(before[1]))
    assert (rows[SIDE : 2 * SIDE, :SIDE] == 255).all()  # the new one was not drawn then


def test_thumbnails_stay_small() -> None:
    noise = Image.effect_noise((512, 256), 100).convert("RGB")
    width, height, data = make_thumb(noise)
    assert len(data) <= 8192
    assert width == 2 * height >= 48
