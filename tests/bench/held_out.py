"""The loss on a recipe's pictures at fixed noise and timesteps: held_out.py RECIPE FOLDER…

Prints JSON: plain and min-SNR-weighted, of the base model and with the LoRA file of each folder.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec
from bare import assignment

from lorad.daemon.training.data import collect
from lorad.daemon.training.data.cache import Cache
from lorad.daemon.training.data.dataset import Dataset
from lorad.daemon.training.data.encoder import Encoder
from lorad.daemon.training.data.item import Findings
from lorad.daemon.training.data.manifest import hold
from lorad.daemon.training.device import Place, find_place
from lorad.daemon.training.families import Family, load_family
from lorad.daemon.training.objective import make_objective
from lorad.daemon.training.validation import Validator
from lorad.shared.messages import Assignment
from lorad.shared.recipe import Recipe

GAMMAS = (0.0, 5.0)


def validators(task: Assignment, family: Family, place: Place) -> list[Validator]:
    """One for each measure."""
    items = collect(task.recipe, Path(task.recipe_folder), Findings())
    entries = hold(items, Path(task.folder) / "manifest.json", fresh=True)
    encoder = Encoder(family, Cache(Path(task.cache)), place, lambda _: None)
    encoded = encoder.encode(items, entries, task.recipe)
    made = []
    for gamma in GAMMAS:
        objective = make_objective(weighted(task.recipe, gamma), family.process)
        dataset = Dataset(encoded, task.recipe, family, objective, place)
        made.append(Validator(dataset, objective, family, place, task.recipe))
    return made


def weighted(recipe: Recipe, gamma: float) -> Recipe:
    objective = msgspec.structs.replace(recipe.objective, snr_gamma=gamma)
    return msgspec.structs.replace(recipe, objective=objective)


def main() -> None:
    path = Path(sys.argv[1])
    task = assignment(path, path.parent / "held-out")
    Path(task.folder).mkdir(exist_ok=True)
    place = find_place(task.recipe, None)
    family = load_family(task.recipe.model, path.parent, place.device, place.dtype)
    looks = validators(task, family, place)
    losses = [[one.look(0) for one in looks]]
    pipeline = family.pipeline()
    for folder in sys.argv[2:]:
        pipeline.load_lora_weights(folder, weight_name="pytorch_lora_weights.safetensors")
        losses.append([one.look(0) for one in looks])
        pipeline.unload_lora_weights()
        if [one.look(0) for one in looks] != losses[0]:
            raise SystemExit(f"the base model is not what it was before the LoRA of {folder}")
    print(json.dumps(losses))


if __name__ == "__main__":
    main()
