"""What the LoRA files tell of themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors import safe_open

from lorad.daemon.training.data.buckets import Bucket
from lorad.daemon.training.export import About, Block, export
from lorad.shared.jobs import LORA_FILE

from .adapters import adapted, make_recipe
from .test_export import KOHYA_FILE, LORA, exported, full

pytestmark = pytest.mark.filterwarnings("ignore:While injecting the PEFT adapters")


def header(path: Path) -> dict[str, Any]:
    with safe_open(path, "pt") as file:
        return file.metadata()


MORE = """
[[data]]
path = "more/pictures"
repeats = 3
trigger_word = "zorg"
[[data]]
path = "reg"
is_reg = true
"""


def test_metadata_of_several_blocks_and_buckets(tmp_path: Path) -> None:
    about = About(
        9, {"cat": 6}, "bf16", 1.0,
        blocks=(Block(4, {"cat": 4}), Block(2, {"dog": 1}), Block(3, {})),
        buckets=(Bucket(512, 512, 5), Bucket(448, 576, 4)),
    )  # fmt: skip
    recipe = make_recipe("", MORE)
    picture = Image.new("RGB", (64, 64))
    export(adapted("sd1"), recipe, 3, about, tmp_path, picture)
    told = header(tmp_path / KOHYA_FILE)
    assert json.loads(told["ss_dataset_dirs"]) == {
        "pictures": {"n_repeats": 1, "img_count": 4},
        "pictures 2": {"n_repeats": 3, "img_count": 2},
        "reg": {"n_repeats": 1, "img_count": 3},
    }
    assert json.loads(told["ss_tag_frequency"])["pictures 2"] == {"dog": 1}
    assert json.loads(told["ss_bucket_info"])["buckets"]["1"] == {
        "resolution": [448, 576], "count": 4
    }  # fmt: skip
    assert (told["ss_num_train_images"], told["ss_num_reg_images"]) == ("6", "3")
    assert told["modelspec.trigger_phrase"] == "zorg"
    assert told["modelspec.thumbnail"].startswith("data:image/jpeg;base64,")
    assert all(isinstance(value, str) for value in told.values())
    assert "somewhere" not in json.dumps(told)  # no path of the user's
    assert "more/pictures" not in json.dumps(told)


@pytest.mark.parametrize(
    ("family", "architecture", "version", "v2", "prediction"),
    [
        ("sd1", "stable-diffusion-v1/lora", "sd_v1", "False", "epsilon"),
        ("sd2", "stable-diffusion-v2-768-v/lora", "sd_v2_768_v", "True", "v"),
        ("sdxl", "stable-diffusion-xl-v1-base/lora", "sdxl_base_v1-0", "False", "epsilon"),
        ("sd3", "stable-diffusion-3-medium/lora", "sd3_m", "False", None),
    ],
)
def test_metadata_of_each_family(
    tmp_path: Path, family: str, architecture: str, version: str, v2: str, prediction: str | None
) -> None:
    exported(family, "", tmp_path)
    told = header(tmp_path / KOHYA_FILE)
    assert told["modelspec.architecture"] == architecture
    assert (told["ss_base_model_version"], told["ss_v2"]) == (version, v2)
    assert told.get("modelspec.prediction_type") == prediction


@pytest.mark.parametrize(
    ("lora", "module", "arguments"),
    [
        ("alpha = 2", "networks.lora", {}),
        ("conv_rank = 2", "networks.lora", {"conv_dim": "2", "conv_alpha": "2.0"}),
        ('type = "loha"', "lycoris.kohya", {"algo": "loha"}),
        ('type = "lokr"\ndecompose_factor = 8', "lycoris.kohya", {"algo": "lokr", "factor": "8"}),
        ("use_dora = true", "lycoris.kohya",
         {"algo": "lora", "dora_wd": "True", "wd_on_out": "True"}),
    ],
)  # fmt: skip
def test_metadata_of_each_type(
    tmp_path: Path, lora: str, module: str, arguments: dict[str, str]
) -> None:
    exported("sd1", lora, tmp_path)
    told = header(tmp_path / KOHYA_FILE)
    assert told["ss_network_module"] == module
    assert json.loads(told["ss_network_args"]) == arguments
    assert len(told["sshs_model_hash"]) == 64


def test_each_component_has_its_configuration_in_diffusers_file(tmp_path: Path) -> None:
    exported("sdxl", full("sdxl", LORA["dora"]), tmp_path)
    told = json.loads(header(tmp_path / LORA_FILE)["lora_adapter_metadata"])
    for component in ("unet", "text_encoder", "text_encoder_2"):
        assert told[f"{component}.use_dora"] is True
        assert told[f"{component}.lora_alpha"] == 2
        assert told[f"{component}.target_modules"] == sorted(told[f"{component}.target_modules"])


@pytest.mark.parametrize(
    ("family", "objective", "wanted"),
    [
        ("sd1", "", ("5.0", "False")),
        ("sd1", "snr_gamma = 0.0", ("None", "False")),
        ("sd1", 'snr_weighting = "debiased"', ("None", "True")),
        ("sd1", 'snr_weighting = "soft_min_snr"', ("None", "False")),
        ("sd3", "", ("None", "False")),
    ],
)
def test_only_the_weighting_that_was_used_is_told(
    family: str, objective: str, wanted: tuple[str, str], tmp_path: Path
) -> None:
    recipe = make_recipe("", f"[objective]\n{objective}\n")
    export(adapted(family), recipe, 3, About(1, {}, "no", 1.0), tmp_path, None)
    told = header(tmp_path / KOHYA_FILE)
    assert (told.get("ss_min_snr_gamma", "None"), told["ss_debiased_estimation"]) == wanted
