"""A run in memory: what its loop holds between two steps."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import torch

from lorad.daemon.training.checkpoint import Checkpoints, State
from lorad.daemon.training.data.cache import Cache
from lorad.daemon.training.data.dataset import Dataset
from lorad.daemon.training.device import Place
from lorad.daemon.training.ema import Ema, shown
from lorad.daemon.training.families import Family
from lorad.daemon.training.health import IN_A_ROW_SCALED, Health, Verdict
from lorad.daemon.training.late import LateFigures
from lorad.daemon.training.line import Line
from lorad.daemon.training.lora import draws_dropout
from lorad.daemon.training.metadata import About
from lorad.daemon.training.objective import Objective
from lorad.daemon.training.peers import Peers
from lorad.daemon.training.plan import Plan
from lorad.daemon.training.preview import Preview
from lorad.daemon.training.schedule import learning_rates
from lorad.daemon.training.speed import Pace
from lorad.daemon.training.trackers import Trackers
from lorad.daemon.training.validation import Best, Validator
from lorad.shared.messages import NoteKind, NoteReport, PhaseReport
from lorad.shared.recipe import Recipe

log = logging.getLogger(__name__)


@dataclass
class Run:
    """A run that is ready for its next step."""

    recipe: Recipe
    recipe_folder: Path
    line: Line
    peers: Peers
    folder: Path
    """Where the output goes."""
    place: Place
    family: Family
    objective: Objective
    dataset: Dataset
    validator: Validator | None
    parameters: dict[str, torch.nn.Parameter]
    """Of the adapter, by name, in fp32."""
    moved: dict[str, torch.nn.Parameter]
    """What the optimiser is given: the same numbers, in one row for each component where it treats
    each number alike."""
    optimizer: Any
    """As accelerate wraps it, for the gradient scaler."""
    ema: Ema | None
    rates: Callable[[int], float]
    """The share of the learning rate by step."""
    checkpoints: Checkpoints
    preview: Preview
    trackers: Trackers
    about: About
    cache: Cache
    """For as long as it is here, nobody clears away what the data set maps."""
    pace: Pace
    last_step: int
    step: int = 0
    """Steps taken."""
    plan: Plan = field(default_factory=Plan)
    best: Best = field(default_factory=Best)
    health: Health = field(default_factory=Health)
    figures: LateFigures = field(default_factory=LateFigures)
    verdict: Verdict = "fine"
    """On figures that were told by a save, until somebody acts on it."""
    changes: list[str] = field(default_factory=list)
    looked: int | None = None
    """The step of the last validation."""
    began: float = 0.0
    """When the step that is being taken began, by `time.perf_counter`."""
    asked: int = 0
    """The number of the newest call for pictures."""
    drawn: int = 0
    """That of the newest one that was answered."""

    def __post_init__(self) -> None:
        """What every step asks for."""
        self.trained = list(self.moved.values())
        train = self.recipe.train
        self.images = train.train_batch_size * train.gradient_accumulation_steps
        self.inner = self.optimizer.optimizer
        self.fused = bool(self.inner.defaults.get("fused"))
        self.drops_out = draws_dropout(self.recipe)
        self.scaled = self.place.accelerator.scaler is not None
        if self.scaled:
            self.health.limit = IN_A_ROW_SCALED

    @property
    def learning_rate(self) -> float:
        """At its height."""
        return self.recipe.train.learning_rate

    @property
    def stops_early(self) -> bool:
        """Whether validation has not improved for as long as the recipe's patience."""
        return self.validator is not None and self.best.stop(self.recipe.validate.patience)

    def tell(self, phase: str) -> None:
        """What it does now; nothing: it trains."""
        self.line.report(PhaseReport(phase=phase))

    def shown(self) -> AbstractContextManager[None]:
        """The weights that are sampled, validated and exported, for the time of a block."""
        return shown(self.moved, self.inner, self.ema)

    def follow(self, plan: Plan) -> None:
        """Take steps by this plan from now on."""
        network: Any = self.family.network
        if plan.gradient_checkpointing and not self.plan.gradient_checkpointing:
            network.enable_gradient_checkpointing()
        self.plan = plan

    def note(self, kind: NoteKind, text: str) -> None:
        """Something that people should know of, in the log and with the job."""
        log.warning("%s", text)
        self.line.report(NoteReport(step=self.step, kind=kind, text=text))

    def note_change(self, text: str) -> None:
        """Something of the recipe is not what it was; it is kept with the run."""
        log.info("From step %d on: %s", self.step + 1, text)
        self.changes.append(f"step {self.step}: {text}")
        self.line.report(NoteReport(step=self.step, kind="changed", text=text))

    def adopt(self, recipe: Recipe) -> None:
        """Go on by a recipe of which only what may change has changed.

        Raises:
            WrongValue: its schedule does not fit the run's length, and nothing was changed.
        """
        last_step = steps_of(recipe, self.dataset)
        rates = learning_rates(recipe, last_step)
        self.recipe, self.last_step, self.rates = recipe, last_step, rates
        self.checkpoints.keep = recipe.output.keep
        self.trackers.every = recipe.log.every_n_steps
        train = recipe.train
        heights = (train.learning_rate, train.text_encoder_lr or train.learning_rate)
        for group, height in zip(self.inner.param_groups, heights, strict=False):
            group["initial_lr"] = height

    def state(self, optimizer: dict[str, Any]) -> State:
        """For a checkpoint; `optimizer` is what it keeps besides tensors."""
        scaler = self.place.accelerator.scaler
        return State(
            step=self.step,
            last_step=self.last_step,
            started=self.about.started,
            threads=self.place.threads,
            torch=str(torch.__version__),
            device=self.place.name,
            recipe=msgspec.to_builtins(self.recipe),
            recipe_folder=str(self.recipe_folder),
            optimizer=optimizer,
            plan=self.plan,
            processes=self.peers.count,
            best=self.best,
            looked=self.looked,
            changes=self.changes,
            samples=self.drawn,
            scaler=scaler.state_dict() if scaler is not None else None,
        )


def steps_of(recipe: Recipe, dataset: Dataset) -> int:
    """How many steps the run takes, now that its pictures are counted."""
    if recipe.train.known_steps is not None:
        return recipe.train.known_steps
    return dataset.steps(recipe.train.num_train_epochs or 1)
