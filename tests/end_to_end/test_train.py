"""From a recipe to a file that changes what the model draws."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from peft.utils import get_peft_model_state_dict
from safetensors import safe_open

from lorad.shared import shipped
from lorad.shared.jobs import Job
from lorad.shared.messages import GetChart, GetLog, GetMetrics, GetRecipe, GetSamples

from .conftest import STEPS, Finished

pytestmark = pytest.mark.filterwarnings("ignore:While injecting the PEFT adapters")


def pipeline(folder: Path | None = None, weight_name: str | None = None) -> StableDiffusionPipeline:
    pipe = StableDiffusionPipeline.from_pretrained(shipped.MODELS["emoji"])
    pipe.to(torch.float32)
    pipe.set_progress_bar_config(disable=True)
    if folder is not None:
        names = {} if weight_name is None else {"weight_name": weight_name}
        pipe.load_lora_weights(folder, adapter_name="default", **names)
    return pipe


def drawn(pipe: StableDiffusionPipeline) -> np.ndarray:
    picture = pipe(
        "cat face", height=64, width=64, num_inference_steps=4, guidance_scale=4.0,
        generator=torch.Generator().manual_seed(1),
    ).images[0]  # fmt: skip
    return np.asarray(picture).astype(int)


def test_the_folder_loads_in_diffusers_and_changes_the_picture(finished: Finished) -> None:
    change = np.abs(drawn(pipeline()) - drawn(pipeline(finished.folder))).mean()
    assert change > 1


def test_both_files_hold_the_same_adapter_with_its_alpha(finished: Finished) -> None:
    states = []
    for name in ("pytorch_lora_weights.safetensors", "small.safetensors"):
        unet = pipeline(finished.folder, name).unet
        states.append(get_peft_model_state_dict(unet))
        config = unet.peft_config["default"]
        assert (config.r, config.lora_alpha) == (4, 2)
    one, other = states
    assert one.keys() == other.keys()
    assert any("conv1" in name for name in one)
    assert any("to_q" in name for name in one)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_metadata_that_image_programs_read(finished: Finished) -> None:
    with safe_open(finished.folder / "small.safetensors", "pt") as file:
        metadata = file.metadata()
    assert metadata["ss_output_name"] == "small"
    assert metadata["ss_network_module"] == "networks.lora"
    assert (metadata["ss_network_dim"], metadata["ss_network_alpha"]) == ("4", "2.0")
    assert metadata["ss_base_model_version"] == "sd_v1"
    assert metadata["ss_v2"] == "False"
    assert json.loads(metadata["ss_tag_frequency"])["pictures"]["anchor"] == 1
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1/lora"
    assert metadata["modelspec.thumbnail"].startswith("data:image/jpeg;base64,")
    assert len(metadata["sshs_model_hash"]) == 64
    assert metadata["ss_steps"] == str(STEPS)
    assert all(isinstance(value, str) for value in metadata.values())


def test_what_the_daemon_knows_of_it(finished: Finished) -> None:
    client, id = finished.daemon.client(), finished.job.id
    points = client.ask(GetMetrics(id=id)).points
    assert [point.step for point in points] == list(range(1, STEPS + 1))
    assert all(point.loss > 0 and point.grad_norm > 0 for point in points)
    assert finished.job.progress.step == STEPS
    assert finished.job.progress.images_per_second
    assert client.ask(GetChart(id=id, width=4)).lines["loss"][-1].step == STEPS
    pictures = client.ask(GetSamples(id=id)).pictures
    assert [(p.step, p.index) for p in pictures] == [(0, 0), (0, 1), (STEPS, 0), (STEPS, 1)]
    assert all(Path(p.path).exists() and len(p.thumb) <= 8192 for p in pictures)
    assert client.ask(GetRecipe(id=id)).recipe == finished.recipe.read_text()
    assert "saved checkpoint-8" in client.ask(GetLog(id=id, offset=0)).text


def test_what_happened_to_it_in_order(finished: Finished) -> None:
    from lorad.daemon.store import Store

    store = Store(finished.daemon.home.database)
    events = [event for _, event, _ in store.transitions(finished.job.id)]
    store.close()
    assert events == ["add", "start", "ready", "finish", "done"]


def test_two_checkpoints_are_kept_and_nothing_else_is_left(finished: Finished) -> None:
    names = sorted(path.name for path in finished.folder.iterdir())
    assert names == [
        "README.md",
        "before_after.png",
        "checkpoint-6",
        "checkpoint-8",
        "manifest.json",
        "pytorch_lora_weights.safetensors",
        "samples",
        "samples.png",
        "small.safetensors",
    ]


def test_a_late_viewer_gets_every_point(finished: Finished) -> None:
    points = list(finished.daemon.client().points(finished.job.id))
    assert [point.step for point in points] == list(range(1, STEPS + 1))


def test_following_a_job_that_is_done_ends(finished: Finished) -> None:
    told = list(finished.daemon.client().follow(finished.job.id))
    assert [job.state for job in told if isinstance(job, Job)] == ["done"]
