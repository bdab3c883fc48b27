"""What a job's LoRA learned: learned.py FOLDER prints ratios to the base model."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

import msgspec
import numpy as np
import torch
from PIL import Image

from lorad.daemon.training import keyed, objective
from lorad.daemon.training.data import find_items
from lorad.daemon.training.data.pictures import decode
from lorad.daemon.training.data.views import pixels_of, views_of
from lorad.daemon.training.families import Family, load_family
from lorad.shared.recipe import Recipe

TIMESTEPS = range(50, 1000, 100)


@torch.no_grad()
def loss_on_fixed_noise(family: Family, latents: torch.Tensor, text: torch.Tensor) -> float:
    """Mean squared error over all pictures, ten timesteps, always the same noise."""
    losses = []
    noise = torch.stack(
        [keyed.normal(tuple(latents.shape[1:]), 0, "fixed", i) for i in range(len(latents))]
    )
    for timestep in TIMESTEPS:
        timesteps = torch.full((len(latents),), timestep)
        noisy = objective.add_noise(latents, noise, timesteps, family.alphas_cumprod)
        guess = family.predict(noisy, timesteps, text)
        losses.append(objective.loss(guess, noise, timesteps, family.alphas_cumprod, 0).item())
    return statistics.mean(losses)


def saturation(files: list[Path]) -> float:
    """Mean colour saturation, 0..1."""
    return float(np.mean([np.asarray(Image.open(f).convert("HSV"))[..., 1] / 255 for f in files]))


def main() -> None:
    folder = Path(sys.argv[1])
    newest = max(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    state = json.loads((newest / "state.json").read_text())
    recipe, recipe_folder = msgspec.convert(state["recipe"], Recipe), Path(state["recipe_folder"])
    family = load_family(recipe.model, recipe_folder, torch.device("cpu"), torch.float32)
    items = find_items(recipe, recipe_folder)
    square = (recipe.train.resolution, recipe.train.resolution)
    pictures = [decode(item.read()) for item in items]
    views = [views_of(picture.size, square, "", recipe.data[0])[0] for picture in pictures]
    pixels = torch.stack([pixels_of(*pair) for pair in zip(pictures, views, strict=True)])
    latents = family.encode_pictures(pixels)[:, 0] * family.scaling
    text = family.encode_captions([item.captions[0] for item in items])
    before = loss_on_fixed_noise(family, latents, text)
    family.pipeline().load_lora_weights(folder, weight_name="pytorch_lora_weights.safetensors")
    after = loss_on_fixed_noise(family, latents, text)
    samples = folder / "samples"
    first = saturation(sorted(samples.glob("step-000000-*.png")))
    last = saturation(sorted(samples.glob(f"step-{state['step']:06d}-*.png")))
    print(
        f"loss on fixed noise {before:.4f} -> {after:.4f}, ratio {after / before:.3f};"
        f" saturation of the samples {first:.3f} -> {last:.3f}, change {last / first - 1:+.1%}"
    )


if __name__ == "__main__":
    main()
