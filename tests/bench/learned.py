"""What a job's LoRA learned: learned.py FOLDER prints ratios to the base model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec
import numpy as np
from held_out import validators
from PIL import Image

from lorad.daemon.training.device import find_place
from lorad.daemon.training.families import load_family
from lorad.shared.messages import Assignment
from lorad.shared.recipe import Recipe


def saturation(files: list[Path]) -> float:
    """Mean colour saturation, 0..1."""
    return float(np.mean([np.asarray(Image.open(f).convert("HSV"))[..., 1] / 255 for f in files]))


def main() -> None:
    folder = Path(sys.argv[1])
    newest = max(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    state = json.loads((newest / "state.json").read_text())
    recipe, recipe_folder = msgspec.convert(state["recipe"], Recipe), Path(state["recipe_folder"])
    # Ten timesteps of every picture, always the same noise.
    look = msgspec.structs.replace(recipe.validate, timesteps=10)
    recipe = msgspec.structs.replace(recipe, validate=look)
    task = Assignment(
        id=1, recipe=recipe, recipe_folder=str(recipe_folder), folder=str(folder / "learned"),
        cache=str(folder / "learned" / "cache"), fresh=True,
    )  # fmt: skip
    (folder / "learned").mkdir(exist_ok=True)
    place = find_place(recipe, None)
    family = load_family(recipe.model, recipe_folder, place.device, place.dtype)
    plain = validators(task, family, place)[0]
    before = plain.look(0)
    family.pipeline().load_lora_weights(folder, weight_name="pytorch_lora_weights.safetensors")
    after = plain.look(state["step"])
    samples = folder / "samples"
    first = saturation(sorted(samples.glob("step-000000-*.png")))
    last = saturation(sorted(samples.glob(f"step-{state['step']:06d}-*.png")))
    print(
        f"loss on fixed noise {before:.4f} -> {after:.4f}, ratio {after / before:.3f};"
        f" saturation of the samples {first:.3f} -> {last:.3f}, change {last / first - 1:+.1%}"
    )


if __name__ == "__main__":
    main()
