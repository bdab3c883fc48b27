"""What a recipe asks of its base model is refused before any weights are loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import small_recipe

from lorad.daemon.training.fit import refuse_idle_targets, refuse_unfit
from lorad.shared.errors import LoradError
from lorad.shared.recipe import Recipe, parse_recipe

from .tiny import tiny_model


def recipe(base: Path | str, more: str) -> Recipe:
    text = f'name = "a"\n[data]\npath = "p"\n[model]\nbase = "{base}"\n'
    return parse_recipe(f"{text}{more}")


@pytest.mark.parametrize(
    ("family", "more", "why"),
    [
        ("sd1", '[objective]\nweighting_scheme = "cosmap"', "objective.weighting_scheme"),
        ("sd1", "[objective]\nshift = 3.0", "it is for flow matching"),
        ("sd3", '[objective]\nprediction_type = "epsilon"', "matches flows"),
        ("sd2", "[objective]\nrescale_betas_zero_snr = true", "it is for v-prediction models"),
        ("sd3", "[objective]\nnoise_offset = 0.1", None),
        ("sd3", "[objective]\nrescale_betas_zero_snr = true", "rescale_betas_zero_snr"),
        ("sd3", "[lora]\nconv_rank = 4", "no 3x3 convolutions"),
        ("sd1", '[lora]\ninit_from = "none.safetensors"', "There is no file"),
        ("sd1", '[objective]\nprediction_type = "v_prediction"', "prediction_type"),
        ("sd1", "[model]", None),
    ],
)
def test_what_the_base_cannot_do(tmp_path: Path, family: str, more: str, why: str | None) -> None:
    wanted = recipe(tiny_model(family, tmp_path), more.replace("[model]", ""))
    if why is None:
        refuse_unfit(wanted, tmp_path)
        return
    with pytest.raises(LoradError, match=why):
        refuse_unfit(wanted, tmp_path)


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl", "sd3"])
@pytest.mark.parametrize(
    ("lora", "why"),
    [
        ('target_modules = ["to_q", "nothing"]', "nothing"),
        ('target_modules = "mid.*nowhere"', "nowhere"),
        ("rank_pattern = { nothing = 8 }", "`nothing` names no layer"),
        ('train_text_encoder = true\ntext_encoder_target_modules = ["odd"]', "odd"),
        ('target_modules = "full"\ntrain_text_encoder = true', None),
    ],
)
def test_targets_that_name_nothing(tmp_path: Path, family: str, lora: str, why: str | None) -> None:
    wanted = recipe(tiny_model(family, tmp_path), f"[lora]\n{lora}")
    if why is None:
        refuse_idle_targets(wanted, tmp_path)
        return
    with pytest.raises(LoradError, match=why):
        refuse_idle_targets(wanted, tmp_path)


def test_most_checks_need_no_diffusers(tmp_path: Path) -> None:
    path = small_recipe(tmp_path)
    code = (
        "import sys, pathlib\n"
        "from lorad.daemon.tools.check import check\n"
        "assert check(pathlib.Path(sys.argv[1]), as_json=True) == 0\n"
        "assert not {'diffusers', 'accelerate', 'peft'} & set(sys.modules)"
    )
    env = {**os.environ, "LORAD_HOME": str(tmp_path / "home")}
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, env=env)
