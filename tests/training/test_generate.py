"""`lorad generate` with a LoRA file, in every family."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from PIL import Image
from safetensors.torch import save_file
from support import quick, small_recipe

from lorad.daemon.tools.generate import Wish, generate, of_file, of_job
from lorad.daemon.training.families import load_family
from lorad.shared.errors import (
    CheckpointUnusable,
    FileMissing,
    NoCheckpoint,
    NotWritable,
    WrongBase,
)
from lorad.shared.recipe import Model

from .runs import Line, run
from .tiny import Name, tiny_model

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def wish(scale: float = 1.0) -> Wish:
    return Wish("a cat", seed=3, steps=2, guidance=3.0, scale=scale)


def write_lora(base: Path, path: Path, *, text: bool = False) -> Path:
    """A LoRA that does something, in diffusers' keys."""
    family: Any = load_family(Model(base=str(base)), base, torch.device("cpu"), torch.float32)
    modules = {family.network_name: (family.network, "to_q")}
    if text:
        modules |= {name: (part, "v_proj") for name, part in family.text_encoders.items()}
    tensors = {}
    generator = torch.Generator().manual_seed(2)
    for prefix, (module, target) in modules.items():
        module.add_adapter(LoraConfig(r=2, target_modules=[target]))
        for name, value in get_peft_model_state_dict(module).items():
            tensors[f"{prefix}.{name}"] = torch.randn(value.shape, generator=generator)
    save_file(tensors, path)
    return path


def draw(lora: Path, base: Path, out: Path, scale: float = 1.0) -> np.ndarray[Any, Any]:
    path = generate(of_file(lora, str(base)), wish(scale), out)
    return np.asarray(Image.open(path)).astype(int)


@pytest.mark.parametrize("name", quick(2, ["sd1", "sd3", "sd2-v", "sdxl", "sd35"]))
def test_a_lora_file_draws_at_its_strength(name: Name, tmp_path: Path) -> None:
    base = tiny_model(name, tmp_path)
    lora = write_lora(base, tmp_path / "l.safetensors", text=name == "sdxl")
    whole = draw(lora, base, tmp_path / "1.png")
    side = 128 if name.startswith("sd3") else 64
    assert whole.shape == (side, side, 3)
    assert np.array_equal(whole, draw(lora, base, tmp_path / "1b.png"))
    half, none = (draw(lora, base, tmp_path / f"{s}.png", s) for s in (0.5, 0.0))
    assert not np.array_equal(whole, half)
    assert not np.array_equal(half, none)
    other = write_lora(base, tmp_path / "other.safetensors")
    assert np.array_equal(draw(other, base, tmp_path / "0b.png", 0.0), none)


def test_what_cannot_be_drawn_is_a_sentence(tmp_path: Path) -> None:
    base = tiny_model("sd1", tmp_path)
    lora = write_lora(base, tmp_path / "l.safetensors")
    with pytest.raises(NotWritable):
        draw(lora, base, tmp_path / "x.nothing")
    for foreign in ("sdxl", "sd3"):
        with pytest.raises(WrongBase, match="Name the base model that it was trained on"):
            draw(lora, tiny_model(foreign, tmp_path), tmp_path / "x.png")
    with pytest.raises(FileMissing):
        draw(tmp_path / "none.safetensors", base, tmp_path / "x.png")
    save_file({"something": torch.zeros(1)}, tmp_path / "odd.safetensors")
    with pytest.raises(WrongBase):
        draw(tmp_path / "odd.safetensors", base, tmp_path / "x.png")
    with pytest.raises(NoCheckpoint):
        of_job(tmp_path)


def test_a_jobs_recipe_comes_from_a_checkpoint_that_can_be_read(tmp_path: Path) -> None:
    run(small_recipe(tmp_path, steps=2, checkpointing_steps=1), tmp_path / "out", Line())
    older, newest = (tmp_path / "out" / f"checkpoint-{step}" for step in (1, 2))
    (newest / "state.json").write_text("{")
    assert of_job(tmp_path / "out").recipe.name == "small"
    (older / "state.json").unlink()
    with pytest.raises(CheckpointUnusable, match=r"checkpoint-2: .*; checkpoint-1: .*No such file"):
        of_job(tmp_path / "out")


def test_from_the_command_line_without_a_daemon(tmp_path: Path) -> None:
    base = tiny_model("sd1", tmp_path)
    lora = write_lora(base, tmp_path / "style.safetensors")
    command = [sys.executable, "-m", "lorad.tui", "generate", lora, "a cat", "--steps", "2"]
    without = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert without.returncode == 2
    assert "Name it with --base" in without.stderr
    earlier = [tmp_path / "style-a-cat-1.png", tmp_path / "style-a-cat-1-2.png"]
    for path in earlier:
        path.write_text("an earlier picture")
    done = subprocess.run([*command, "--base", base], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == str(tmp_path / "style-a-cat-1-3.png")
    with Image.open(tmp_path / "style-a-cat-1-3.png") as picture:
        assert picture.size == (64, 64)
    assert {path.read_text() for path in earlier} == {"an earlier picture"}
