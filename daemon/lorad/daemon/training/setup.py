"""Everything that a run needs before its first step: found, checked, loaded, encoded, restored."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
import torch

from lorad.daemon.training.checkpoint import Checkpoints, State, Tensors
from lorad.daemon.training.data import find_items
from lorad.daemon.training.data.cache import Cache
from lorad.daemon.training.data.dataset import Dataset, Encoder
from lorad.daemon.training.data.manifest import hold
from lorad.daemon.training.device import Place, find_place
from lorad.daemon.training.export import About
from lorad.daemon.training.families import Family, load_family
from lorad.daemon.training.lora import add_lora
from lorad.daemon.training.optimizer import (
    learning_rates,
    make_optimizer,
    restore_optimizer,
)
from lorad.daemon.training.preview import Preview
from lorad.shared.errors import CannotContinue
from lorad.shared.messages import AnyReport, Assignment, PhaseReport
from lorad.shared.recipe import Recipe

log = logging.getLogger(__name__)

MAY_CHANGE = {
    "model": (),
    "buckets": (),
    "lora": (),
    "train": ("max_train_steps", "checkpointing_steps", "gpu_memory_gib"),
    "objective": (),
    "optimizer": (),
}
"""By section of the recipe, what a run that goes on may find changed."""


class Line(Protocol):
    """The run's line to whoever watches and steers it."""

    @property
    def wanted(self) -> Literal["run", "pause", "cancel"]:
        """What the run is to do now; a plain variable."""
        ...

    def report(self, *reports: AnyReport) -> None:
        """Say it; never waits."""
        ...


class Unwanted(Exception):
    """The run is to be paused or cancelled before its first step; there is nothing to save."""


def say(line: Line, phase: str) -> None:
    """What the run does before its first step, where it also hears that it is not wanted.

    Raises:
        Unwanted: it is not.
    """
    if line.wanted != "run":
        raise Unwanted
    line.report(PhaseReport(phase=phase))


@dataclass
class Run:
    """A run that is ready for its next step."""

    recipe: Recipe
    recipe_folder: Path
    line: Line
    folder: Path
    """Where the output goes."""
    place: Place
    family: Family
    dataset: Dataset
    parameters: dict[str, torch.nn.Parameter]
    adamw: torch.optim.AdamW
    optimizer: Any
    """`adamw` as accelerate wraps it, for the gradient scaler."""
    rates: Callable[[int], float]
    checkpoints: Checkpoints
    preview: Preview
    about: About
    step: int
    """Steps taken."""

    def tell(self, phase: str) -> None:
        """What it does now; nothing: it trains."""
        self.line.report(PhaseReport(phase=phase))

    def state(self) -> State:
        """For a checkpoint."""
        scaler = self.place.accelerator.scaler
        return State(
            step=self.step,
            started=self.about.started,
            threads=self.place.threads,
            torch=torch.__version__,
            device=self.place.name,
            recipe=msgspec.to_builtins(self.recipe),
            recipe_folder=str(self.recipe_folder),
            scaler=scaler.state_dict() if scaler is not None else None,
        )


def prepare(task: Assignment, line: Line) -> Run:
    """Load everything, and go back to the newest checkpoint if there is one to go on from.

    Raises:
        LoradError: whatever keeps the run from starting, in one sentence.
        Unwanted: somebody wants otherwise already.
    """
    recipe, folder = task.recipe, Path(task.folder)
    checkpoints = Checkpoints(folder, recipe.output.keep)
    if task.fresh:
        checkpoints.clear()
    found = checkpoints.load()
    if found is not None:
        refuse_other_recipe(found[0], recipe, folder)
    say(line, "reading the pictures")
    items = find_items(recipe, Path(task.recipe_folder))
    entries = hold(items, folder / "manifest.json", fresh=found is None)
    say(line, "loading the model")
    log.info("%d pictures, %d steps", len(items), recipe.train.known_steps)
    place = find_place(recipe, found[0].threads if found else None)
    family = load_family(recipe.model, Path(task.recipe_folder), place.device, place.dtype)
    encoder = Encoder(family, Cache(Path(task.cache)), place, lambda phase: say(line, phase))
    dataset = encoder.dataset(items, entries, recipe)
    run = assemble(task, line, place, family, dataset, checkpoints)
    count = sum(parameter.numel() for parameter in run.parameters.values())
    log.info("%s on %s (%s), %.2f million weights to train, %s", recipe.model.base, place.name,
             str(place.dtype).removeprefix("torch."), count / 1e6,
             "bit for bit" if place.exact else "not bit for bit")  # fmt: skip
    tags = Counter(tag.strip().lower() for item in items for tag in item.caption.split(","))
    run.about = dataclasses.replace(run.about, tags=dict(tags))
    if found is not None:
        restore(run, *found)
    return run


def assemble(
    task: Assignment,
    line: Line,
    place: Place,
    family: Family,
    dataset: Dataset,
    checkpoints: Checkpoints,
) -> Run:
    """A run at step 0, with a fresh adapter."""
    recipe, folder = task.recipe, Path(task.folder)
    if recipe.train.gradient_checkpointing is True:
        network: Any = family.network
        network.enable_gradient_checkpointing()
    parameters = add_lora(family.network, recipe)
    family.network.train()
    adamw = make_optimizer(list(parameters.values()), recipe, place.device)
    return Run(
        recipe=recipe,
        recipe_folder=Path(task.recipe_folder),
        line=line,
        folder=folder,
        place=place,
        family=family,
        dataset=dataset,
        parameters=parameters,
        adamw=adamw,
        optimizer=place.accelerator.prepare(adamw),
        rates=learning_rates(recipe),
        checkpoints=checkpoints,
        preview=Preview(family, recipe, folder),
        about=About(len(dataset), {}, place.accelerator.mixed_precision, started=time.time()),
        step=0,
    )


def restore(run: Run, state: State, tensors: Tensors) -> None:
    """Go back to a checkpoint."""
    with torch.no_grad():
        for name, parameter in run.parameters.items():
            parameter.copy_(tensors.adapter[name])
    restore_optimizer(run.adamw, run.parameters, tensors.optimizer)
    if state.scaler is not None and run.place.accelerator.scaler is not None:
        run.place.accelerator.scaler.load_state_dict(state.scaler)
    run.step = state.step
    log.info("Goes on from the checkpoint of step %d", state.step)
    run.about = dataclasses.replace(run.about, started=state.started)
    for what, then, now in (
        ("torch", state.torch, torch.__version__),
        ("the device", state.device, run.place.name),
    ):
        if then != now:
            log.warning("It goes on, but not bit for bit: %s was %s and is %s", what, then, now)


def refuse_other_recipe(state: State, recipe: Recipe, folder: Path) -> None:
    """Only what leaves the steps so far as they were may have changed.

    Raises:
        CannotContinue: names what has.
    """
    now = msgspec.json.decode(msgspec.json.encode(recipe))  # as the checkpoint has it
    for section, free in MAY_CHANGE.items():
        for key, value in now[section].items():
            then = state.recipe[section].get(key, value)
            if key not in free and value != then:
                why = f"{section}.{key} was {then} and is {value}"
                raise CannotContinue(folder=folder, why=why)
